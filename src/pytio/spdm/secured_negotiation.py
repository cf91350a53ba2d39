"""Agreeing on secured messages, in the opaque data of KEY_EXCHANGE and PSK_EXCHANGE and their responses (DSP0277).

The requester offers versions, the responder selects the highest that both have; from 1.3 on either side adds how far
its sequence numbers go. This file knows opaque tables; what follows for records is in `pytio.spdm.session`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from pytio.errors import SpdmDecodeError
from pytio.spdm.codes import SmDataId, SpdmVersion
from pytio.spdm.messages.version import VersionNumber
from pytio.spdm.negotiated import Negotiated
from pytio.spdm.opaque import (
    DEFAULT_AEAD_LIMIT_EXPONENT,
    LegacyOpaqueData,
    OpaqueData,
    OpaqueElement,
    SecuredMessageElement,
    SupportedVersionList,
    aead_limit_element,
    parse_opaque,
    parse_opaque_element,
    supported_versions_element,
    version_selection_element,
)
from pytio.spdm.records import MAX_AEAD_LIMIT_EXPONENT, Protection, sequence_orders
from pytio.spdm.session import RecordRules

__all__ = ("SecuredTerms", "offer", "read_offer", "read_selection", "record_rules", "selection")

_V1_3: Final = 0x13
_BYTE_BITS: Final = 8


@attrs.frozen
class SecuredTerms:
    """What one side says about secured messages."""

    versions: tuple[int, ...]
    """Versions, each as 0x12 for 1.2: all that are offered, or the one that is selected."""
    aead_limit_exponent: int = DEFAULT_AEAD_LIMIT_EXPONENT
    """Sequence numbers stay below 2 to this."""


def _table(version: int, elements: Iterable[OpaqueElement]) -> bytes:
    kind = OpaqueData if version >= SpdmVersion.V1_2 else LegacyOpaqueData
    return kind(elements=tuple(elements)).build()


def offer(version: int, versions: tuple[int, ...], aead_limit_exponent: int) -> bytes:
    """Return the opaque data of a request; ``version`` is that of the connection."""
    elements = [supported_versions_element(*versions)]
    if _V1_3 in versions:
        elements.append(aead_limit_element(aead_limit_exponent))
    return _table(version, elements)


def selection(version: int, selected: int, aead_limit_exponent: int) -> bytes:
    """Return the opaque data of a response."""
    elements = [version_selection_element(selected)]
    if selected >= _V1_3:
        elements.append(aead_limit_element(aead_limit_exponent))
    return _table(version, elements)


def _contents(data: bytes, version: int) -> list[SecuredMessageElement]:
    table = parse_opaque(data, version)
    if isinstance(table, bytes):
        raise SpdmDecodeError("no table of opaque elements", data)
    contents = map(parse_opaque_element, table.elements)
    return [content for content in contents if isinstance(content, SecuredMessageElement)]


def _terms(data: bytes, version: int, wanted: SmDataId) -> SecuredTerms:
    contents = _contents(data, version)
    found = [content.content for content in contents if content.sm_data_id == wanted]
    limits = [content.content for content in contents if content.sm_data_id == SmDataId.AEAD_LIMIT]
    if len(found) != 1 or len(limits) > 1:
        raise SpdmDecodeError(f"{len(found)} version elements and {len(limits)} AEAD limits", data)
    limit = int(limits[0]) if limits and isinstance(limits[0], int) else DEFAULT_AEAD_LIMIT_EXPONENT
    if limit > MAX_AEAD_LIMIT_EXPONENT:
        raise SpdmDecodeError(f"AEAD limit 2^{limit}", data)
    stated = found[0]
    if isinstance(stated, SupportedVersionList):
        return SecuredTerms(tuple(int(entry.version) for entry in stated.versions), limit)
    if isinstance(stated, VersionNumber):
        return SecuredTerms((int(stated.version),), limit)
    raise SpdmDecodeError("no version of secured messages", data)


def read_offer(data: bytes, version: int) -> SecuredTerms:
    """Return what a requester offers. Raises SpdmDecodeError where that is not one list of versions."""
    return _terms(data, version, SmDataId.SUPPORTED_VERSION_LIST)


def read_selection(data: bytes, version: int) -> SecuredTerms:
    """Return what a responder selected. Raises SpdmDecodeError where that is not one version."""
    return _terms(data, version, SmDataId.VERSION_SELECTION)


def record_rules(transport: RecordRules, agreed: Negotiated, selected: int, limits: tuple[int, int]) -> RecordRules:
    """Return how the records of a session look; ``limits`` are both sides' AEAD limits."""
    return attrs.evolve(
        transport,
        protection=Protection.ENCRYPT_AND_MAC if agreed.is_encrypted else Protection.MAC_ONLY,
        orders=sequence_orders(selected << _BYTE_BITS),
        aead_limit_exponent=min(limits),
    )
