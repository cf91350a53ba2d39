"""The TLPs that one writes by hand most often: a read, a write, and a completion for either.

They choose between the forms with 32 and 64 bits of address, fill Length and byte enables, and leave everything else to
keyword arguments, which are fields of the header.
"""

from __future__ import annotations

from typing import Any, Final

from pytio.ide.codes import BYTES_PER_DW, MAX_LENGTH_DW, TlpType
from pytio.ide.header import Completion, MemoryRequest32, MemoryRequest64, TlpHeader
from pytio.ide.tlp import Tlp

__all__ = ("completion", "memory_read", "memory_write")

_FOUR_GIB: Final = 1 << 32
_ALL_BYTES: Final = 0xF
_TAG_MASK: Final = 0xFF


def memory_write(address: int, payload: bytes, **fields: Any) -> Tlp:
    """Return a memory write of whole dwords; below 4 GiB it has the short form, as it must.

    Raises:
        ValueError: the payload is no whole number of dwords, or too long; the address is no multiple of 4.
    """
    header = _memory(address, len(payload), TlpType.MWR32, TlpType.MWR64, fields)
    return Tlp(header=header, payload=payload)


def memory_read(address: int, size_bytes: int, **fields: Any) -> Tlp:
    """Return a memory read of whole dwords.

    Raises:
        ValueError: the size is no whole number of dwords, or too large; the address is no multiple of 4.
    """
    return Tlp(header=_memory(address, size_bytes, TlpType.MRD32, TlpType.MRD64, fields))


def completion(request: Tlp, payload: bytes = b"", **fields: Any) -> Tlp:
    """Return a completion of ``request``, with data if there is a payload.

    Raises:
        ValueError: nobody waits for a completion of ``request``; the payload is no whole number of dwords, or too long.
    """
    header, transaction = request.header, request.header.transaction
    if not isinstance(header, TlpHeader) or transaction is None:
        raise ValueError(f"no completion answers {header.tlp_type.name}")
    made = Completion(
        tlp_type=TlpType.CPLD if payload else TlpType.CPL,
        requester_id=transaction[0],
        tag=transaction[1] & _TAG_MASK,
        tag_8=header.tag_8,
        tag_9=header.tag_9,
        byte_count=len(payload) % (1 << 12),
        length=_length(len(payload)) if payload else 0,
        traffic_class=fields.pop("traffic_class", header.traffic_class),
        **fields,
    )
    return Tlp(header=made, payload=payload)


def _memory(
    address: int, size_bytes: int, short: TlpType, long: TlpType, fields: dict[str, Any]
) -> MemoryRequest32 | MemoryRequest64:
    if address % BYTES_PER_DW or address < 0:
        raise ValueError(f"address {address:#x} is no multiple of {BYTES_PER_DW}")
    length = _length(size_bytes)
    enables = {"first_dw_be": _ALL_BYTES, "last_dw_be": _ALL_BYTES if size_bytes > BYTES_PER_DW else 0}
    common = {"length": length, **enables, **fields}
    if address < _FOUR_GIB:
        return MemoryRequest32(tlp_type=short, address_31_2=address // BYTES_PER_DW, **common)
    return MemoryRequest64(tlp_type=long, address_63_2=address // BYTES_PER_DW, **common)


def _length(size_bytes: int) -> int:
    length, rest = divmod(size_bytes, BYTES_PER_DW)
    if rest or not 0 < length <= MAX_LENGTH_DW:
        raise ValueError(f"{size_bytes} bytes are not 1 to {MAX_LENGTH_DW} dwords")
    return length % MAX_LENGTH_DW
