"""The whole workflow on the mocks, recorded at every place, and opened with nothing but the file."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest

from pytio.capture import Record, open_capture
from pytio.cli import ExitCode, main
from pytio.hosts.recorder import Recorder
from pytio.sev.tio_codes import Revision
from pytio.tdisp import TdiState
from tests.clients.machine import MEMORY_GPA, PF, ROOT_PORT, VF, Machine
from tests.clients.test_on_mock import GUESTS, end, pcimem


def told(revision: Revision, path: Path) -> Path:
    """From SNP_INIT_EX to SNP_SHUTDOWN_EX, with MMIO and DMA between."""
    machine, stream = Machine(revision), io.BytesIO()
    with Recorder(stream) as recorder:
        machine.psp.on_secret = recorder.key_log.add
        recorder.record_host(machine.port, revision)
        recorder.record_link(PF, machine.platform.root_ports[ROOT_PORT].link)
        guest = machine.start()
        recorder.record_guest("one", guest.port, revision)
        guest.trust()
        assert machine.device.state(VF) is TdiState.RUN
        pcimem(machine)
        machine.device.dma_write(VF, MEMORY_GPA, b"from the device")
        machine.run(guest.device.roll_key())
        pcimem(machine)
        guest.run(guest.client.invalidate(guest.interface))
        end(machine, guest)
    path.write_bytes(stream.getvalue())
    return path


@pytest.mark.parametrize("revision", GUESTS, ids=lambda revision: revision.name)
def test_one_file_opens_completely(revision: Revision, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = told(revision, tmp_path / "workflow.pcapng")
    records = [*open_capture(path, verify=True)]
    assert [record.summary() for record in records if record.problems] == []
    assert [record.summary() for record in records if record.is_decrypted is False] == []
    assert [record.summary() for record in records if not all(check.ok for check in record.checks)] == []
    assert {record.transport for record in records} == {"psp", "pci-doe", "guest", "pcie"}
    checked = Counter(check.check for record in records for check in record.checks)
    for what in ("certs_digest", "meas_digest", "interface_report_digest"):
        assert any(name == f"TIO_TDI_INFO_RSP {what}" for name in checked), checked
    assert checked["KEY_EXCHANGE_RSP signature"] == 1
    exits = [exchange for exchange in open_capture(path).exchanges() if _is_guests(exchange.request)]
    assert exits
    assert all(exchange.is_answered for exchange in exits)
    assert main(["decode", str(path), "--verify"]) == ExitCode.DONE
    said = capsys.readouterr().out
    for what in ("LOCK_INTERFACE_REQUEST", "KEY_PROG", "MMIO_VALIDATE_REQ", "SDTE_WRITE_RSP", "TLP MWR"):
        assert what in said


def _is_guests(turn: object) -> bool:
    record = getattr(turn, "record", None)
    return isinstance(record, Record) and record.transport == "guest"
