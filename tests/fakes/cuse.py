"""A character device in this process: the kernel's CUSE protocol over ``/dev/cuse``, no library.

Facts: ``include/uapi/linux/fuse.h``. The device's ioctls are answered by an `IoctlDevice`; what they point to is read
and written in the caller's memory. A negative result is the errno, and the block goes back all the same.
"""

from __future__ import annotations

import errno
import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pytio.backends.ioctl import IoctlDevice

_HEADER: Final = struct.Struct("<IIQQIIII")
_CUSE_INIT: Final = 4096
_OPEN: Final = 14
_RELEASE: Final = 18
_FLUSH: Final = 25
_IOCTL: Final = 39
_REQUEST_BYTES: Final = 135168
_MAX_TRANSFER: Final = 4096


class ProcessMemory:
    """The memory of whoever makes the call."""

    def __init__(self) -> None:
        self.pid = os.getpid()

    def read(self, address: int, size: int) -> bytes:
        with Path(f"/proc/{self.pid}/mem").open("rb", buffering=0) as memory:
            memory.seek(address)
            return memory.read(size)

    def write(self, address: int, data: bytes) -> None:
        with Path(f"/proc/{self.pid}/mem").open("r+b", buffering=0) as memory:
            memory.seek(address)
            memory.write(data)


class CuseDevice(threading.Thread):
    """``/dev/NAME``, served by a thread. ``device`` is made when the file is opened, with its flags."""

    def __init__(self, name: str, device: Callable[[int], IoctlDevice], memory: ProcessMemory) -> None:
        super().__init__(daemon=True, name=f"cuse {name}")
        self._make = device
        self._memory = memory
        self._open: IoctlDevice | None = None
        self._descriptor = os.open("/dev/cuse", os.O_RDWR | os.O_CLOEXEC)
        _, opcode, unique, *_ = _HEADER.unpack_from(os.read(self._descriptor, _REQUEST_BYTES))
        assert opcode == _CUSE_INIT
        self._reply(
            unique,
            struct.pack("<IIIIIIII10I", 7, 31, 0, 0, _MAX_TRANSFER, _MAX_TRANSFER, 0, 0, *[0] * 10)
            + f"DEVNAME={name}\0".encode(),
        )

    def run(self) -> None:
        """Answer until the process ends."""
        while True:
            raw = os.read(self._descriptor, _REQUEST_BYTES)
            _, opcode, unique, _, _, _, pid, _ = _HEADER.unpack_from(raw)
            body = raw[_HEADER.size :]
            if opcode == _OPEN:
                (flags,) = struct.unpack_from("<I", body)
                self._open = self._make(flags)
                self._reply(unique, struct.pack("<QII", 0, 0, 0))
            elif opcode == _IOCTL:
                self._reply(unique, self._ioctl(body, pid))
            elif opcode in {_RELEASE, _FLUSH}:
                self._reply(unique)
            else:
                self._reply(unique, error=errno.ENOSYS)

    def _ioctl(self, body: bytes, pid: int) -> bytes:
        _, _, command, _, in_size, out_size = struct.unpack_from("<QIIQII", body)
        block = bytearray(body[32 : 32 + in_size])
        self._memory.pid = pid
        assert self._open is not None
        try:
            result = self._open.ioctl(command, block)
        except OSError as refused:
            result = -(refused.errno or errno.EIO)
        return struct.pack("<iIII", result, 0, 0, 0) + bytes(block[:out_size])

    def _reply(self, unique: int, data: bytes = b"", error: int = 0) -> None:
        os.write(self._descriptor, struct.pack("<IiQ", 16 + len(data), -error, unique) + data)
