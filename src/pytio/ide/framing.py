"""What of a TLP is protected, and how: associated data, plaintext, IV, PCRC, partial header encryption.

Document: PCIe Base 6.x chapter 6, "IDE TLP" and its sections on AES-GCM, PCRC, aggregation and partial header
encryption. These functions are the same for a TLP in clear and for a sealed one: `text_of` takes out what is encrypted,
`with_text` puts something else of the same size there. They know no key, no counter and no state.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from pytio.errors import IdeDecodeError
from pytio.ide.codes import IV_BYTES, MAC_BYTES, PCRC_BYTES, AddressType
from pytio.ide.flit import FlitHeader
from pytio.ide.header import TlpHeader
from pytio.ide.ohc import OHC_OFFSET
from pytio.ide.prefix import is_end_end
from pytio.ide.tlp import Tlp
from pytio.ids import SubStream

__all__ = (
    "FIXED_PARTS",
    "HeaderEncryption",
    "HiddenPlaces",
    "associated_data",
    "hidden_places",
    "iv_of",
    "pcrc_of",
    "text_of",
    "with_text",
)

_INVOCATION_BYTES: Final = 8
FIXED_PARTS: Final[Mapping[SubStream, bytes]] = MappingProxyType(
    {
        SubStream.PR: bytes.fromhex("00000000"),
        SubStream.NPR: bytes.fromhex("10000000"),
        SubStream.CPL: bytes.fromhex("20000000"),
    }
)
"""The first four bytes of the IV (`PCIE_A22`)."""


def iv_of(sub_stream: SubStream, invocation: int) -> bytes:
    """Return the 12 bytes of IV for one unit: the sub-stream's fixed part and the invocation field, big-endian."""
    iv = FIXED_PARTS[sub_stream] + invocation.to_bytes(_INVOCATION_BYTES, "big")
    assert len(iv) == IV_BYTES
    return iv


def pcrc_of(payload: bytes) -> bytes:
    """Return the PCRC over the payload of a unit (`PCIE_A24`)."""
    return zlib.crc32(payload).to_bytes(PCRC_BYTES, "little")


class HeaderEncryption(IntEnum):
    """Which address bits partial header encryption hides, as the stream's control register counts them."""

    NONE = 0
    ADDRESS_17_2 = 1
    ADDRESS_25_2 = 2
    ADDRESS_33_2 = 3
    ADDRESS_41_2 = 4


class HiddenPlaces(NamedTuple):
    """What of a header is encrypted; offsets count from its first byte, with OHC inside."""

    byte_enables_at: int | None
    """The byte with Last and First DW BE, if the TLP has one."""
    address_at: int
    """The address field, which ends with two bits that are no address."""
    address_bytes: int
    """4 or 8: the size of the address field."""
    hidden_bytes: int
    """How many bytes of address are encrypted."""


_ADDRESS_32_BYTES: Final = 4
_ADDRESS_64_BYTES: Final = 8
_NFM_BYTE_ENABLES: Final = 7
_NFM_ADDRESS: Final = 8
_OHC_A1_BYTE_ENABLES: Final = OHC_OFFSET + 3
_MOST_HIDDEN: Final = {_ADDRESS_32_BYTES: 3, _ADDRESS_64_BYTES: 5}
_ATOMICS: Final = ("FETCHADD", "SWAP", "CAS")
_MEMORY: Final = ("MRD", "MWR", "DMWR", *_ATOMICS)
_LOW_BITS: Final = 2


def hidden_places(tlp: Tlp, mode: int) -> HiddenPlaces | None:
    """Return what partial header encryption hides in a TLP; None where it hides nothing (`PCIE_A26`).

    Only memory requests are concerned. Outside of flit mode they have byte enables, but for atomic operations,
    translation requests, and reads and deferrable writes with TH; in flit mode, if they have OHC-A1.
    """
    name = tlp.header.tlp_type.name
    if mode == HeaderEncryption.NONE or not name.startswith(_MEMORY):
        return None
    size = _ADDRESS_64_BYTES if name.endswith("64") else _ADDRESS_32_BYTES
    hidden = min(mode + 1, _MOST_HIDDEN[size])
    if isinstance(tlp.header, FlitHeader):
        at = OHC_OFFSET + sum(len(part.build()) for part in tlp.ohc)
        return HiddenPlaces(_OHC_A1_BYTE_ENABLES if tlp.header.ohc_a else None, at, size, hidden)
    assert isinstance(tlp.header, TlpHeader)
    return HiddenPlaces(_NFM_BYTE_ENABLES if _has_byte_enables(tlp.header) else None, _NFM_ADDRESS, size, hidden)


