"""The ccp driver's kernel log: commands, dumps in the kernel's word order, and what is lost."""

from __future__ import annotations

from random import Random

import pytest

from pytio.sev.codes import SevStatus
from pytio.sev.commands import COMMANDS
from pytio.sev.kernel_log import LoggedCommand, LoggedDump, LoggedFacts, parse_kernel_log
from pytio.sev.tio_codes import Revision, SevCommand
from tests.hosts.sev_story import CONNECT, CREATE


def dump(prefix: str, data: bytes, group: int = 2, start: str = "[    7.123460] ") -> list[str]:
    """Return lines as print_hex_dump makes them: words of a little-endian machine, or single bytes of a row."""
    lines = []
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        size = group if len(row) % group == 0 else 1
        words = [row[i : i + size][::-1].hex() for i in range(0, len(row), size)]
        lines.append(f"{start}{prefix}{at:08x}: {' '.join(words)}")
    return lines


def command(
    kind: SevCommand, buffer: bytes, status: SevStatus = SevStatus.SUCCESS, start: str = "[    7.1] "
) -> list[str]:
    said = f"{start}ccp 0000:22:00.1: sev command"
    failed = [f"{said} {kind:#x} failed ({status:#010x})"] if status else []
    return [
        f"{said} id {kind:#x} buffer 0x0000000109876000 timeout 100s",
        *dump("(in):  ", buffer, start=start),
        *failed,
        *dump("(out): ", buffer, start=start),
    ]


@pytest.mark.parametrize("start", ["", "[    7.123460] ", "Nov 25 18:00:00 host kernel: ", "<7>[12.1] "])
def test_commands_are_found_whatever_stands_before_them(start: str) -> None:
    lines = [
        f"{start}usb 1-1: new high-speed USB device",
        *command(SevCommand.TIO_DEV_CREATE, CREATE, start=start),
        *command(SevCommand.TIO_DEV_CONNECT, CONNECT, SevStatus.SPDM_REQUEST, start=start),
    ]
    created, connected = parse_kernel_log("\n".join(lines))
    assert isinstance(created, LoggedCommand)
    assert isinstance(connected, LoggedCommand)
    assert (created.line, created.command, created.status) == (2, SevCommand.TIO_DEV_CREATE, SevStatus.SUCCESS)
    assert created.paddr == 0x109876000
    assert created.before is not None
    assert created.before.data == CREATE
    assert connected.before is not None
    assert connected.after is not None
    assert connected.before.data == connected.after.data == CONNECT
    assert connected.status == SevStatus.SPDM_REQUEST
    assert not connected.before.problems


def test_a_buffer_of_every_size_comes_back() -> None:
    random = Random(2)
    for size in [*range(1, 40), 70, 72, 80]:
        data = random.randbytes(size)
        for group in (1, 2, 4, 8):
            (found,) = parse_kernel_log(dump("TIO_ST ", data, group))
            assert isinstance(found, LoggedDump)
            assert (found.prefix, found.data, found.problems) == ("TIO_ST", data, [])


def test_the_buffer_of_r1_bind_has_70_bytes() -> None:
    buffer = COMMANDS[Revision.R1][SevCommand.TIO_TDI_BIND].parse(bytes(70)).build()
    (found,) = parse_kernel_log(command(SevCommand.TIO_TDI_BIND, buffer))
    assert isinstance(found, LoggedCommand)
    assert found.before is not None
    assert found.before.data == buffer


def test_lost_lines_are_told_and_nothing_is_guessed() -> None:
    lines = command(SevCommand.TIO_DEV_CONNECT, CONNECT)
    del lines[3]  # bytes 32 to 47 of the buffer
    (found,) = parse_kernel_log(lines)
    assert isinstance(found, LoggedCommand)
    assert found.before is not None
    assert found.after is not None
    assert found.before.data == CONNECT[:0x20]
    assert found.before.problems == ["line 4 begins at byte 0x30, and 0x20 is missing"]
    assert found.after.data == CONNECT
    (garbled,) = parse_kernel_log(["(in):  00000000: 0050 00"])
    assert isinstance(garbled, LoggedDump)
    assert garbled.problems == ["line 1 is no row of a dump"]


def test_without_dynamic_debug_of_the_dumps_the_status_of_a_command_is_not_known() -> None:
    lines = command(SevCommand.TIO_INIT, bytes(16))
    (found,) = parse_kernel_log(lines[:1])
    assert isinstance(found, LoggedCommand)
    assert (found.status, found.before, found.after) == (None, None, None)


def test_a_failure_whose_command_is_not_in_the_log_is_told() -> None:
    log = ("ccp: sev command 0xd5 failed (0x0000003b)", "ccp: sev command 0xd4 timed out, disabling PSP")
    failed, late = parse_kernel_log(log)
    assert isinstance(failed, LoggedCommand)
    assert isinstance(late, LoggedCommand)
    assert (failed.command, failed.status, failed.paddr) == (
        SevCommand.TIO_DEV_DISCONNECT,
        SevStatus.INVALID_DEV_STATE,
        0,
    )
    assert late.is_timed_out
    assert late.status is None


def test_the_status_lines_of_the_driver() -> None:
    log = """
    ccp 0000:22:00.1: SEV-TIO status: EN=1 INIT_DONE=1 rq=4096..8192 rs=4096..8192 dev=4096 tdi=4096 algos=1f
    Failed to enable SEV-TIO: ret=-2 en=0 initdone=0 SEV=1
    """
    good, bad = parse_kernel_log(log)
    assert isinstance(good, LoggedFacts)
    assert isinstance(bad, LoggedFacts)
    assert not good.failed
    assert good.facts["rq"] == "4096..8192"
    assert good.facts["algos"] == "1f"
    assert (bad.failed, bad.facts["ret"]) == (True, "-2")


def test_any_text_is_read() -> None:
    random = Random(5)
    whole = "\n".join(command(SevCommand.TIO_DEV_CONNECT, CONNECT, SevStatus.SPDM_ERROR))
    for _ in range(300):
        at = random.randrange(len(whole))
        parse_kernel_log(whole[:at] + chr(random.randrange(1, 0x2FF)) + whole[at + random.randrange(4) :])
    assert parse_kernel_log("") == []
