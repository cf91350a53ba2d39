"""The whole workflow on the mocks, recorded at every place, and opened with nothing but the file."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pytio.capture import Record, Trace, open_capture
from pytio.capture.files import read_frames
from pytio.capture.pcapng import PcapngWriter
from pytio.cli import ExitCode, main
from pytio.sev.tio_codes import Revision
from tests.clients.test_on_mock import GUESTS
from tests.hosts.workflow_story import FILES, told


def closed(records: list[Record]) -> list[str]:
    """Return what is not opened, or does not decode, or does not hold."""
    return [
        record.summary()
        for record in records
        if record.problems or record.is_decrypted is False or not all(check.ok for check in record.checks)
    ]


@pytest.mark.parametrize("revision", GUESTS, ids=lambda revision: revision.name)
def test_one_file_opens_completely(revision: Revision, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = told(revision, tmp_path / "workflow.pcapng")
    check_completely(path)
    assert main(["decode", str(path), "--verify"]) == ExitCode.DONE
    said = capsys.readouterr().out
    for what in ("LOCK_INTERFACE_REQUEST", "KEY_PROG", "MMIO_VALIDATE_REQ", "SDTE_WRITE_RSP", "TLP MWR"):
        assert what in said


@pytest.mark.parametrize("revision", FILES, ids=lambda revision: revision.name)
def test_what_was_written_once_is_read_for_ever(revision: Revision) -> None:
    check_completely(FILES[revision])


def check_completely(path: Path) -> None:
    records = [*open_capture(path, verify=True)]
    assert closed(records) == []
    assert {record.transport for record in records} == {"psp", "pci-doe", "guest", "pcie"}
    checked = Counter(check.check for record in records for check in record.checks)
    assert checked["KEY_EXCHANGE_RSP signature"] == 1
    digests = [f"TIO_TDI_INFO_RSP {what}_digest" for what in ("certs", "meas", "interface_report")]
    assert min(checked[name] for name in digests) >= 1
    exits = [exchange for exchange in open_capture(path).exchanges() if _is_guests(exchange.request)]
    assert exits
    assert all(exchange.is_answered for exchange in exits)
    assert not [rung for rung in open_capture(path).ladder().rungs if rung.lanes is None]


def _is_guests(turn: object) -> bool:
    record = getattr(turn, "record", None)
    return isinstance(record, Record) and record.transport == "guest"


# one artefact changed: where it is in which record, and what the reader says


def changed(path: Path, number: int, at: int) -> Trace:
    """Write the P2 file again, with one bit of one record changed."""
    secrets: list[tuple[int, bytes]] = []
    stream = io.BytesIO()
    writer = PcapngWriter(stream)
    with FILES[Revision.P2].open("rb") as source:
        frames = [*read_frames(source, on_secrets=lambda *block: secrets.append(block))]
    for block in secrets:
        writer.write_secrets(*block)
    interfaces: dict[tuple[int, str | None], int] = {}
    for frame in frames:
        place = int(frame.link_type), frame.interface
        if place not in interfaces:
            interfaces[place] = writer.add_interface(*place)
        data = bytearray(frame.data)
        if frame.number == number:
            data[at] ^= 1
        writer.write_packet(bytes(data), interface=interfaces[place], time_ns=frame.time_ns)
    path.write_bytes(stream.getvalue())
    return open_capture(path, verify=True)


def first(holds: Callable[[Record], bool]) -> Record:
    return next(record for record in open_capture(FILES[Revision.P2]) if holds(record))


def said(text: str) -> Callable[[Record], bool]:
    return lambda record: text in record.summary()


ARTEFACTS: dict[str, tuple[Callable[[Record], bool], Callable[[Record], int], str]] = {
    "tag of a guest message": (said("GUEST TDI_INFO_REQ"), lambda record: 72, "AUTHTAG does not hold"),
    "number of a guest message": (said("GUEST TDI_INFO_RSP"), lambda record: 72 + 0x20, "AUTHTAG does not hold"),
    "type of a guest message": (said("GUEST SDTE_WRITE_RSP"), lambda record: 72 + 0x35, "AUTHTAG does not hold"),
    "ciphertext of a guest message": (said("MMIO_VALIDATE_REQ"), lambda record: 72 + 0x60, "AUTHTAG does not hold"),
    "measurements handed to the guest": (
        said("GUEST TDI_INFO_RSP"),
        lambda record: record.data.index(bytes.fromhex("1084"), 72 + 288),
        "meas_digest does not hold",
    ),
    "report handed to the guest": (
        said("GUEST TDI_INFO_RSP"),
        lambda record: len(record.data) - 1,
        "interface_report_digest does not hold",
    ),
    "payload of an encrypted TLP": (
        lambda record: record.transport == "pcie" and record.is_decrypted is True and len(record.data) > 32,
        lambda record: len(record.data) - 9,
        "TLP",
    ),
    "record of a session": (
        lambda record: record.transport == "pci-doe" and record.is_decrypted is True,
        lambda record: len(record.data) - 5,
        "encrypted",
    ),
    "signature of the device": (
        said("SPDM 1.2 KEY_EXCHANGE_RSP"),
        lambda record: len(record.data) - 60,
        "KEY_EXCHANGE_RSP signature does not hold",
    ),
}


@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_one_changed_bit_is_told(artefact: str, tmp_path: Path) -> None:
    where, at, says = ARTEFACTS[artefact]
    record = first(where)
    records = [*changed(tmp_path / "changed.pcapng", record.number, at(record))]
    found = closed(records)
    assert found
    assert says in next(line for line in found if line.startswith(f"{record.number:>6} "))


def test_nothing_is_told_of_what_is_not_changed(tmp_path: Path) -> None:
    assert closed([*changed(tmp_path / "same.pcapng", 0, 0)]) == []
