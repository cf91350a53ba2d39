"""One sysfs attribute: a file that is read and written whole.

Facts: the kernel's sysfs. A text attribute is made at the first read of an open file, so each read opens it anew. A
write is one ``write()`` of the whole value: the kernel runs the store once for each call, and its errno is the
store's. Python's ``os.write`` calls again after EINTR, and a buffered file writes what failed again when it is closed;
either would start a connect twice. So the call goes straight to the C library.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

from pytio.backends.errnos import Meanings, translated
from pytio.errors import BackendError

__all__ = ("MAX_ATTRIBUTE_BYTES", "read_bytes", "read_int", "read_text", "write_once")

MAX_ATTRIBUTE_BYTES: Final = 4096
"""The largest text attribute, and the largest write: one page."""
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_LIBC.write.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)
_LIBC.write.restype = ctypes.c_ssize_t


def read_bytes(path: Path, meanings: Meanings | None = None) -> bytes:
    """Return the content of an attribute.

    Raises:
        BackendError: the file is absent, may not be read, or its device failed.
    """
    with translated(str(path), meanings):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return b"".join(iter(lambda: os.read(descriptor, MAX_ATTRIBUTE_BYTES), b""))
        finally:
            os.close(descriptor)


def read_text(path: Path, meanings: Meanings | None = None) -> str:
    """Return the content of a text attribute without the newline that ends it.

    Raises:
        BackendError: as `read_bytes`.
    """
    return read_bytes(path, meanings).decode("utf-8", "backslashreplace").removesuffix("\n")


def read_int(path: Path, base: int = 0) -> int:
    """Return the number that a text attribute holds: decimal, or hexadecimal after ``0x``; or digits of ``base``.

    Raises:
        BackendError: as `read_bytes`, or the content is no number.
    """
    text = read_text(path)
    try:
        return int(text, base)
    except ValueError as error:
        raise BackendError(str(path), f"{text[:40]!r} is no number", "is this a sysfs tree?") from error


def write_once(path: Path, value: str | bytes, meanings: Meanings | None = None) -> None:
    """Write the whole value with exactly one ``write()``, whatever comes of it.

    Raises:
        BackendError: the file is absent or may not be written, or the store refused; never tried a second time.
    """
    raw = value.encode() if isinstance(value, str) else value
    with translated(str(path), meanings):
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            written = _write(descriptor, raw)
        finally:
            os.close(descriptor)
    if written != len(raw):
        raise BackendError(str(path), f"{written} of {len(raw)} bytes were taken", "look at the state before going on")


def _write(descriptor: int, raw: bytes) -> int:
    written: int = _LIBC.write(descriptor, raw, len(raw))
    if written < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return written
