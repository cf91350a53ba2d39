"""What a tap writes is the conversation."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from pytio.backends.bindings import BINDINGS, Binding
from pytio.backends.socket import SocketTransport
from pytio.capture import KeyLogEntry, open_capture
from pytio.crypto import Secret
from pytio.hosts import Driver, Tap, TappedTransport
from pytio.spdm.requests import Connect, Measure, ReadCertificate
from tests.hosts.serving import address_of, requester_for, served


@pytest.mark.parametrize("binding", BINDINGS.values(), ids=lambda binding: binding.name)
def test_a_tapped_conversation_decodes(binding: Binding, tmp_path: Path) -> None:
    path = tmp_path / "tapped.pcapng"
    with path.open("wb") as stream, served(binding) as server:
        tap = Tap(stream, binding, name="socket:here")
        transport = TappedTransport(SocketTransport.open(address_of(server)), tap)
        with Driver(requester_for(server), transport) as driver:
            for intent in (Connect(), ReadCertificate(), Measure()):
                driver.ask(intent)
    records = list(open_capture(path))
    titles = [layer.title for record in records for layer in record.layers if layer.name == "spdm"]
    assert titles[:6] == [
        *("GET_VERSION", "VERSION", "GET_CAPABILITIES", "CAPABILITIES", "NEGOTIATE_ALGORITHMS", "ALGORITHMS"),
    ]
    assert titles[-2:] == ["GET_MEASUREMENTS", "MEASUREMENTS"]
    assert not [record for record in records if record.problems]


def test_secrets_are_written_once_and_before_what_they_open() -> None:
    stream = io.BytesIO()
    known: list[KeyLogEntry] = []
    tap = Tap(stream, BINDINGS["mctp"], secrets=lambda: known, clock_ns=lambda: 0)
    unit = BINDINGS["mctp"].wrap(b"\x10\x84\0\0", False)
    tap.note(unit, is_request=True)
    known.append(KeyLogEntry("SPDM_PSK", "*", Secret(b"secret")))  # which the engine made of that unit
    tap.note(unit, is_request=True)
    written = stream.getvalue()
    assert written.index(b"SPDM_PSK") < written.index(b"\x10\x84\0\0")
    tap.flush()
    assert stream.getvalue().count(b"SPDM_PSK") == 1
    assert stream.getvalue().count(b"\x10\x84\0\0") == 2
