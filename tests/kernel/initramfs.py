"""An initramfs in memory: busybox, this interpreter with its library, packages and their shared objects, as newc cpio.

Times are kept, so that compiled Python files match their sources and nothing is compiled in the slow guest. Nothing is
compressed: the guest would take longer to unpack it.
"""

from __future__ import annotations

import lzma
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path
from typing import Final

import attrs

__all__ = ("Initramfs",)

_FOLDERS: Final = ("proc", "sys", "dev", "tmp", "run", "bin")
_APPLETS: Final = ("sh", "mount", "insmod", "poweroff", "cat", "dmesg", "echo", "mkdir", "ls", "grep", "tail", "uname")
_LEFT_OUT: Final = frozenset(
    {"test", "tests", "idlelib", "tkinter", "ensurepip", "lib2to3", "turtledemo", "pydoc_data", "distutils"}
    | {"site-packages", "config-3.11-x86_64-linux-gnu", "lib-tk"}
)
_LIBRARY: Final = re.compile(r"(/[^ ]+\.so[^ ]*)")


@attrs.frozen
class _Entry:
    mode: int
    data: bytes = b""
    time: int = 0
    device: tuple[int, int] = (0, 0)


class Initramfs:
    """A tree in the making."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {"dev/console": _Entry(stat.S_IFCHR | 0o600, device=(5, 1))}
        for folder in _FOLDERS:
            self._entries[folder] = _Entry(stat.S_IFDIR | 0o755)

    def put(self, path: str, data: bytes, mode: int = 0o644, time: int = 0) -> None:
        """Add a file, and the folders above it."""
        parts = path.strip("/").split("/")
        for depth in range(1, len(parts)):
            self._entries.setdefault("/".join(parts[:depth]), _Entry(stat.S_IFDIR | 0o755))
        self._entries["/".join(parts)] = _Entry(stat.S_IFREG | mode, data, time)

    def add(self, source: Path, path: str, *, leave_out: frozenset[str] = frozenset()) -> None:
        """Add a file or a folder, with the shared objects that it needs."""
        if source.is_dir():
            for inner in sorted(source.iterdir()):
                if inner.name not in leave_out:
                    self.add(inner, f"{path}/{inner.name}", leave_out=leave_out)
            return
        facts = source.stat()
        self.put(path, source.read_bytes(), facts.st_mode & 0o777, int(facts.st_mtime))
        if ".so" in source.name:
            self._add_libraries(source)

    def add_busybox(self) -> None:
        """Add busybox, and the commands that the guest's init uses."""
        busybox = shutil.which("busybox")
        assert busybox is not None
        self.put("bin/busybox", Path(busybox).read_bytes(), 0o755)
        self._add_libraries(Path(busybox))  # which it has, where it is not the static one
        for name in _APPLETS:
            self._entries[f"bin/{name}"] = _Entry(stat.S_IFLNK | 0o777, b"busybox")

    def add_python(self) -> None:
        """Add this interpreter and its library, at the same paths, so that it finds itself."""
        interpreter = Path(sys.executable).resolve()
        self.add(interpreter, str(interpreter))
        self._add_libraries(interpreter)
        self._entries["bin/python3"] = _Entry(stat.S_IFLNK | 0o777, str(interpreter).encode())
        library = Path(sysconfig.get_path("stdlib")).resolve()
        self.add(library, str(library), leave_out=_LEFT_OUT)

    def add_module(self, path: Path) -> None:
        """Add a kernel module, uncompressed."""
        self.put(f"modules/{path.name.removesuffix('.xz')}", lzma.decompress(path.read_bytes()))

    def build(self) -> bytes:
        """Return the archive."""
        archive = bytearray()
        for number, (name, entry) in enumerate(sorted(self._entries.items()), 1):
            archive += _record(number, name, entry)
        return bytes(archive + _record(0, "TRAILER!!!", _Entry(0)))

    def _add_libraries(self, source: Path) -> None:
        for library in _libraries(source):
            if library not in self._entries:
                self.put(library, Path(library).read_bytes(), 0o755)


@cache
def _libraries(source: Path) -> tuple[str, ...]:
    said = subprocess.run(["ldd", source], capture_output=True, text=True, check=False).stdout
    return tuple(os.path.normpath(found) for found in _LIBRARY.findall(said))


def _record(number: int, name: str, entry: _Entry) -> bytes:
    path = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    numbers = (number, entry.mode, 0, 0, links, entry.time, len(entry.data), 0, 0, *entry.device, len(path), 0)
    header = b"070701" + b"".join(b"%08X" % value for value in numbers) + path
    return header + bytes(-len(header) % 4) + entry.data + bytes(-len(entry.data) % 4)
