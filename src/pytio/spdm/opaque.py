"""Opaque data: what one party's vendor or another standard puts into SPDM messages.

Documents: DSP0274, "General opaque data"; DSP0277, "Secured message opaque element", for the elements that negotiate
the version of secured messages. Formats that vendors define are found by registry id and vendor id: register a parser
in ``OPAQUE_DATA``, or offer one as an entry point of the group ``pytio.opaque_data`` that is named after them, such as
``pci_sig.981e``: the registry as in `RegistryId`, then the vendor id, as on the wire, in hex.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from pytio.errors import SpdmDecodeError
from pytio.spdm.algorithms import OtherParams
from pytio.spdm.codes import RegistryId, SmDataId, SpdmVersion
from pytio.spdm.messages.base import SpdmStruct
from pytio.spdm.messages.version import VersionNumber
from pytio.wire import (
    AUTO,
    REST,
    U16,
    U32,
    Array,
    Byte,
    Bytes,
    Nested,
    OpenCode,
    Switch,
    WireStruct,
    computed,
    fixed,
    message,
    this,
    wire,
)
from pytio.wire.registry import FormatRegistry

__all__ = (
    "DEFAULT_AEAD_LIMIT_EXPONENT",
    "OPAQUE_DATA",
    "LegacyOpaqueData",
    "OpaqueData",
    "OpaqueElement",
    "SecuredMessageElement",
    "SupportedVersionList",
    "aead_limit_element",
    "parse_opaque",
    "parse_opaque_element",
    "selected_secured_version",
    "supported_versions_element",
    "version_selection_element",
)

DEFAULT_AEAD_LIMIT_EXPONENT: Final = 64
"""The exponent of two that limits sequence numbers where no element states one (DSP0277)."""

_ALIGNMENT_BYTES: Final = 4
_ELEMENT_FIXED_BYTES: Final = 4
_LEGACY_SPEC_ID: Final = int.from_bytes(b"DMTF", "big")
_LEGACY_OPAQUE_VERSION: Final = 1
_SM_DATA_VERSION: Final = 1
_SM_VENDOR: Final = (RegistryId.DMTF, b"")


def _padding(vendor_id_length: int, data_length: int) -> int:
    """Return the bytes that make an element's size a multiple of 4."""
    return -(_ELEMENT_FIXED_BYTES + vendor_id_length + data_length) % _ALIGNMENT_BYTES


@message
class OpaqueElement(SpdmStruct):
    """Opaque element: who defines the data, the data, and zeros up to a multiple of 4 bytes."""

    registry_id: RegistryId = wire(OpenCode(Byte, RegistryId), default=RegistryId.DMTF)
    vendor_id_length: int = wire(Byte, default=AUTO)
    vendor_id: bytes = wire(Bytes(this.vendor_id_length), default=b"")
    data_length: int = wire(U16, default=AUTO)
    data: bytes = wire(Bytes(this.data_length), default=b"")
    reserved_padding: bytes = wire(Bytes(computed(_padding, this.vendor_id_length, this.data_length)), default=AUTO)


@message
class OpaqueData(SpdmStruct):
    """OpaqueDataFmt1: the general opaque data of 1.2 and later, where it is selected."""

    total_elements: int = wire(Byte, default=AUTO)
    reserved: bytes = wire(Bytes(3), default=bytes(3))
    elements: tuple[OpaqueElement, ...] = wire(Array(this.total_elements, Nested(OpaqueElement)), default=())


@message
class LegacyOpaqueData(SpdmStruct):
    """The general opaque data table of secured messages before SPDM 1.2 (DSP0277)."""

    spec_id: int = fixed(U32, _LEGACY_SPEC_ID)
    opaque_version: int = wire(Byte, default=_LEGACY_OPAQUE_VERSION)
    total_elements: int = wire(Byte, default=AUTO)
    reserved: int = wire(U16, default=0)
    elements: tuple[OpaqueElement, ...] = wire(Array(this.total_elements, Nested(OpaqueElement)), default=())


_Opaque: TypeAlias = OpaqueData | LegacyOpaqueData | bytes


def parse_opaque(data: bytes, version: int, opaque_format: OtherParams = OtherParams.OPAQUE_DATA_FMT1) -> _Opaque:
    """Parse the opaque data of a message.

    Args:
        data: the opaque data; where they are empty, so is the result.
        version: the SPDMVersion of the connection.
        opaque_format: OtherParamsSelection of ALGORITHMS, of which only the format counts; before 1.2 nothing counts.

    Returns:
        The table; the bytes themselves where the format is free (OpaqueDataFmt0), and before 1.2 where they do not
        begin as a table of secured messages, since other data were free then.

    Raises:
        SpdmDecodeError: the data are not the table that they should be.
    """
    if version >= SpdmVersion.V1_2:
        return OpaqueData.parse(data) if data and opaque_format & OtherParams.OPAQUE_DATA_FMT1 else data
    return LegacyOpaqueData.parse(data) if _is_legacy(data) else data


