"""The nodes of a fake file system: folders, links, text attributes, and files that are live objects.

Facts: the rules of sysfs that bite. A text attribute says it has 4096 bytes, is made at the first read of an open file,
and stored by each single ``write()``; opening it for a direction that it lacks is EACCES, even for root.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import attrs

TEXT_SIZE: Final = 4096


class Handle(Protocol):
    """An open file."""

    def read(self, offset: int, size: int) -> bytes: ...
    def write(self, offset: int, data: bytes) -> int: ...
    def close(self) -> None: ...


@attrs.define(eq=False)
class Node:
    """Base of all nodes."""

    mode: int = attrs.field(default=0o644, kw_only=True)
    size: int = attrs.field(default=0, kw_only=True)


@attrs.define(eq=False)
class Link(Node):
    """A symbolic link."""

    target: str


@attrs.define(eq=False)
class Directory(Node):
    """A folder; ``entries`` may change at any time, as long as nobody writes to two of them at once."""

    entries: dict[str, Node] = attrs.field(factory=dict)
    mode: int = attrs.field(default=0o755, kw_only=True)

    def child(self, name: str) -> Node:
        found = self.entries.get(name)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, name)
        return found

    def listing(self) -> Iterator[tuple[str, Node]]:
        yield from list(self.entries.items())

    def make(self, name: str) -> Node:
        """Make a folder, as mkdir does; only some folders allow it."""
        raise PermissionError(errno.EPERM, name)

    def remove(self, name: str) -> None:
        """Remove a folder, as rmdir does."""
        raise PermissionError(errno.EPERM, name)

    def add(self, path: str, node: Node) -> Node:
        """Put a node at a path below this one; folders on the way are made."""
        folder, _, rest = path.partition("/")
        if not rest:
            self.entries[folder] = node
            return node
        below = self.entries.setdefault(folder, Directory())
        assert isinstance(below, Directory)
        return below.add(rest, node)

    def find(self, path: str) -> Node:
        """Return the node at a path below this one."""
        folder, _, rest = path.partition("/")
        below = self.child(folder)
        if not rest:
            return below
        assert isinstance(below, Directory)
        return below.find(rest)


class File(Node):
    """Base of what can be opened."""

    def open(self, access: int, uid: int) -> Handle:
        raise NotImplementedError

    def _check(self, access: int) -> None:
        wanted = {os.O_RDONLY: 0o444, os.O_WRONLY: 0o222}.get(access, 0o666)
        if access == os.O_RDWR and not (self.mode & 0o444 and self.mode & 0o222):
            raise PermissionError(errno.EACCES, "")
        if not self.mode & wanted:
            raise PermissionError(errno.EACCES, "")


@attrs.define(eq=False)
class Text(File):
    """A text attribute. ``show`` is its text, newline excluded, or what makes it; ``store`` takes what is written."""

    show: str | Callable[[], str] = ""
    store: Callable[[str], None] | None = None
    writes: list[bytes] = attrs.field(factory=list)
    """Every write that arrived, refused or not."""
    size: int = attrs.field(default=TEXT_SIZE, kw_only=True)

    def open(self, access: int, uid: int) -> Handle:
        self._check(access)
        return _OpenText(self)


class _OpenText:
    def __init__(self, text: Text) -> None:
        self._text = text
        self._content: bytes | None = None

    def read(self, offset: int, size: int) -> bytes:
        if self._content is None or offset == 0:
            show = self._text.show
            self._content = (show if isinstance(show, str) else show()).encode() + b"\n"
        return self._content[offset : offset + size]

    def write(self, offset: int, data: bytes) -> int:
        self._text.writes.append(data)
        if self._text.store is None:
            raise OSError(errno.EIO, "")
        self._text.store(data.decode("latin-1"))
        return len(data)

    def close(self) -> None:
        pass


class Live(Protocol):
    """What stands behind a binary file."""

    def read(self, offset: int, size: int) -> bytes: ...
    def write(self, offset: int, data: bytes) -> None: ...


@attrs.define(eq=False)
class Binary(File):
    """Bytes that never change."""

    content: bytes = b""
    mode: int = attrs.field(default=0o444, kw_only=True)

    def open(self, access: int, uid: int) -> Handle:
        self._check(access)
        return _OpenBinary(self.content)


@attrs.frozen
class _OpenBinary:
    content: bytes

    def read(self, offset: int, size: int) -> bytes:
        return self.content[offset : offset + size]

    def write(self, offset: int, data: bytes) -> int:
        raise OSError(errno.EIO, "")

    def close(self) -> None:
        pass


@attrs.define(eq=False)
class Config(File):
    """A ``config`` file over a live configuration space: who opened it decides how much there is to see.

    The kernel splits accesses, and so does this: bytes and words up to alignment, then whole double words.
    """

    space: Live
    size: int = attrs.field(default=4096, kw_only=True)
    is_locked_down: bool = False
    is_removed: bool = False
    accesses: list[tuple[str, int, int]] = attrs.field(factory=list)
    """Every access that reached the space: ``r`` or ``w``, offset, size."""
    unprivileged_bytes: int = 64

    def open(self, access: int, uid: int) -> Handle:
        return _OpenConfig(self, self.size if uid == 0 else self.unprivileged_bytes)


class _OpenConfig:
    def __init__(self, config: Config, limit: int) -> None:
        self._config = config
        self._limit = limit

    def read(self, offset: int, size: int) -> bytes:
        if self._config.is_removed:
            raise OSError(errno.ENODEV, "")
        return b"".join(self._one_read(at, width) for at, width in self._split(offset, size))

    def _one_read(self, at: int, width: int) -> bytes:
        self._config.accesses.append(("r", at, width))
        return self._config.space.read(at, width)

    def write(self, offset: int, data: bytes) -> int:
        if self._config.is_locked_down:
            raise PermissionError(errno.EPERM, "")
        if self._config.is_removed:
            raise OSError(errno.ENODEV, "")
        written = 0
        for at, width in self._split(offset, len(data)):
            self._config.accesses.append(("w", at, width))
            self._config.space.write(at, data[at - offset : at - offset + width])
            written += width
        return written

    def _split(self, offset: int, size: int) -> Iterator[tuple[int, int]]:
        end = min(offset + size, self._limit)
        while offset < end:
            width = next(width for width in (4, 2, 1) if offset % width == 0 and offset + width <= end)
            yield offset, width
            offset += width

    def close(self) -> None:
        pass
