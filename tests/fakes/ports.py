"""Configuration spaces with an IDE capability whose stream status follows its control; no keys are checked."""

from __future__ import annotations

from typing import Final

PCIE: Final = 0x40
IDE: Final = 0x200
DOE: Final = 0x100
SELECTIVE: Final = IDE + 0x0C
CONTROL: Final = SELECTIVE + 0x04
STATUS: Final = SELECTIVE + 0x08
SECURE: Final = 2
_ENABLE: Final = 1
_TEE_IO: Final = 1 << 30
_PORT_TYPE: Final = {False: 0x0002, True: 0x0042}


class Port:
    """A function with the PCI Express capability and one selective IDE stream; ``is_liar`` never becomes secure."""

    def __init__(self, vendor: int, device: int, *, is_root_port: bool) -> None:
        self.space = bytearray(4096)
        self.is_liar = False
        self.is_gone = False
        self._put(0x00, vendor | device << 16)
        self._put(0x04, 0x0010_0002)
        self._put(0x0C, 0x0001_0000 if is_root_port else 0)
        self._put(0x34, PCIE)
        self._put(PCIE, 0x10 | _PORT_TYPE[is_root_port] << 16)
        self._put(PCIE + 4, 0x8000 | (0 if is_root_port else _TEE_IO))
        self._put(0x100, 0x0003 | 1 << 16 | IDE << 20 if is_root_port else 0x002E | 2 << 16 | IDE << 20)
        self._put(IDE, 0x0030 | 1 << 16)
        self._put(IDE + 4, 0x0000_00C2 | (0 if is_root_port else 1 << 24))

    def _put(self, offset: int, value: int) -> None:
        self.space[offset : offset + 4] = value.to_bytes(4, "little")

    def read(self, offset: int, size: int) -> bytes:
        return b"\xff" * size if self.is_gone else bytes(self.space[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        if self.is_gone:
            return
        self.space[offset : offset + len(data)] = data
        if offset == CONTROL:
            is_secure = data[0] & _ENABLE and not self.is_liar
            self._put(STATUS, SECURE if is_secure else 0)