def _is_legacy(data: bytes) -> bool:
    return data.startswith(_LEGACY_SPEC_ID.to_bytes(U32.size, "little"))


@message
class SupportedVersionList(SpdmStruct):
    """Versions of secured messages that the requester supports."""

    version_count: int = wire(Byte, default=AUTO)
    versions: tuple[VersionNumber, ...] = wire(Array(this.version_count, Nested(VersionNumber)))


@message
class SecuredMessageElement(SpdmStruct):
    """Data of a secured-message element, which has registry id 0 and no vendor id (DSP0277).

    A selection is a `VersionNumber`, an offer a `SupportedVersionList`, an AEAD limit the exponent of two that
    sequence numbers stay below; of other kinds the bytes are kept.
    """

    sm_data_version: int = wire(Byte, default=_SM_DATA_VERSION)
    sm_data_id: SmDataId = wire(OpenCode(Byte, SmDataId))
    content: VersionNumber | SupportedVersionList | int | bytes = wire(
        Switch(
            this.sm_data_id,
            {
                SmDataId.VERSION_SELECTION: Nested(VersionNumber),
                SmDataId.SUPPORTED_VERSION_LIST: Nested(SupportedVersionList),
                SmDataId.AEAD_LIMIT: Byte,
            },
            default=Bytes(REST),
        )
    )


def _element(sm_data_id: SmDataId, content: VersionNumber | SupportedVersionList | int) -> OpaqueElement:
    return OpaqueElement(data=SecuredMessageElement(sm_data_id=sm_data_id, content=content).build())


def supported_versions_element(*versions: int) -> OpaqueElement:
    """Return the element by which a requester offers versions of secured messages, each as 0x10 for 1.0."""
    offered = SupportedVersionList(versions=tuple(VersionNumber.of(version) for version in versions))
    return _element(SmDataId.SUPPORTED_VERSION_LIST, offered)


def version_selection_element(version: int) -> OpaqueElement:
    """Return the element by which a responder selects a version of secured messages, as 0x10 for 1.0."""
    return _element(SmDataId.VERSION_SELECTION, VersionNumber.of(version))


def aead_limit_element(exponent: int) -> OpaqueElement:
    """Return the element by which a party states that its sequence numbers stay below 2^exponent (DSP0277 1.3)."""
    return _element(SmDataId.AEAD_LIMIT, exponent)


def _read_key(name: str) -> tuple[int, bytes]:
    """Read the name of an entry point: a registry id, a dot, a vendor id in hex."""
    registry, _, vendor = name.partition(".")
    try:
        return RegistryId[registry.upper()], bytes.fromhex(vendor)
    except KeyError:
        raise ValueError(f"{registry!r} is not a registry") from None


OPAQUE_DATA: Final[FormatRegistry[tuple[int, bytes]]] = FormatRegistry(
    "pytio.opaque_data", _read_key, SpdmDecodeError, {_SM_VENDOR: SecuredMessageElement.parse}
)
"""Parsers of the data of opaque elements, by registry id and vendor id."""


def parse_opaque_element(element: OpaqueElement) -> WireStruct | bytes:
    """Return the data of an element in the form that their vendor defines; the bytes where nobody knows it.

    Raises:
        SpdmDecodeError: the data lack the shape that their vendor defines.
    """
    parsed: WireStruct | bytes = OPAQUE_DATA.parse((element.registry_id, element.vendor_id), element.data)
    return parsed


def selected_secured_version(data: bytes) -> int | None:
    """Return the version of secured messages that a response selects, as 0x1100 for 1.1; None where it selects none.

    Reads the opaque data of KEY_EXCHANGE_RSP or PSK_EXCHANGE_RSP of any version of SPDM, as far as they decode.
    """
    try:
        table = (LegacyOpaqueData if _is_legacy(data) else OpaqueData).parse(data)
        contents = [parse_opaque_element(element) for element in table.elements]
    except SpdmDecodeError:
        return None
    for content in contents:
        if isinstance(content, SecuredMessageElement) and isinstance(content.content, VersionNumber):
            return int.from_bytes(content.content.build(), "little")
    return None
