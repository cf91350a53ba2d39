"""What every SPDM message begins with, and the one small structure that several of them share.

Document: DSP0274, "Generic SPDM message format" and "Standards body or vendor-defined header".
"""

from __future__ import annotations

from typing import Final

from pytio.errors import SpdmDecodeError
from pytio.spdm.codes import RegistryId, SpdmCode, SpdmVersion
from pytio.wire import AUTO, Byte, Bytes, OpenCode, WireStruct, message, this, wire

__all__ = ("CODE", "VERSION", "SpdmMessage", "SpdmStruct", "Svh")

VERSION: Final = OpenCode(Byte, SpdmVersion)
"""SPDMVersion, the first byte of every message."""

CODE: Final = OpenCode(Byte, SpdmCode)
"""RequestResponseCode, the second byte of every message."""


class SpdmStruct(WireStruct, errors=SpdmDecodeError):
    """Base of the structures inside SPDM messages."""

    __slots__ = ()


class SpdmMessage(WireStruct, errors=SpdmDecodeError):
    """Base of every request and response.

    A message is four bytes, version, code and two parameters, and what its code says. Presence by version reads the
    message's own version byte. Facts that only the connection knows go to ``parse`` by name, the same in all messages:

    ============  ========================================================================================
    digest        bytes of a digest of the negotiated base hash
    signature     bytes of a signature of whoever signs, 0 where none is there
    summary       bytes of the measurement summary hash: as ``digest`` where one was asked for, else 0
    exchange      bytes of the field that carries the sender's part of the key exchange
    verify_data   bytes of the sender's verify data: as ``digest`` where it is there, else 0
    multi_key     1 where the sender of DIGESTS uses several keys on this connection, else 0
    ============  ========================================================================================
    """

    __slots__ = ()

    version: SpdmVersion
    code: SpdmCode


@message
class Svh(SpdmStruct):
    """SVH, the standards body or vendor-defined header: who defines what follows."""

    registry_id: RegistryId = wire(OpenCode(Byte, RegistryId))
    vendor_id_length: int = wire(Byte, default=AUTO)
    vendor_id: bytes = wire(Bytes(this.vendor_id_length), default=b"")
