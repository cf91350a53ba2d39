"""A file system in this process: the kernel's FUSE protocol over ``/dev/fuse``, no library.

Facts: ``include/uapi/linux/fuse.h``, protocol 7.31. Every access reaches the nodes (direct I/O, no caching of names or
attributes), so a file can be a live object: what ``os.pread`` asks for is what the node is asked for. The nodes are in
`pytio.hosts.model.file_nodes`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import threading
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import attrs

from pytio.hosts.model.file_nodes import Directory, File, Handle, Link, Node

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_DETACH: Final = 2
_HEADER: Final = struct.Struct("<IIQQIIII")
_REQUEST_BYTES: Final = 135168
_MAX_WRITE: Final = 4096
_DIRECT_IO: Final = 1
_ROOT: Final = 1
_DIRENT_ALIGN: Final = 8


class Opcode(IntEnum):
    """What the kernel asks."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    READLINK = 5
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    ACCESS = 34
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42
    MKDIR = 9
    RMDIR = 11


@attrs.frozen
class Request:
    """One request: who asks what of which node."""

    opcode: int
    unique: int
    node: int
    uid: int
    body: bytes

    def name(self, skip: int = 0) -> str:
        """Return the name that ends the body."""
        return self.body[skip:].split(b"\0", 1)[0].decode()


def why_not() -> str:
    """Return why a file system cannot be mounted here, nothing if it can."""
    if not Path("/dev/fuse").exists():
        return "there is no /dev/fuse"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"/dev/fuse does not open: {error.strerror}"
    if os.geteuid() != 0:
        return "mounting needs root"
    return ""


