"""A capture answers as the device did, and to nobody who asks something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytio.backends.bindings import PCI_DOE
from pytio.backends.socket import SocketTransport
from pytio.capture import open_capture
from pytio.doe import DataObject
from pytio.errors import BackendTimeoutError, BackendUnavailableError, CaptureError, LocalProtocolError
from pytio.hosts import Driver, Tap, TappedTransport, open_transport
from pytio.hosts.replay import ReplayTransport
from pytio.spdm import Requester, RequesterConfig
from pytio.spdm.events import CertificateRead, Connected
from pytio.spdm.requests import Connect, ReadCertificate
from tests.hosts.serving import address_of, requester_for, served

SESSIONS = Path(__file__).parents[1] / "sessions"
INTENTS = (Connect(), ReadCertificate())


@pytest.fixture
def recording(tmp_path: Path) -> tuple[Path, RequesterConfig]:
    """Record a conversation in which nothing is drawn; return it, and who asked."""
    path = tmp_path / "recorded.pcapng"
    with path.open("wb") as stream, served(PCI_DOE) as server:
        requester = requester_for(server)
        transport = TappedTransport(SocketTransport.open(address_of(server)), Tap(stream, PCI_DOE))
        with Driver(requester, transport) as driver:
            for intent in INTENTS:
                driver.ask(intent)
    return path, requester.config


def test_the_same_questions_get_the_same_answers(recording: tuple[Path, RequesterConfig]) -> None:
    path, config = recording
    transport = open_transport(f"replay:{path}")
    assert isinstance(transport, ReplayTransport)
    assert PCI_DOE.record_format is not None
    driver = Driver(Requester(config, record_format=PCI_DOE.record_format), transport)
    learnt = [type(driver.ask(intent)[-1]) for intent in INTENTS]
    assert learnt == [Connected, CertificateRead]
    assert transport.remaining == 0
    with pytest.raises(LocalProtocolError, match="no further request"):
        transport.write(b"")


def test_another_question_gets_none(recording: tuple[Path, RequesterConfig]) -> None:
    transport = open_transport(f"replay:{recording[0]}")
    with pytest.raises(LocalProtocolError, match=r"record 1 .*at byte 9: 81 00 00 instead of 84 00 00"):
        transport.write(bytes.fromhex("01000100 03000000 10810000"))
    with pytest.raises(BackendTimeoutError, match="did not answer"):
        transport.read()
    transport.write(bytes.fromhex("01000100 03000000 10840000"))  # nothing was used up
    assert DataObject.parse(transport.read()).payload[1] == 4
    transport.close()


@pytest.mark.parametrize("name", ["s01-doe12-p384-full", "s07-doe14-p384"])
def test_recorded_sessions_answer_themselves(name: str) -> None:
    """Every request of a recorded session, asked again, draws what answered it."""
    trace = open_capture(SESSIONS / f"{name}.pcap")
    transport = ReplayTransport(trace)
    asked = 0
    for record in list(trace):
        if transport.remaining and record.data == transport._turns[0][1]:
            transport.write(record.data)
            assert DataObject.parse(transport.read()).vendor_id == 1
            asked += 1
    assert transport.remaining == 0
    assert asked > 50


def test_captures_without_data_objects(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError, match="no DOE data object"):
        open_transport(f"replay:{SESSIONS / 's05-mctp12-chunk.pcap'}")
    with pytest.raises(BackendUnavailableError, match="cannot be read"):
        open_transport(f"replay:{tmp_path / 'nowhere'}")
    (tmp_path / "text").write_text("no capture")
    with pytest.raises(CaptureError):
        open_transport(f"replay:{tmp_path / 'text'}")
