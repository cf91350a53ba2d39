"""The nodes of a sysfs-shaped tree: folders, links, text attributes, and files that are live objects.

A model's tree is made of them; where there is FUSE, it can be mounted. Facts: the rules of sysfs that bite. A text
attribute says it has 4096 bytes, is made at the first read of an open file, and is stored by each single ``write()``;
opening it for a direction that it lacks is EACCES, even for root. Nodes raise OSError, as the kernel's would.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import attrs

__all__ = ("Binary", "Config", "Directory", "File", "Handle", "Link", "Live", "Node", "Text")

_TEXT_BYTES: Final = 4096
_CONFIG_BYTES: Final = 4096
_UNPRIVILEGED_BYTES: Final = 64
_READABLE: Final = 0o444
_WRITABLE: Final = 0o222


class Handle(Protocol):
    """An open file."""

    def read(self, offset: int, size: int) -> bytes:
        """Return at most ``size`` bytes from ``offset`` on."""

    def write(self, offset: int, data: bytes) -> int:
        """Take bytes; return how many."""

    def close(self) -> None:
        """Let go of it."""


@attrs.define(eq=False)
class Node:
    """Base of all nodes; two nodes are never equal."""

    mode: int = attrs.field(default=0o644, kw_only=True)
    """Permission bits."""
    size: int = attrs.field(default=0, kw_only=True)
    """What stat says."""


@attrs.define(eq=False)
class Link(Node):
    """A symbolic link."""

    target: str
    """Relative to the folder that it is in."""


@attrs.define(eq=False)
class Directory(Node):
    """A folder; ``entries`` may change at any time, as long as nobody writes to two of them at once."""

    entries: dict[str, Node] = attrs.field(factory=dict)
    mode: int = attrs.field(default=0o755, kw_only=True)

    def child(self, name: str) -> Node:
        """Return an entry; raises FileNotFoundError."""
        found = self.entries.get(name)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, name)
        return found

    def listing(self) -> Iterator[tuple[str, Node]]:
        """Yield names and nodes, as they are now."""
        yield from list(self.entries.items())

    def make(self, name: str) -> Node:
        """Make a folder, as mkdir does; only some folders allow it, others raise PermissionError."""
        raise PermissionError(errno.EPERM, name)

    def remove(self, name: str) -> None:
        """Remove a folder, as rmdir does; only some folders allow it, others raise PermissionError."""
        raise PermissionError(errno.EPERM, name)

    def add(self, path: str, node: Node) -> Node:
        """Put a node at a path below this one, and return it; folders on the way are made."""
        folder, _, rest = path.partition("/")
        if not rest:
            self.entries[folder] = node
            return node
        below = self.entries.setdefault(folder, Directory())
        assert isinstance(below, Directory)
        return below.add(rest, node)

    def find(self, path: str) -> Node:
        """Return the node at a path below this one; raises FileNotFoundError."""
        folder, _, rest = path.partition("/")
        below = self.child(folder)
        if not rest:
            return below
        assert isinstance(below, Directory)
        return below.find(rest)


class File(Node):
    """Base of what can be opened."""

    def open(self, access: int, uid: int) -> Handle:
        """Open it for one of O_RDONLY, O_WRONLY, O_RDWR as a user; raises OSError."""
        raise NotImplementedError

    def _check(self, access: int) -> None:
        wanted = {os.O_RDONLY: (_READABLE,), os.O_WRONLY: (_WRITABLE,)}.get(access, (_READABLE, _WRITABLE))
        if not all(self.mode & direction for direction in wanted):
            raise PermissionError(errno.EACCES, "")


@attrs.define(eq=False)
class Text(File):
    """A text attribute."""

    show: str | Callable[[], str] = ""
    """Its text, newline excluded, or what makes it."""
    store: Callable[[str], None] | None = None
    """Takes what is written; without it, a write is EIO."""
    writes: list[bytes] = attrs.field(factory=list)
    """Every write that arrived, refused or not."""
    size: int = attrs.field(default=_TEXT_BYTES, kw_only=True)

    def open(self, access: int, uid: int) -> Handle:
        """Open it, as its mode allows; root has no privilege here."""
        self._check(access)
        return _OpenText(self)

    def read(self) -> str:
        """Return the text, as one ``cat`` shows it without its newline."""
        return self.open(os.O_RDONLY, 0).read(0, _TEXT_BYTES).decode().removesuffix("\n")

    def write(self, text: str) -> None:
        """Store a text, as one ``echo`` does; raises OSError."""
        self.open(os.O_WRONLY, 0).write(0, f"{text}\n".encode())


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
    """What stands behind a configuration space's file."""

    def read(self, offset: int, size: int) -> bytes:
        """Read 1, 2 or 4 aligned bytes."""

    def write(self, offset: int, data: bytes) -> None:
        """Write 1, 2 or 4 aligned bytes."""


@attrs.define(eq=False)
class Binary(File):
    """Bytes to be read, made when the file is opened."""

    content: bytes | Callable[[], bytes] = b""
    mode: int = attrs.field(default=_READABLE, kw_only=True)

    def open(self, access: int, uid: int) -> Handle:
        """Open it for reading; raises OSError."""
        self._check(access)
        return _OpenBinary(self.content if isinstance(self.content, bytes) else self.content())


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
    size: int = attrs.field(default=_CONFIG_BYTES, kw_only=True)
    is_locked_down: bool = False
    is_removed: bool = False
    accesses: list[tuple[str, int, int]] = attrs.field(factory=list)
    """Every access that reached the space: ``r`` or ``w``, offset, size."""
    unprivileged_bytes: int = _UNPRIVILEGED_BYTES

    def open(self, access: int, uid: int) -> Handle:
        """Open it as a user; only root sees all of it."""
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
