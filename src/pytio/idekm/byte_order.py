"""The byte order of keys and invocation fields in KEY_PROG, handled here and nowhere else.

Document: PCIe Base 6.x chapter 6, "IDE_KM", KEY_PROG. The key field is eight little-endian double words, Key_DW7 first,
and byte 0 of the AES key is the most significant byte of Key_DW7: each group of four bytes is reversed on the wire, the
order of the groups is not. The invocation field is two little-endian double words, the high one first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self

from pytio.errors import IdeKmDecodeError
from pytio.idekm.codes import AES_KEY_BYTES
from pytio.wire import U32, WireStruct, message, wire

__all__ = (
    "InvocationField",
    "aes_key_from_registers",
    "aes_key_from_wire",
    "aes_key_to_registers",
    "aes_key_to_wire",
    "ifv_from_wire",
    "ifv_to_wire",
)

_BYTES_PER_DW: Final = 4
_BITS_PER_DW: Final = 32


@message
class InvocationField(WireStruct, errors=IdeKmDecodeError):
    """IFV, 8 bytes: the low 64 bits of the AES-GCM IV, high double word first; a fresh key starts with 1."""

    high: int = wire(U32, default=0)
    low: int = wire(U32)

    @classmethod
    def of(cls, value: int) -> Self:
        """Take a 64-bit value apart."""
        high, low = divmod(value, 1 << _BITS_PER_DW)
        return cls(high=high, low=low)

    @property
    def value(self) -> int:
        """The 64-bit value."""
        return self.high << _BITS_PER_DW | self.low


def aes_key_to_wire(aes_key: bytes) -> bytes:
    """Return the key field for an AES key.

    Raises:
        ValueError: the key does not have 32 bytes.
    """
    return b"".join(word[::-1] for word in _words(aes_key))


def aes_key_from_wire(key: bytes) -> bytes:
    """Return the AES key that a key field carries.

    Raises:
        ValueError: the field does not have 32 bytes.
    """
    return aes_key_to_wire(key)  # the order is its own inverse


def aes_key_to_registers(aes_key: bytes) -> tuple[int, ...]:
    """Return the values for a root port's key slot registers, Key_DW0 first: the double words of the wire backwards.

    Raises:
        ValueError: the key does not have 32 bytes.
    """
    return tuple(int.from_bytes(word, "big") for word in reversed(_words(aes_key)))


def aes_key_from_registers(registers: Sequence[int]) -> bytes:
    """Return the AES key in the values of a root port's key slot registers, Key_DW0 first.

    Raises:
        ValueError: there are not 8 values, or one does not fit in 32 bits.
    """
    if any(not 0 <= word < 1 << _BITS_PER_DW for word in registers):
        raise ValueError(f"a register has {_BITS_PER_DW} bits")
    key = b"".join(word.to_bytes(_BYTES_PER_DW, "big") for word in reversed(registers))
    return b"".join(_words(key))


def ifv_to_wire(value: int) -> bytes:
    """Return the 8 bytes for an invocation field.

    Raises:
        EncodeError: the value does not fit in 64 bits.
    """
    return InvocationField.of(value).build()


def ifv_from_wire(field: bytes) -> int:
    """Return the invocation field that 8 bytes carry.

    Raises:
        IdeKmDecodeError: there are not 8 bytes.
    """
    return InvocationField.parse(field).value


def _words(key: bytes) -> list[bytes]:
    if len(key) != AES_KEY_BYTES:
        raise ValueError(f"a key has {AES_KEY_BYTES} bytes, not {len(key)}")
    return [key[at : at + _BYTES_PER_DW] for at in range(0, AES_KEY_BYTES, _BYTES_PER_DW)]
