"""A whole life of an interface under a mock PSP, recorded and read back: everything opens, and all holds."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pytio.backends.bindings import PCI_DOE
from pytio.capture import Record, open_capture
from pytio.capture.sev_records import GhcbRegisters, GuestDirection, GuestRecord, RecordedRevision
from pytio.cli import ExitCode, main
from pytio.crypto import Secret
from pytio.hosts.recorder import Recorder
from pytio.mock.link import LinkDirection
from pytio.mock.psp import TdiContextState
from pytio.sev.codes import SevStatus
from pytio.sev.sdte import Sdte
from pytio.sev.sla import Sla
from pytio.sev.tio_codes import PAGE_BYTES, Revision, SevCommand
from tests.mock.psp import lives
from tests.mock.psp.bench import DEVICE, Bench
from tests.mock.psp.guest_end import SDTE_WRITE, TDI_INFO, GuestEnd
from tests.mock.psp.lives import Interface

_WAYS = {LinkDirection.UP: "up", LinkDirection.DOWN: "down"}


class RecordedBench(Bench):
    """The bench, with a recorder around everything."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.stream = io.BytesIO()
        self.recorder = Recorder(self.stream)
        around = self.recorder.around_psp(self.psp.execute, self.host.read, self.revision)

        def execute(command: int, paddr: int = 0) -> SevStatus:
            return SevStatus(around(command, paddr))

        self.psp.execute = execute  # type: ignore[method-assign]
        self.psp.on_secret = self._learn
        self.root_port.link.taps.append(lambda way, raw: self.recorder.add_tlp(DEVICE, _WAYS[way], raw))  # type: ignore[arg-type]

    def _learn(self, kind: str, key: str, secret: Secret) -> None:
        self.secrets.append((kind, key, secret))
        self.recorder.key_log.add(kind, key, secret)

    def ask_device(self, is_secured: bool, request: bytes) -> bytes:
        answer = super().ask_device(is_secured, request)
        for message in (request, answer):
            self.recorder.add_doe(DEVICE, PCI_DOE.wrap(message, is_secured))
        return answer


class RecordedGuest(GuestEnd):
    """The guest's end, with its exits recorded."""

    def hand_over(self, page: bytes, **fields: Any) -> SevStatus:
        recorder = self.bench.recorder  # type: ignore[attr-defined]
        revision = RecordedRevision[self.revision.name]
        asked = GhcbRegisters(sw_exitcode=0x80000020, sw_exitinfo1=self.request_page, sw_exitinfo2=self.response_page)
        recorder.add_guest(
            "one", GuestRecord(revision=revision, direction=GuestDirection.REQUEST, page=page, registers=asked)
        )
        status = super().hand_over(page, **fields)
        answer = self.bench.host.read(self.response_page, PAGE_BYTES)
        answered = asked.replace(sw_exitinfo2=int(status))
        recorder.add_guest(
            "one",
            GuestRecord(revision=revision, direction=GuestDirection.RESPONSE, page=answer, registers=answered),
        )
        return status


@pytest.fixture
def life(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """From SNP_INIT_EX to TIO_DEV_DISCONNECT."""
    revision: Revision = request.param
    monkeypatch.setattr(lives, "Bench", RecordedBench)
    one = Interface(TdiContextState.BIND_LOCKED, revision)
    bench: Any = one.bench
    bench.ok(bench.run(SevCommand.TIO_DEV_MEASUREMENTS, meas_nonce=bytes(32), **one.common))
    if revision is not Revision.R1:
        bench.ok(one.bind(run=True))
    bench.enable()
    bench.traffic()
    guest = RecordedGuest(one)
    guest.ask(TDI_INFO)
    guest.ask(SDTE_WRITE, sdte=Sdte.for_guest())
    bench.ok(bench.issue(SevCommand.TIO_TDI_INFO, status_length=192, **one.common))
    bench.ok(bench.issue(SevCommand.TIO_DEV_STATUS, status_length=160, **one.common))
    bench.ok(bench.run(SevCommand.TIO_ROLL_KEY, **one.common))
    bench.traffic()
    unknown = one.common | {"dev_ctx_sla": Sla.to(0x5000)}
    bench.refuses(SevStatus.INVALID_DEV_CTX, SevCommand.TIO_DEV_STATUS, status_length=160, **unknown)
    bench.ok(bench.run(SevCommand.TIO_TDI_UNBIND, **one.common))
    bench.ok(bench.issue(SevCommand.TIO_TDI_RECLAIM, **one.common))
    bench.ok(bench.run(SevCommand.TIO_DEV_DISCONNECT, **one.common))
    bench.recorder.flush()
    path = tmp_path / f"{revision.value}.pcapng"
    path.write_bytes(bench.stream.getvalue())
    return path


@pytest.mark.parametrize("life", [Revision.R1, Revision.R2, Revision.P2, Revision.N], ids=str, indirect=True)
def test_everything_opens_and_everything_holds(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = [*open_capture(life, verify=True)]
    assert [record.summary() for record in records if record.problems] == []
    notes = {note for record in records for note in record.notes}
    assert notes <= {"TDI_INFO.reserved_end is 0x1, though reserved"}  # where the firmware of N says its TDI id
    assert [record.summary() for record in records if record.is_decrypted is False] == []
    checked = Counter(check.check for record in records for check in record.checks)
    assert all(check.ok for record in records for check in record.checks)
    assert checked["TIO_TDI_INFO_RSP AUTHTAG"] == checked["TIO_SDTE_WRITE_REQ AUTHTAG"] == 1
    assert checked["KEY_EXCHANGE_RSP signature"] == 1
    digests = {name.split()[1] for name in checked if "digest" in name}
    assert digests == {"certs_digest", "meas_digest", "interface_report_digest"}
    assert {record.transport for record in records} == {"psp", "pci-doe", "guest", "pcie"}
    assert main(["decode", str(life), "--verify"]) == ExitCode.DONE
    capsys.readouterr()


@pytest.mark.parametrize("life", [Revision.P2], ids=str, indirect=True)
def test_commands_name_what_they_carry(life: Path) -> None:
    said = [record.summary()[7:] for record in open_capture(life) if record.transport == "psp"]
    assert any(line.endswith("TIO_DEV_CONNECT -> SPDM_REQUEST carries SPDM 1.0 GET_VERSION") for line in said)
    assert any("carries secured record of session" in line for line in said)
    assert any("certificates, " in line for line in said)
    assert any(line.startswith("psp     -> PSP TIO_DEV_STATUS -> INVALID_DEV_CTX") for line in said)
    assert any(line.endswith("carries TIO_TDI_INFO_REQ 1, carries TIO_TDI_INFO_RSP 2") for line in said)
    carried = sum(map(_carries, open_capture(life)))
    mailbox = [record for record in open_capture(life) if record.transport == "pci-doe"]
    assert carried == len(mailbox)  # each message once on its way to the device, and once on its way back


def _carries(record: Record) -> int:
    return sum(layer.title == "SPDM_OBJECT" for layer in record.layers)
