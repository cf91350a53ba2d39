"""Secured-message records: the bytes around and inside what a session protects (DSP0277, secured message format).

::

    session id 4 │ sequence number s │ length 2 │ ciphertext of { data length 2 │ data │ padding } │ MAC 16
    session id 4 │ sequence number s │ length 2 │ data                                             │ MAC 16

The first form encrypts and authenticates, the second, of sessions without ENCRYPT_CAP, only authenticates. How many
bytes of the sequence number a record carries, and what stands before the message inside the application data, is the
transport binding's to say: `RECORD_FORMATS`. Keys, nonces and counting are in `pytio.spdm.records`; it takes
``RecordHeader.build()`` as what is authenticated, and the bytes behind it as the body. This file knows no key and no
state.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

import attrs

from pytio.spdm.messages.base import SpdmStruct
from pytio.wire import AUTO, REST, U16, U32, Bytes, Sized, message, this, wire

__all__ = (
    "MAC_BYTES",
    "MAX_RECORD_LENGTH",
    "RECORD_FORMATS",
    "AuthenticatedRecord",
    "InnerHeader",
    "RecordFormat",
    "RecordHeader",
    "RecordPlaintext",
    "RecordTransport",
    "SecuredRecord",
    "session_id",
)

MAC_BYTES: Final = 16
"""The tag of every AEAD that SPDM negotiates."""
MAX_RECORD_LENGTH: Final = 0xFFFF
"""Of everything behind the length field."""

_HALF_BITS: Final = 16


def session_id(req_session_id: int, rsp_session_id: int) -> int:
    """Return the session id: the requester's half below the responder's (DSP0274, KEY_EXCHANGE)."""
    return rsp_session_id << _HALF_BITS | req_session_id


class RecordTransport(Enum):
    """The transport bindings that carry records."""

    MCTP = "mctp"  #: DSP0276
    PCI_DOE = "pci-doe"  #: PCIe Base, chapter 6
    TCP = "tcp"  #: DSP0287
    STORAGE = "storage"  #: DSP0286; four reserved bytes of the binding stand before the record


class InnerHeader(Enum):
    """What stands before the message inside the application data, counted in its length; the binding lays it out."""

    NONE = "none"
    MCTP_MESSAGE_TYPE = "MCTP message type"
    """One byte: 5 for SPDM, another for what is not SPDM."""
    TCP_BINDING = "TCP binding header"
    """Four bytes; of the reference implementation. The message alone is to be accepted, too."""
    STORAGE_DESCRIPTOR = "storage descriptor block"
    """Twenty bytes, as the reference implementation lays them out."""


@attrs.frozen
class RecordFormat:
    """What a transport binding says about records."""

    sequence_bytes: int
    """Low bytes of the sequence number that a record carries: ``sequence=`` for ``parse``."""
    max_padding_bytes: int
    """The most random padding to send; any amount is accepted."""
    inner_header: InnerHeader


RECORD_FORMATS: Final[Mapping[RecordTransport, RecordFormat]] = {
    RecordTransport.MCTP: RecordFormat(2, 32, InnerHeader.MCTP_MESSAGE_TYPE),
    RecordTransport.PCI_DOE: RecordFormat(0, 0, InnerHeader.NONE),
    RecordTransport.TCP: RecordFormat(0, 0, InnerHeader.TCP_BINDING),
    RecordTransport.STORAGE: RecordFormat(2, 32, InnerHeader.STORAGE_DESCRIPTOR),
}
"""One row for each binding."""


@message
class RecordHeader(SpdmStruct):
    """What comes first in a record, in clear and always authenticated."""

    session_id: int = wire(U32)
    """The requester's half in the lower 16 bits, the responder's above."""
    sequence_number: bytes = wire(Sized("sequence"), default=b"")
    """The low bytes of the record's number in its direction, least significant first; none on most transports."""
    length: int = wire(U16)
    """Bytes of everything that follows."""

    @property
    def req_session_id(self) -> int:
        """The requester's half of the session id."""
        return self.session_id & ((1 << _HALF_BITS) - 1)

    @property
    def rsp_session_id(self) -> int:
        """The responder's half of the session id."""
        return self.session_id >> _HALF_BITS


@message
class SecuredRecord(SpdmStruct):
    """A record that is encrypted and authenticated. ``parse_prefix`` leaves the transport's padding alone."""

    session_id: int = wire(U32)
    sequence_number: bytes = wire(Sized("sequence"), default=b"")
    length: int = wire(U16, default=AUTO)
    """Bytes of ciphertext and MAC."""
    ciphertext: bytes = wire(Bytes(this.length - MAC_BYTES))
    """Of a `RecordPlaintext`."""
    mac: bytes = wire(Bytes(MAC_BYTES))

    @property
    def header(self) -> RecordHeader:
        """The authenticated part."""
        return RecordHeader(session_id=self.session_id, sequence_number=self.sequence_number, length=self.length)

    @property
    def body(self) -> bytes:
        """Everything behind the header."""
        return self.ciphertext + self.mac


@message
class AuthenticatedRecord(SpdmStruct):
    """A record that is authenticated only: its application data are in clear, without length and without padding."""

    session_id: int = wire(U32)
    sequence_number: bytes = wire(Sized("sequence"), default=b"")
    length: int = wire(U16, default=AUTO)
    """Bytes of application data and MAC."""
    application_data: bytes = wire(Bytes(this.length - MAC_BYTES))
    mac: bytes = wire(Bytes(MAC_BYTES))

    @property
    def header(self) -> RecordHeader:
        """The authenticated part."""
        return RecordHeader(session_id=self.session_id, sequence_number=self.sequence_number, length=self.length)

    @property
    def body(self) -> bytes:
        """Everything behind the header."""
        return self.application_data + self.mac


@message
class RecordPlaintext(SpdmStruct):
    """What an encrypted record holds once it is decrypted."""

    application_data_length: int = wire(U16, default=AUTO)
    application_data: bytes = wire(Bytes(this.application_data_length), secret=True)
    """The transport's inner header, if any, and the message; a secret, since nobody knows here what it says."""
    random_padding: bytes = wire(Bytes(REST), default=b"")
    """Hides the length of the message; any amount, to be ignored."""