def _has_byte_enables(header: TlpHeader) -> bool:
    name = header.tlp_type.name
    if name.startswith(_ATOMICS) or header.address_type is AddressType.TRANSLATION_REQUEST:
        return False
    return not (header.tph and name.startswith(("MRD", "DMWR")))


def associated_data(tlp: Tlp, mode: int = HeaderEncryption.NONE) -> bytes:
    """Return what one TLP adds to the associated data of its unit (`PCIE_A20`, `PCIE_A21`)."""
    header = tlp.header_bytes()
    places = hidden_places(tlp, mode)
    if places is not None:
        header = _exchange(header, places, bytes(_hidden_size(places)))[0]
    return b"".join(prefix.build() for prefix in tlp.prefixes if is_end_end(prefix)) + header


def text_of(tlp: Tlp, mode: int = HeaderEncryption.NONE) -> bytes:
    """Return what one TLP adds to the text of its unit: hidden header fields, payload, PCRC (`PCIE_A25`).

    Of a TLP in clear that is plaintext, of a sealed one ciphertext.
    """
    places = hidden_places(tlp, mode)
    hidden = b"" if places is None else _exchange(tlp.header_bytes(), places, bytes(_hidden_size(places)))[1]
    return hidden + tlp.payload + tlp.pcrc


def with_text(tlp: Tlp, text: bytes, mode: int = HeaderEncryption.NONE) -> Tlp:
    """Return the TLP with another text of the same size: sealed becomes clear, and the other way round.

    Raises:
        ValueError: the size differs.
    """
    if len(text) != len(text_of(tlp, mode)):
        raise ValueError(f"the text has {len(text_of(tlp, mode))} bytes, not {len(text)}")
    places = hidden_places(tlp, mode)
    hidden = 0 if places is None else _hidden_size(places)
    end = hidden + len(tlp.payload)
    changed = tlp.replace(payload=text[hidden:end], pcrc=text[end:])
    return changed if places is None else _with_header(changed, places, text[:hidden])


def _with_header(tlp: Tlp, places: HiddenPlaces, hidden: bytes) -> Tlp:
    header = _exchange(tlp.header_bytes(), places, hidden)[0]
    try:
        parsed = Tlp.parse_prefix(header + tlp.payload + bytes(PCRC_BYTES + MAC_BYTES), flit_mode=tlp.is_flit)[0]
    except IdeDecodeError as error:  # every byte enable and every address is one
        raise AssertionError from error
    return tlp.replace(header=parsed.header, ohc=parsed.ohc)


def _hidden_size(places: HiddenPlaces) -> int:
    return places.hidden_bytes + (places.byte_enables_at is not None)


def _exchange(header: bytes, places: HiddenPlaces, new: bytes) -> tuple[bytes, bytes]:
    """Put ``new`` into the hidden places of a header; return the header, and what was there."""
    raw = bytearray(header)
    old = bytearray()
    if places.byte_enables_at is not None:
        old.append(raw[places.byte_enables_at])
        raw[places.byte_enables_at] = new[0]
        new = new[1:]
    field = slice(places.address_at, places.address_at + places.address_bytes)
    value = int.from_bytes(raw[field], "big")
    mask = (1 << 8 * places.hidden_bytes) - 1 << _LOW_BITS
    old += ((value & mask) >> _LOW_BITS).to_bytes(places.hidden_bytes, "big")
    raw[field] = (value & ~mask | int.from_bytes(new, "big") << _LOW_BITS).to_bytes(places.address_bytes, "big")
    return bytes(raw), bytes(old)
