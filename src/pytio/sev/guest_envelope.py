"""The envelope of guest messages: AES-256-GCM under a VMPCK, so that the hypervisor that carries it sees nothing.

Documents: AMD 56860, "Guest messages"; AMD 58271. Sealing and opening take a sequence number and keep none: the guest
and the firmware count, one counter for each key, requests odd and responses even.
"""

from __future__ import annotations

from typing import Final

from pytio.crypto import Aead, AeadAlgorithm, KeyMaterial
from pytio.errors import SevDecodeError
from pytio.wire import AUTO, U16, U32, U64, Array, Bit, Bits, Byte, Bytes, WireStruct, message, this, wire

__all__ = (
    "LAST_SEQUENCE",
    "MOST_PAYLOAD_BYTES",
    "TAG_BYTES",
    "GuestMessage",
    "SecretsPage",
    "open_message",
    "seal_message",
)

TAG_BYTES: Final = 16
"""Bytes of the authentication tag."""
MOST_PAYLOAD_BYTES: Final = 4000 - TAG_BYTES
"""The largest payload that Linux takes."""
LAST_SEQUENCE: Final = 0xFFFF_FFFF
"""A guest's counter has 32 bits; a request may not reach this number."""
_HEADER_SIZE: Final = 0x60
_AAD: Final = slice(0x30, 0x60)
_IV_BYTES: Final = 12
_AES_256_GCM: Final = 1


@message
class GuestMessage(WireStruct, errors=SevDecodeError):
    """A guest message as it travels: a header of 96 bytes, and the ciphertext."""

    authtag: bytes = wire(Bytes(TAG_BYTES), default=bytes(TAG_BYTES))
    reserved_authtag: bytes = wire(Bytes(16), default=bytes(16))
    msg_seqno: int = wire(U64)
    """Also the IV; neither it nor anything before byte 30h is authenticated but by that."""
    reserved_seqno: int = wire(U64, default=0)
    algo: int = wire(Byte, default=_AES_256_GCM)
    hdr_version: int = wire(Byte, default=1)
    hdr_size: int = wire(U16, default=_HEADER_SIZE)
    msg_type: int = wire(Byte)
    """A `pytio.sev.tio_codes.GuestMessageType`, or of R1 and R2 a `GuestMessageTypeR1`: only the revision tells."""
    msg_version: int = wire(Byte, default=1)
    msg_size: int = wire(U16, default=AUTO)
    """Bytes of the payload."""
    reserved_size: bytes = wire(Bytes(4), default=bytes(4))
    msg_vmpck: int = wire(Byte, default=0)
    """Number of the key."""
    reserved: bytes = wire(Bytes(35), default=bytes(35))
    payload: bytes = wire(Bytes(this.msg_size), repr=False)
    """Ciphertext."""


@message
class SecretsPage(WireStruct, errors=SevDecodeError):
    """The first 176 bytes of a guest's secrets page: its keys, and how far it has counted under each."""

    version: int = wire(U32, default=3)
    imi_en: bool = wire(Bit, default=False)
    reserved_flags: int = wire(Bits(31), default=0)
    fms: int = wire(U32, default=0)
    """Family, model and stepping of the processor."""
    reserved: int = wire(U32, default=0)
    gosvw: bytes = wire(Bytes(16), default=bytes(16))
    vmpck0: bytes = wire(Bytes(32), secret=True)
    vmpck1: bytes = wire(Bytes(32), secret=True)
    vmpck2: bytes = wire(Bytes(32), secret=True)
    vmpck3: bytes = wire(Bytes(32), secret=True)
    msg_seqno: tuple[int, ...] = wire(Array(4, U32), default=(0, 0, 0, 0))
    """The last number under each key."""


def seal_message(key: KeyMaterial, header: GuestMessage, plaintext: bytes) -> GuestMessage:
    """Return the message that carries a payload, its header being the one that is given.

    Args:
        key: the VMPCK, 32 bytes.
        header: everything but the tag and the payload; the caller never uses its ``msg_seqno`` again under this key.
        plaintext: the payload.

    Raises:
        ValueError: the key has not 32 bytes, or the payload has more than `MOST_PAYLOAD_BYTES`.
    """
    if len(plaintext) > MOST_PAYLOAD_BYTES:
        raise ValueError(f"a payload of {len(plaintext)} bytes does not fit, {MOST_PAYLOAD_BYTES} do")
    blank = header.replace(authtag=bytes(TAG_BYTES), payload=plaintext)
    sealed = _aead(key).seal(_iv(blank), plaintext, blank.build()[_AAD])
    return blank.replace(authtag=sealed[-TAG_BYTES:], payload=sealed[:-TAG_BYTES])


def open_message(key: KeyMaterial, message: GuestMessage) -> bytes:
    """Return the payload of a message; its number, type and version are the caller's to judge.

    Raises:
        VerificationError: the tag does not hold.
        ValueError: the key has not 32 bytes.
    """
    return _aead(key).open(_iv(message), message.payload + message.authtag, message.build()[_AAD])


def _aead(key: KeyMaterial) -> Aead:
    return Aead(AeadAlgorithm.AES_256_GCM, key)


def _iv(message: GuestMessage) -> bytes:
    return message.msg_seqno.to_bytes(_IV_BYTES, "little")
