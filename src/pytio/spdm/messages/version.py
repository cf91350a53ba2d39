"""GET_VERSION and VERSION: which versions of SPDM a responder speaks.

Document: DSP0274, "GET_VERSION request and VERSION response messages". Both always carry version 1.0 themselves.
"""

from __future__ import annotations

from typing import Self

from pytio.spdm.codes import SpdmCode, SpdmVersion
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage, SpdmStruct
from pytio.wire import AUTO, Array, Bits, Byte, Nested, fixed, message, this, wire

__all__ = ("GetVersion", "Version", "VersionNumber")

_MAJOR_SHIFT = 4
_MINOR_MASK = 0xF


@message
class VersionNumber(SpdmStruct):
    """VersionNumberEntry: 16 bits, also the form of secured-message versions (DSP0277)."""

    alpha: int = wire(Bits(4), default=0)
    update_version_number: int = wire(Bits(4), default=0)
    minor_version: int = wire(Bits(4))
    major_version: int = wire(Bits(4))

    @classmethod
    def of(cls, version: int) -> Self:
        """Return the entry of a version byte, major version in its high nibble."""
        return cls(major_version=version >> _MAJOR_SHIFT, minor_version=version & _MINOR_MASK)

    @property
    def version(self) -> SpdmVersion:
        """The SPDMVersion that messages carry once this entry is chosen; it compares without update and alpha."""
        return SpdmVersion(self.major_version << _MAJOR_SHIFT | self.minor_version)

    def __str__(self) -> str:
        """Return major, minor, update and alpha with dots."""
        return f"{self.major_version}.{self.minor_version}.{self.update_version_number}.{self.alpha}"


@message
class GetVersion(SpdmMessage):
    """GET_VERSION: ask for the versions; starts the connection anew (DSP0274, GET_VERSION)."""

    version: SpdmVersion = wire(VERSION, default=SpdmVersion.V1_0)
    code: SpdmCode = fixed(CODE, SpdmCode.GET_VERSION)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)


@message
class Version(SpdmMessage):
    """VERSION: the versions that the responder speaks (DSP0274, VERSION)."""

    version: SpdmVersion = wire(VERSION, default=SpdmVersion.V1_0)
    code: SpdmCode = fixed(CODE, SpdmCode.VERSION)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)
    reserved: int = wire(Byte, default=0)
    version_number_entry_count: int = wire(Byte, default=AUTO)
    version_number_entries: tuple[VersionNumber, ...] = wire(
        Array(this.version_number_entry_count, Nested(VersionNumber))
    )
