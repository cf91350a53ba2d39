"""What a register is, whoever carries it: configuration space, a message of IDE_KM, a BAR.

Document: PCIe Base 6.x chapter 7, "Configuration Register Types". A register is a little-endian number whose bits have
names. This file knows no register.
"""

from __future__ import annotations

from typing import ClassVar

from pytio.errors import PciDecodeError
from pytio.wire import WireStruct

__all__ = ("Register",)


class Register(WireStruct, errors=PciDecodeError):
    """Base of the registers, and of structures of several.

    Reserved fields, whose names start with ``reserved``, are RsvdP: software writes them back as it read them.

    Class attributes:
        RW1C: the fields that are cleared by writing ones.
    """

    __slots__ = ()

    RW1C: ClassVar[frozenset[str]] = frozenset()
