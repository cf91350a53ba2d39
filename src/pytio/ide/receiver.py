"""The receiving half of a stream: the checks, in their order, and what is delivered.

Document: PCIe Base 6.x chapter 6, "IDE TLP" and "IDE Errors". The order of the checks is `PCIE_A33`: what the prefix
says, key set, aggregation, MAC, counters, PCRC, who may send. TLPs are delivered in the order in which they came: one
whose MAC holds waits for those before it whose MAC has not come yet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

import attrs

from pytio.errors import VerificationError
from pytio.ide.codes import MAC_BYTES, SELECTIVE_TYPES, IdeError, MessageCode, Trailer
from pytio.ide.config import MOST_TLPS_IN_UNIT, PortRole, StreamConfig, StreamKind
from pytio.ide.counters import ReceivedCounters
from pytio.ide.events import ErrorDetected, Event, KeySetChanged, TlpReceived, UnitVerified
from pytio.ide.flit import FlitHeader, FlitIdeMessage
from pytio.ide.framing import associated_data, pcrc_of, text_of, with_text
from pytio.ide.header import AnyHeader, IdeMessage, TlpHeader
from pytio.ide.keys import SUB_STREAMS, HeldKey, KeyTable
from pytio.ide.ohc import OhcC
from pytio.ide.outstanding import Outstanding
from pytio.ide.prefix import IdePrefix
from pytio.ide.tlp import Tlp
from pytio.ids import Direction, SubStream

__all__ = ("CheckFailedError", "Receiver")


class CheckFailedError(Exception):
    """A TLP failed a check; caught by the stream, which knows what follows."""

    def __init__(self, error: IdeError, header: AnyHeader) -> None:
        super().__init__(error, header)
        self.error = error
        self.header = header


@attrs.define(eq=False)
class _Arrival:
    """A TLP that came, and what it said about itself."""

    tlp: Tlp
    came: AnyHeader  # its header as it came, whatever is hidden in it
    said: IdePrefix | OhcC
    is_last: bool
    has_pcrc: bool
    unit: _Unit
    size: int = 0  # of its text
    is_open: bool = False  # decrypted, and as far as that is asked for, verified


@attrs.define(eq=False)
class _Unit:
    """A unit that is coming in."""

    held: HeldKey
    is_new_key: bool
    arrivals: list[_Arrival] = attrs.field(factory=list)
    aad: bytes = b""
    text: bytes = b""


class Receiver:
    """Turns IDE TLPs into TLPs, or says why not, in the order of `PCIE_A33`. Its owner keeps the stream's state."""

    def __init__(self, config: StreamConfig, keys: KeyTable, outstanding: Outstanding) -> None:
        """Start with no unit."""
        self._config = config
        self._keys = keys
        self._outstanding = outstanding
        self._units: dict[SubStream, _Unit] = {}
        self._order: deque[_Arrival] = deque()
        self.counters = ReceivedCounters()
        self.is_exhausted = False

    def reset(self) -> None:
        """Drop what is not complete, and count from zero: the stream enters, or leaves, Secure."""
        self._units.clear()
        self._order.clear()
        self.counters = ReceivedCounters()
        self.is_exhausted = False

    @property
    def has_open_unit(self) -> bool:
        """Whether a unit has begun whose MAC has not come."""
        return bool(self._units)

    def take(self, tlp: Tlp, *, judges_completions: bool = True) -> Iterator[Event]:
        """Take one IDE TLP; yield what becomes of it and of those that waited for it.

        Without ``judges_completions``, completions are delivered whoever waits for them.

        Raises:
            CheckFailedError: a check failed that makes the stream Insecure.
        """
        said = tlp.ide
        assert said is not None
        for check in _FIRST_CHECKS:
            error = check(self, tlp, said)
            if error is not None:
                raise CheckFailedError(error, tlp.header)
        unit = self._unit(tlp, said)
        arrival = _Arrival(tlp, tlp.header, said, is_last=bool(tlp.mac), has_pcrc=bool(tlp.pcrc), unit=unit)
        self._aggregate(arrival)
        if arrival.is_last:
            yield from self._close(unit)
        elif self._config.early_release:
            self._open_early(arrival)
        yield from self._deliver(judges_completions)

    # 2: what the prefix says

    def _check_traffic_class(self, tlp: Tlp, said: IdePrefix | OhcC) -> IdeError | None:
        return None if tlp.header.traffic_class == self._config.traffic_class else IdeError.WRONG_TRAFFIC_CLASS

    def _check_type(self, tlp: Tlp, said: IdePrefix | OhcC) -> IdeError | None:
        name = tlp.header.tlp_type.name
        is_known = name in SELECTIVE_TYPES or self._config.kind is StreamKind.LINK
        is_stray = name.startswith("CFG") and self._config.role is PortRole.ROOT_PORT  # which alone sends them
        return None if is_known and not is_stray else IdeError.TYPE_NOT_ALLOWED

    def _check_sub_stream(self, tlp: Tlp, said: IdePrefix | OhcC) -> IdeError | None:
        if int(said.sub_stream) not in SUB_STREAMS:
            return IdeError.RESERVED_SUB_STREAM
        return None if said.sub_stream is tlp.header.sub_stream else IdeError.WRONG_SUB_STREAM

    def _check_fields(self, tlp: Tlp, said: IdePrefix | OhcC) -> IdeError | None:
        if isinstance(tlp.header, FlitHeader):
            is_known = tlp.header.trailer in (Trailer.NONE, Trailer.MAC, Trailer.MAC_AND_PCRC)
        else:
            is_known = isinstance(tlp.header, TlpHeader) and not tlp.header.digest and not said.reserved
        return None if is_known and bool(tlp.mac) >= bool(tlp.pcrc) else IdeError.UNSUPPORTED_FIELD

    # 3 and 4: key set and aggregation

    def _unit(self, tlp: Tlp, said: IdePrefix | OhcC) -> _Unit:
        """Return the unit that a TLP belongs to; K may change with a new one, and only to a key that is switched on."""
        sub_stream = said.sub_stream
        unit = self._units.get(sub_stream)
        if unit is not None:
            if said.k != unit.held.slot.key_set:
                raise CheckFailedError(IdeError.KEY_SET_MISUSE, tlp.header)
            return unit
        held = self._keys.active(Direction.RX, sub_stream)
        is_new_key = held is None or held.slot.key_set != said.k
        if is_new_key:
            held = self._keys.waiting(Direction.RX, sub_stream)
        if held is None:
            raise CheckFailedError(IdeError.KEY_SET_MISUSE, tlp.header)
        unit = self._units[sub_stream] = _Unit(held, is_new_key)
        return unit

    def _aggregate(self, arrival: _Arrival) -> None:
        unit, mode = arrival.unit, self._config.header_encryption
        is_larger = bool(unit.arrivals) or not arrival.is_last
        if is_larger and not self._config.is_aggregation_supported:
            raise CheckFailedError(IdeError.AGGREGATION_MISUSE, arrival.tlp.header)
        text = text_of(arrival.tlp, mode)
        arrival.size = len(text)
        unit.arrivals.append(arrival)
        unit.aad += associated_data(arrival.tlp, mode)
        unit.text += text
        self._order.append(arrival)
        if not arrival.is_last and len(unit.arrivals) > MOST_TLPS_IN_UNIT:
            raise CheckFailedError(IdeError.AGGREGATION_MISUSE, arrival.tlp.header)

    # 5: the MAC

    def _close(self, unit: _Unit) -> Iterator[Event]:
        last = unit.arrivals[-1]
        sub_stream = last.said.sub_stream
        held = unit.held
        del self._units[sub_stream]
        try:
            text = held.key.open(held.invocation, unit.text + last.tlp.mac, unit.aad)
        except VerificationError:
            raise CheckFailedError(IdeError.MAC_MISMATCH, last.tlp.header) from None
        assert len(last.tlp.mac) == MAC_BYTES
        self.is_exhausted = not held.spend()
        for arrival in unit.arrivals:
            if not arrival.is_open:
                self._open(arrival, text[: arrival.size])
            text = text[arrival.size :]
        if unit.is_new_key:
            yield KeySetChanged(self._config.stream_id, self._keys.change(Direction.RX, sub_stream).slot)
        if self._config.early_release and len(unit.arrivals) > 1:
            yield UnitVerified(self._config.stream_id, len(unit.arrivals))

    def _open(self, arrival: _Arrival, text: bytes) -> None:
        arrival.tlp = with_text(arrival.tlp, text, self._config.header_encryption)
        arrival.is_open = True

    def _open_early(self, arrival: _Arrival) -> None:
        unit = arrival.unit
        text = unit.held.key.crypt(unit.held.invocation, unit.text)
        self._open(arrival, text[len(text) - arrival.size :])

    # 6 to 10: counters, PCRC, who may send, delivery

    def _deliver(self, judges_completions: bool) -> Iterator[Event]:
        while self._order and self._order[0].is_open:
            arrival = self._order.popleft()
            tlp, said = arrival.tlp, arrival.said
            error = self._count(tlp, said)
            if error is not None:
                raise CheckFailedError(error, arrival.came)
            if self._is_pcrc_wrong(arrival):
                yield ErrorDetected(self._config.stream_id, IdeError.PCRC_MISMATCH, arrival.came)
            yield from self._judged(arrival, judges_completions)

    def _count(self, tlp: Tlp, said: IdePrefix | OhcC) -> IdeError | None:
        header = tlp.header
        if isinstance(header, IdeMessage | FlitIdeMessage) and header.message_code is MessageCode.IDE_SYNC:
            return self.counters.synchronise(header.pr_sent_counter_npr, header.pr_sent_counter_cpl)
        return self.counters.take(said.sub_stream, said.pr_sent_counter)

    def _is_pcrc_wrong(self, arrival: _Arrival) -> bool:
        """Whether a unit's PCRC is wrong, or missing though it is enabled and there is something to cover."""
        payload = b"".join(each.tlp.payload for each in arrival.unit.arrivals) if arrival.is_last else b""
        if not arrival.is_last or not self._config.pcrc or not (payload or arrival.has_pcrc):
            return False
        return not arrival.has_pcrc or pcrc_of(payload) != arrival.tlp.pcrc

    def _judged(self, arrival: _Arrival, judges_completions: bool) -> Iterator[Event]:
        tlp, is_tee = _without_ide(arrival.tlp), bool(arrival.said.t)
        header = tlp.header
        error = self._sender_error(arrival)
        if error is None and judges_completions and header.sub_stream is SubStream.CPL:
            checks_tee = not self._config.is_tee_io_supported
            error = self._outstanding.judge(header, self._config.stream_id, is_tee, checks_tee=checks_tee)
        if error in (IdeError.COMPLETION_STREAM_MISMATCH, IdeError.COMPLETION_TEE_MISMATCH):
            raise CheckFailedError(error, arrival.came)
        if error is not None:
            yield ErrorDetected(self._config.stream_id, error, arrival.came)
        elif not isinstance(header, IdeMessage | FlitIdeMessage):
            is_verified = arrival.is_last or not self._config.early_release
            yield TlpReceived(self._config.stream_id, tlp, is_tee, is_verified)

    def _sender_error(self, arrival: _Arrival) -> IdeError | None:
        """Return what is wrong with who sent a TLP, if the stream looks at that."""
        rids, header = self._config.rid_range, arrival.tlp.header
        if rids is None or not self._config.checks_requester:
            return None
        is_completion = header.sub_stream is SubStream.CPL
        sender = getattr(header, "completer_id" if is_completion else "requester_id", None)
        is_foreign = sender is not None and not rids.base <= sender <= rids.limit
        if isinstance(arrival.said, OhcC) and not is_completion:
            is_foreign |= arrival.said.requester_segment_valid and arrival.said.requester_segment != rids.segment
        if not is_foreign:
            return None
        return IdeError.COMPLETER_OUT_OF_RANGE if is_completion else IdeError.REQUESTER_OUT_OF_RANGE


