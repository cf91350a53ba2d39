"""configfs reports: folders that mkdir makes, an input that counts when its file is closed, a generation counter.

Facts: Documentation/ABI/testing/configfs-tsm-report.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

import attrs

from pytio.hosts.model.file_nodes import Directory, File, Handle, Node, Text


@attrs.define(eq=False)
class Reports(Directory):
    """``tsm/report``.

    Attributes:
        answer: makes the report of an input; raises OSError where the provider fails.
        certificates: what ``auxblob`` holds.
        refuses: the errno of mkdir; 0 for none.
    """

    answer: Callable[[bytes], bytes] = lambda inblob: b"report over " + inblob
    certificates: bytes = b""
    refuses: int = 0
    takes_input: bool = True
    made: list[Report] = attrs.field(factory=list)

    def make(self, name: str) -> Node:
        if self.refuses:
            raise OSError(self.refuses, name)
        if name in self.entries:
            raise FileExistsError(errno.EEXIST, name)
        report = Report(self)
        self.made.append(report)
        self.entries[name] = report
        return report

    def remove(self, name: str) -> None:
        del self.entries[name]


class Report(Directory):
    """One report."""

    def __init__(self, reports: Reports) -> None:
        super().__init__()
        self.reports = reports
        self.generation = 0
        self.inblob: bytes | None = None
        self.privlevel = 0
        self.entries = {
            "inblob": _Input(self),
            "outblob": _Output(self),
            "auxblob": _Output(self, is_auxiliary=True),
            "provider": Text("sev_guest", mode=0o444),
            "generation": Text(lambda: str(self.generation), mode=0o444),
            "privlevel": Text(store=self._set_privlevel, mode=0o200),
            "privlevel_floor": Text("0", mode=0o444),
        }

    def _set_privlevel(self, value: str) -> None:
        if not 0 <= int(value) <= 3:
            raise OSError(errno.EINVAL, "")
        self.privlevel = int(value)
        self.generation += 1

    def commit(self, inblob: bytes) -> None:
        """Take the input, when its file is closed; what goes wrong now is lost."""
        if self.reports.takes_input:
            self.inblob = inblob
            self.generation += 1


class _Input(File):
    def __init__(self, report: Report) -> None:
        super().__init__(mode=0o200, size=64)
        self.report = report

    def open(self, access: int, uid: int) -> Handle:
        self._check(access)
        return _OpenInput(self.report)


class _OpenInput:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._buffer = b""

    def read(self, offset: int, size: int) -> bytes:
        raise OSError(errno.EACCES, "")

    def write(self, offset: int, data: bytes) -> int:
        if offset + len(data) > 64:
            raise OSError(errno.EFBIG, "")
        self._buffer += data
        return len(data)

    def close(self) -> None:
        buffer, self._buffer = self._buffer, b""
        if buffer:
            self._report.commit(buffer)


class _Output(File):
    def __init__(self, report: Report, *, is_auxiliary: bool = False) -> None:
        super().__init__(mode=0o444)
        self.report = report
        self.is_auxiliary = is_auxiliary

    def open(self, access: int, uid: int) -> Handle:
        self._check(access)
        return _OpenOutput(self)


class _OpenOutput:
    def __init__(self, output: _Output) -> None:
        self._output = output

    def read(self, offset: int, size: int) -> bytes:
        report = self._output.report
        if report.inblob is None:
            raise OSError(errno.EINVAL, "")
        content = report.reports.answer(report.inblob)
        return (report.reports.certificates if self._output.is_auxiliary else content)[offset : offset + size]

    def write(self, offset: int, data: bytes) -> int:
        raise OSError(errno.EACCES, "")

    def close(self) -> None:
        pass
