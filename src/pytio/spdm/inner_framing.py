"""What a transport puts before a message inside a record, as its binding has it (DSP0276, DSP0287).

A `RecordFormat` names the header; here it is put on and taken off. The descriptor of the storage binding needs that
binding's own layouts, so whoever speaks storage brings an `InnerFraming` of its own. This file knows no key.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol

from pytio.spdm.secured import InnerHeader

__all__ = ("INNER_FRAMINGS", "InnerFraming", "NotSpdmError")


class NotSpdmError(ValueError):
    """The application data of a record are no SPDM message: they are for somebody else."""


class InnerFraming(Protocol):
    """Wraps messages before they are sealed, and unwraps them after they were opened."""

    def wrap(self, message: bytes) -> bytes:
        """Return the application data that carry an SPDM message."""

    def unwrap(self, application_data: bytes) -> bytes:
        """Return the SPDM message. Raises NotSpdmError if the data carry something else."""


class _Nothing:
    """The message alone (PCIe DOE)."""

    def wrap(self, message: bytes) -> bytes:
        return message

    def unwrap(self, application_data: bytes) -> bytes:
        return application_data


_MCTP_SPDM: Final = b"\x05"


class _MctpMessageType:
    """One byte: the MCTP message type of SPDM (DSP0276)."""

    def wrap(self, message: bytes) -> bytes:
        return _MCTP_SPDM + message

    def unwrap(self, application_data: bytes) -> bytes:
        if application_data[:1] != _MCTP_SPDM:
            raise NotSpdmError(f"MCTP message type {application_data[:1].hex() or 'missing'}")
        return application_data[1:]


_TCP_LENGTH_BYTES: Final = 2
_TCP_VERSION_AND_TYPE: Final = b"\x01\x05"
_TCP_HEADER_BYTES: Final = _TCP_LENGTH_BYTES + len(_TCP_VERSION_AND_TYPE)


class _TcpBinding:
    """Four bytes: length, binding version, message type of SPDM (DSP0287).

    SPDM_U3: the reference implementation has this header inside records, too. A message without it is taken as well.
    """

    def wrap(self, message: bytes) -> bytes:
        length = len(message) + len(_TCP_VERSION_AND_TYPE)
        return length.to_bytes(_TCP_LENGTH_BYTES, "little") + _TCP_VERSION_AND_TYPE + message

    def unwrap(self, application_data: bytes) -> bytes:
        if application_data[_TCP_LENGTH_BYTES:_TCP_HEADER_BYTES] == _TCP_VERSION_AND_TYPE:
            return application_data[_TCP_HEADER_BYTES:]
        return application_data


INNER_FRAMINGS: Final[Mapping[InnerHeader, InnerFraming]] = MappingProxyType(
    {
        InnerHeader.NONE: _Nothing(),
        InnerHeader.MCTP_MESSAGE_TYPE: _MctpMessageType(),
        InnerHeader.TCP_BINDING: _TcpBinding(),
    }
)
"""What needs nothing but a record format."""
