"""What the kernel's ccp driver writes to its log about the PSP: commands, their buffers in hex, statuses.

Document: the kernel's ``sev-dev.c`` (``dev_dbg`` and ``print_hex_dump_debug`` of every command, switched on with
dynamic debug) and ``sev-dev-tsm.c``. The driver dumps a buffer in words of two bytes, which the machine, being
little-endian, writes with their bytes turned around; other dumps are of single bytes. A log loses lines when it is
written too fast: what is missing is reported, and nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from pytio.sev.codes import SevStatus
from pytio.sev.tio_codes import SevCommand

__all__ = ("LoggedCommand", "LoggedDump", "LoggedEntry", "LoggedFacts", "parse_kernel_log")

_COMMAND: Final = re.compile(r"\bsev command id (0x[0-9a-f]+|[0-9]{1,9}) buffer 0x([0-9a-f]{1,16})\b", re.IGNORECASE)
_FAILED: Final = re.compile(r"\bsev command (0x[0-9a-f]+|[0-9]{1,9}) failed \((0x[0-9a-f]+)\)", re.IGNORECASE)
_TIMED_OUT: Final = re.compile(r"\bsev command (0x[0-9a-f]+|[0-9]{1,9}) timed out\b", re.IGNORECASE)
_DUMP: Final = re.compile(
    r"(?P<prefix>\((?:in|out)\):|\bTIO_\w+) +(?P<offset>[0-9a-f]{8}): (?P<words>[0-9a-f]+(?: [0-9a-f]+)*)\s*$"
)
_FACTS: Final = re.compile(r"\bSEV-TIO status: (.*)$|\bFailed to enable SEV-TIO: (.*)$")
_FACT: Final = re.compile(r"(\w+)=(-?[0-9a-f]+(?:\.\.[0-9a-f]+)?)")
_WORD_DIGITS: Final = frozenset({2, 4, 8, 16})
_IN: Final = "(in):"
_OUT: Final = "(out):"


@attrs.define
class LoggedDump:
    """Bytes that the driver dumped.

    Attributes:
        line: the number of the first line, from 1.
        prefix: what stands before each of its lines, such as ``TIO_ST``.
        data: the bytes up to the first that is missing.
        problems: what is missing or cannot be read.
    """

    line: int
    prefix: str
    data: bytes = attrs.field(default=b"", repr=lambda data: f"<{len(data)} bytes>")
    problems: list[str] = attrs.field(factory=list)


@attrs.define
class LoggedCommand:
    """One command of the PSP.

    Attributes:
        line: the number of its line, from 1.
        command: the command.
        paddr: the physical address of its buffer.
        before: the buffer as the driver gave it; None where it was not dumped.
        after: the buffer once the command was done, likewise.
        status: what the firmware answered; None where the log does not tell. Success is told by silence.
        is_timed_out: whether the PSP never answered.
    """

    line: int
    command: SevCommand
    paddr: int
    before: LoggedDump | None = None
    after: LoggedDump | None = None
    status: SevStatus | None = None
    is_timed_out: bool = False


@attrs.frozen
class LoggedFacts:
    """A line of facts, such as ``SEV-TIO status``: text by name.

    Attributes:
        line: its number, from 1.
        failed: whether it says that SEV-TIO could not be enabled.
        facts: values as they stand there.
    """

    line: int
    failed: bool
    facts: Mapping[str, str]


LoggedEntry = LoggedCommand | LoggedDump | LoggedFacts
"""What is found in a log."""


def parse_kernel_log(text: str | Iterable[str]) -> list[LoggedEntry]:
    """Return what a kernel log says of the PSP, in its order; all other lines are left alone.

    Args:
        text: the log, whatever stands at the beginning of its lines: times, hosts, devices.
    """
    reading = _Reading()
    for number, line in enumerate(text.splitlines() if isinstance(text, str) else text, start=1):
        reading.take(number, line)
    return reading.finish()


class _Reading:
    """A log, line by line."""

    def __init__(self) -> None:
        self._found: list[LoggedEntry] = []
        self._command: LoggedCommand | None = None
        self._dump: LoggedDump | None = None

    def take(self, number: int, line: str) -> None:
        """Take a line."""
        if found := _DUMP.search(line):
            self._row(number, found)
            return
        self._dump = None
        if found := _COMMAND.search(line):
            self._end_command()
            self._command = LoggedCommand(number, SevCommand(int(found[1], 0)), int(found[2], 16))
            self._found.append(self._command)
        elif found := _FAILED.search(line):
            self._of(number, found[1]).status = SevStatus(int(found[2], 16))
        elif found := _TIMED_OUT.search(line):
            self._of(number, found[1]).is_timed_out = True
        elif found := _FACTS.search(line):
            facts = dict(_FACT.findall(found[1] or found[2]))
            self._found.append(LoggedFacts(number, found[2] is not None, facts))

    def finish(self) -> list[LoggedEntry]:
        """Return what was found."""
        self._end_command()
        return self._found

    def _end_command(self) -> None:
        """A command that was dumped afterwards, and of which no failure was told, succeeded."""
        command, self._command = self._command, None
        if command is not None and command.status is None and command.after is not None and not command.is_timed_out:
            command.status = SevStatus.SUCCESS

    def _of(self, number: int, code: str) -> LoggedCommand:
        """Return the command that a line speaks of; the one before it, or one whose own line is missing."""
        command = SevCommand(int(code, 0))
        if self._command is None or self._command.command != command:
            self._end_command()
            self._command = LoggedCommand(number, command, 0)
            self._found.append(self._command)
        return self._command

    def _row(self, number: int, found: re.Match[str]) -> None:
        prefix, offset = found["prefix"], int(found["offset"], 16)
        if self._dump is None or self._dump.prefix != prefix or offset == 0:
            self._dump = self._begin(number, prefix)
        dump = self._dump
        if dump.problems:
            return  # bytes before it are missing
        row = _bytes_of(found["words"])
        if row is None:
            dump.problems.append(f"line {number} is no row of a dump")
        elif offset != len(dump.data):
            dump.problems.append(f"line {number} begins at byte {offset:#x}, and {len(dump.data):#x} is missing")
        else:
            dump.data += row

    def _begin(self, number: int, prefix: str) -> LoggedDump:
        """Return a new dump, of the command that is under way if it is one of its two."""
        dump = LoggedDump(number, prefix)
        if self._command is not None and prefix == _IN and self._command.before is None:
            self._command.before = dump
        elif self._command is not None and prefix == _OUT and self._command.after is None:
            self._command.after = dump
        else:
            self._found.append(dump)
        return dump


def _bytes_of(words: str) -> bytes | None:
    """Return the bytes of a row; words of several bytes were printed by a little-endian machine."""
    parts = words.split()
    if len({len(part) for part in parts}) != 1 or len(parts[0]) not in _WORD_DIGITS:
        return None
    return b"".join(bytes.fromhex(part)[::-1] for part in parts)
