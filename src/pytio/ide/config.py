"""How a stream is configured: what its control and association registers say, and what the port itself is.

Document: PCIe Base 6.x, IDE Extended Capability: stream control, RID association and address association registers.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple

import attrs

from pytio.ide.framing import HeaderEncryption
from pytio.ids import StreamId, SubStream

__all__ = ("MOST_TLPS_IN_UNIT", "AddressRange", "PortRole", "RidRange", "StreamConfig", "StreamKind")

MOST_TLPS_IN_UNIT: Final = 8
"""The largest aggregation."""
_AGGREGATIONS: Final = frozenset({1, 2, 4, 8})


class StreamKind(Enum):
    """Between which ports a stream is."""

    SELECTIVE = "selective"
    LINK = "link"


class PortRole(Enum):
    """What the port of a stream is."""

    ENDPOINT = "endpoint"
    ROOT_PORT = "root port"


class AddressRange(NamedTuple):
    """Addresses of an association block, in bytes."""

    base: int
    limit: int
    """Inclusive."""


class RidRange(NamedTuple):
    """Requester ids of the RID association registers."""

    base: int
    limit: int
    """Inclusive."""
    segment: int = 0
    """Matters in flit mode only."""


def _aggregation(given: Mapping[SubStream, int] | int) -> Mapping[SubStream, int]:
    table = given if isinstance(given, Mapping) else dict.fromkeys((SubStream.PR, SubStream.NPR, SubStream.CPL), given)
    return MappingProxyType({sub_stream: table.get(sub_stream, 1) for sub_stream in SubStream})


@attrs.frozen(kw_only=True)
class StreamConfig:
    """What is sampled when a stream is enabled, and stays until it is disabled."""

    stream_id: StreamId = attrs.field(validator=[attrs.validators.ge(0), attrs.validators.le(255)])
    kind: StreamKind = StreamKind.SELECTIVE
    role: PortRole = PortRole.ENDPOINT
    traffic_class: int = 0
    aggregation: Mapping[SubStream, int] = attrs.field(default=1, converter=_aggregation)
    """How many TLPs a unit may have when sending: 1, 2, 4 or 8, for all sub-streams or for each."""
    is_aggregation_supported: bool = True
    """Whether units of more than one TLP are accepted."""
    pcrc: bool = False
    header_encryption: HeaderEncryption = HeaderEncryption.NONE
    default_stream: bool = False
    config_requests: bool = False
    """Selective IDE for configuration requests; only a root port sends them."""
    tee_limited: bool = False
    rid_range: RidRange | None = None
    """None where the association is not valid, and a selective stream never Secure."""
    address_ranges: tuple[AddressRange, ...] = ()
    requester_id: int = 0
    """Of this port: whom its own messages come from."""
    partner_id: int = 0
    """Of the port at the other end: whom they go to, on a selective stream."""
    is_tee_io_supported: bool = True
    """Without it T means nothing, and is 0."""
    early_release: bool = False
    """Whether TLPs are released before the MAC of their unit came: faster, and unauthenticated."""
    flit_mode: bool = False

    @aggregation.validator
    def _check_aggregation(self, attribute: object, value: Mapping[SubStream, int]) -> None:
        wrong = sorted(set(value.values()) - _AGGREGATIONS)
        if wrong:
            raise ValueError(f"aggregation is 1, 2, 4 or 8, not {wrong[0]}")

    @property
    def can_be_secure(self) -> bool:
        """Whether the registers are complete: a selective stream needs a valid RID association."""
        return self.kind is StreamKind.LINK or self.rid_range is not None

    @property
    def checks_requester(self) -> bool:
        """Whether requests and completions have to come from the RID range."""
        is_exempt = self.role is PortRole.ENDPOINT and self.default_stream
        return self.is_tee_io_supported and self.kind is StreamKind.SELECTIVE and not is_exempt