_FIRST_CHECKS: Final[tuple[Callable[[Receiver, Tlp, IdePrefix | OhcC], IdeError | None], ...]] = (
    Receiver._check_traffic_class,  # noqa: SLF001  these are its own
    Receiver._check_type,  # noqa: SLF001
    Receiver._check_sub_stream,  # noqa: SLF001
    Receiver._check_fields,  # noqa: SLF001
)
"""What is looked at before any key is touched."""


def _without_ide(tlp: Tlp) -> Tlp:
    """Return the TLP as it was before IDE: without prefix or OHC-C, PCRC and MAC."""
    if not isinstance(tlp.header, FlitHeader):
        kept = tuple(prefix for prefix in tlp.prefixes if not isinstance(prefix, IdePrefix))
        return tlp.replace(prefixes=kept, pcrc=b"", mac=b"")
    ohc = tuple(_cleared(part) if isinstance(part, OhcC) else part for part in tlp.ohc)
    kept_ohc = tuple(part for part in ohc if part is not None)
    header = tlp.header.replace(ohc_c=len(kept_ohc) == len(ohc), trailer=Trailer.NONE)
    return tlp.replace(header=header, ohc=kept_ohc, pcrc=b"", mac=b"")


def _cleared(ohc_c: OhcC) -> OhcC | None:
    """Return an OHC-C that only names a segment, None where it names none."""
    if not ohc_c.requester_segment_valid:
        return None
    return OhcC(requester_segment=ohc_c.requester_segment, requester_segment_valid=True)