class Mount(threading.Thread):
    """A mounted tree, served by a thread; a context manager that unmounts it."""

    def __init__(self, where: Path, root: Directory) -> None:
        super().__init__(daemon=True, name=f"fuse {where}")
        self.where = where
        self._nodes: dict[int, Node] = {_ROOT: root}
        self._numbers: dict[int, int] = {id(root): _ROOT}
        self._handles: dict[int, Handle] = {}
        self._descriptor = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self._descriptor},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
        if _LIBC.mount(b"pytio-tests", os.fsencode(where), b"fuse.pytio", 0, options.encode()):
            raise OSError(ctypes.get_errno(), "mount")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, traceback: TracebackType | None) -> None:
        _LIBC.umount2(os.fsencode(self.where), _DETACH)
        self.join()

    def run(self) -> None:
        """Answer requests until the file system is unmounted; should this fail, whoever asks gets an error at once."""
        try:
            self._serve()
        finally:
            os.close(self._descriptor)

    def _serve(self) -> None:
        while True:
            try:
                raw = os.read(self._descriptor, _REQUEST_BYTES)
            except InterruptedError:
                continue
            except OSError as error:
                if error.errno in {errno.ENODEV, errno.EBADF}:
                    return
                if error.errno == errno.ENOENT:  # the asker was interrupted before we saw the request
                    continue
                raise
            _, opcode, unique, node, uid, _, _, _ = _HEADER.unpack_from(raw)
            self._answer(Request(opcode, unique, node, uid, raw[_HEADER.size :]))

    def _answer(self, request: Request) -> None:
        if request.opcode in _SILENT:
            return
        try:
            reply, number = _HANDLERS.get(request.opcode, Mount._unknown)(self, request), 0
        except OSError as error:
            reply, number = b"", error.errno or errno.EIO
        try:
            os.write(self._descriptor, struct.pack("<IiQ", 16 + len(reply), -number, request.unique) + reply)
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.ENODEV}:  # nobody waits for it any more
                raise

    def _number(self, node: Node) -> int:
        number = self._numbers.setdefault(id(node), len(self._numbers) + 1)
        self._nodes[number] = node
        return number

    def _attributes(self, node: Node) -> bytes:
        kind = stat.S_IFDIR if isinstance(node, Directory) else stat.S_IFLNK if isinstance(node, Link) else stat.S_IFREG
        return struct.pack(
            "<QQQQQQIIIIIIIIII",
            *(self._number(node), node.size, 0, 0, 0, 0, 0, 0, 0, kind | node.mode, 1, 0, 0, 0, _MAX_WRITE, 0),
        )

    def _directory(self, request: Request) -> Directory:
        node = self._nodes[request.node]
        if not isinstance(node, Directory):
            raise NotADirectoryError(errno.ENOTDIR, "")
        return node

    def _unknown(self, request: Request) -> bytes:
        raise OSError(errno.ENOSYS, "")

    def _init(self, request: Request) -> bytes:
        return struct.pack("<IIIIHHIIHHI7I", 7, 31, 0, 0, 1, 1, _MAX_WRITE, 1, 32, 0, 0, *[0] * 7)

    def _entry(self, node: Node) -> bytes:
        return struct.pack("<QQQQII", self._number(node), 0, 0, 0, 0, 0) + self._attributes(node)

    def _lookup(self, request: Request) -> bytes:
        return self._entry(self._directory(request).child(request.name()))

    def _mkdir(self, request: Request) -> bytes:
        return self._entry(self._directory(request).make(request.name(skip=8)))

    def _rmdir(self, request: Request) -> bytes:
        self._directory(request).remove(request.name())
        return b""

    def _getattr(self, request: Request) -> bytes:
        return struct.pack("<QII", 0, 0, 0) + self._attributes(self._nodes[request.node])

    def _readlink(self, request: Request) -> bytes:
        node = self._nodes[request.node]
        assert isinstance(node, Link)
        return node.target.encode()

    def _open(self, request: Request) -> bytes:
        node = self._nodes[request.node]
        (flags,) = struct.unpack_from("<I", request.body)
        if isinstance(node, File):
            number = len(self._handles) + 1
            self._handles[number] = node.open(flags & os.O_ACCMODE, request.uid)
            return struct.pack("<QII", number, _DIRECT_IO, 0)
        return struct.pack("<QII", 0, 0, 0)

    def _readdir(self, request: Request) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", request.body)
        listing = b""
        for index, (name, node) in enumerate(list(self._directory(request).listing())[offset:], offset + 1):
            kind = stat.S_IFDIR if isinstance(node, Directory) else stat.S_IFREG
            raw = name.encode()
            entry = struct.pack("<QQII", self._number(node), index, len(raw), kind >> 12) + raw
            entry += bytes(-len(entry) % _DIRENT_ALIGN)
            if len(listing) + len(entry) > size:
                break
            listing += entry
        return listing

    def _read(self, request: Request) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", request.body)
        return self._handles[handle].read(offset, size)

    def _write(self, request: Request) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", request.body)
        written = self._handles[handle].write(offset, request.body[40 : 40 + size])
        return struct.pack("<II", written, 0)

    def _nothing(self, request: Request) -> bytes:
        return b""

    def _flush(self, request: Request) -> bytes:
        """Close an open file: whoever closes it waits for this, but not for the release that follows."""
        (handle,) = struct.unpack_from("<Q", request.body)
        if handle in self._handles:
            self._handles[handle].close()
        return b""

    def _statfs(self, request: Request) -> bytes:
        return struct.pack("<QQQQQIIII6I", *[0] * 5, _MAX_WRITE, 255, _MAX_WRITE, 0, *[0] * 6)


_SILENT: Final = {Opcode.FORGET, Opcode.BATCH_FORGET, Opcode.INTERRUPT}
_HANDLERS: Final[dict[int, Callable[[Mount, Request], bytes]]] = {
    Opcode.INIT: Mount._init,
    Opcode.LOOKUP: Mount._lookup,
    Opcode.GETATTR: Mount._getattr,
    Opcode.SETATTR: Mount._getattr,
    Opcode.READLINK: Mount._readlink,
    Opcode.OPEN: Mount._open,
    Opcode.OPENDIR: Mount._open,
    Opcode.READDIR: Mount._readdir,
    Opcode.READ: Mount._read,
    Opcode.WRITE: Mount._write,
    Opcode.FLUSH: Mount._flush,
    Opcode.RELEASE: Mount._nothing,
    Opcode.STATFS: Mount._statfs,
    Opcode.MKDIR: Mount._mkdir,
    Opcode.RMDIR: Mount._rmdir,
    Opcode.RELEASEDIR: Mount._nothing,
    Opcode.ACCESS: Mount._nothing,
    Opcode.DESTROY: Mount._nothing,
}
