"""The sending half of a stream: prefix, counter, unit, MAC.

Document: PCIe Base 6.x chapter 6, "IDE TLP"; the steps are those of a transmitter. A TLP is part of a larger unit if
another one of its sub-stream is already waiting: so a unit is never left open for want of a TLP.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Any, NamedTuple

import attrs

from pytio.ide.codes import MAC_BYTES, SELECTIVE_TYPES, FlitType, MessageCode, TlpType, Trailer
from pytio.ide.config import StreamConfig, StreamKind
from pytio.ide.counters import POSTED_COUNTER, SentCounters
from pytio.ide.events import Event, KeySetChanged
from pytio.ide.flit import FlitHeader, FlitIdeMessage
from pytio.ide.framing import associated_data, pcrc_of, text_of, with_text
from pytio.ide.header import IDE_MESSAGES, AnyHeader, IdeMessage
from pytio.ide.keys import HeldKey, KeyTable
from pytio.ide.ohc import AnyOhc, OhcC, OhcE
from pytio.ide.prefix import IdePrefix, is_end_end
from pytio.ide.tlp import Tlp
from pytio.ids import Direction, SubStream

__all__ = ("Transmitter", "ide_code", "ide_message", "refusal")


def ide_message(config: StreamConfig, code: MessageCode, npr: int = 0, cpl: int = 0) -> Tlp:
    """Return IDE Sync or IDE Fail of a stream: by ID to the partner, on a link stream to the other end of the link."""
    name = "MSG_BY_ID" if config.kind is StreamKind.SELECTIVE else "MSG_LOCAL"
    fields: dict[str, Any] = {
        "traffic_class": config.traffic_class,
        "requester_id": config.requester_id,
        "message_code": code,
        "destination_id": config.partner_id if config.kind is StreamKind.SELECTIVE else 0,
        "stream_id": config.stream_id,
        "pr_sent_counter_npr": npr,
        "pr_sent_counter_cpl": cpl,
    }
    if config.flit_mode:
        return Tlp(header=FlitIdeMessage(tlp_type=FlitType[name], **fields))
    return Tlp(header=IdeMessage(tlp_type=TlpType[name], **fields))


def ide_code(header: AnyHeader) -> MessageCode | None:
    """Return IDE Sync or IDE Fail, if the header is of one."""
    if isinstance(header, IdeMessage | FlitIdeMessage) and header.message_code in IDE_MESSAGES:
        return header.message_code
    return None


def refusal(config: StreamConfig, tlp: Tlp) -> str | None:
    """Return why a stream does not send a TLP, whatever its state; None if it does."""
    header = tlp.header
    name, is_selective = header.tlp_type.name, config.kind is StreamKind.SELECTIVE
    reasons = (
        (header.is_flit is not config.flit_mode, "it is of the other mode"),
        (tlp.ide is not None or bool(tlp.ecrc), "it has an IDE prefix, or an ECRC"),
        (header.traffic_class != config.traffic_class, f"the stream is for TC {config.traffic_class}"),
        (is_selective and name not in SELECTIVE_TYPES, "selective streams do not carry it"),
        (is_selective and name.startswith("CFG") and not config.config_requests, "its bit 9 is clear"),
        (ide_code(header) is not None, "IDE messages are the stream's own to send"),
    )
    return next((reason for is_so, reason in reasons if is_so), None)


class _Queued(NamedTuple):
    tlp: Tlp
    is_tee: bool
    is_sync: bool = False


@attrs.define
class _Unit:
    """A unit that is being sent."""

    held: HeldKey
    aad: bytes = b""
    text: bytes = b""
    payload: bytes = b""
    count: int = 0


class Transmitter:
    """Turns TLPs into IDE TLPs. Whoever owns it sees to it that the stream is Secure."""

    def __init__(self, config: StreamConfig, keys: KeyTable) -> None:
        """Start with nothing to send."""
        self._config = config
        self._keys = keys
        self._queue: deque[_Queued] = deque()
        self._waiting: Counter[SubStream] = Counter()
        self._units: dict[SubStream, _Unit] = {}
        self.counters = SentCounters()
        self.events: list[Event] = []
        self.is_exhausted = False

    def reset(self) -> None:
        """Drop what waits, and count from zero: the stream enters, or leaves, Secure."""
        self._queue.clear()
        self._waiting.clear()
        self._units.clear()
        self.counters = SentCounters()
        self.is_exhausted = False

    @property
    def has_waiting(self) -> bool:
        """Whether a TLP waits to be sent."""
        return bool(self._queue)

    @property
    def has_open_unit(self) -> bool:
        """Whether a unit has been begun whose MAC was not sent."""
        return bool(self._units)

    def push(self, tlp: Tlp, is_tee: bool) -> None:
        """Add a TLP to what is to be sent."""
        self._queue.append(_Queued(tlp, is_tee))
        self._waiting[tlp.header.sub_stream] += 1

    def next_tlp(self) -> bytes | None:
        """Return the next TLP as it goes on the wire, None when nothing waits."""
        if not self._queue:
            return None
        queued = self._queue.popleft()
        self._waiting[queued.tlp.header.sub_stream] -= 1
        sent = self._protect(queued)
        if not queued.is_sync and self.counters.is_sync_due:
            self._queue.appendleft(_Queued(ide_message(self._config, MessageCode.IDE_SYNC), is_tee=False, is_sync=True))
            self._waiting[SubStream.PR] += 1
        return sent.build()

    def _protect(self, queued: _Queued) -> Tlp:
        sub_stream = queued.tlp.header.sub_stream
        unit = self._unit(sub_stream)
        unit.count += 1
        unit.payload += queued.tlp.payload
        is_last = unit.count >= self._config.aggregation[sub_stream] or not self._waiting[sub_stream]
        marked = self._marked(queued, unit, is_last=is_last)
        mode = self._config.header_encryption
        text = text_of(marked, mode)
        unit.aad += associated_data(marked, mode)
        unit.text += text
        held = unit.held
        if not is_last:
            return with_text(marked, held.key.crypt(held.invocation, unit.text)[len(unit.text) - len(text) :], mode)
        sealed = held.key.seal(held.invocation, unit.text, unit.aad)
        self.is_exhausted = not held.spend()
        del self._units[sub_stream]
        end = len(sealed) - MAC_BYTES
        return with_text(marked, sealed[end - len(text) : end], mode).replace(mac=sealed[end:])

    def _unit(self, sub_stream: SubStream) -> _Unit:
        """Return the open unit of a sub-stream, or a new one."""
        unit = self._units.get(sub_stream)
        if unit is None:
            unit = self._units[sub_stream] = _Unit(self.key_of(sub_stream))
        return unit

    def key_of(self, sub_stream: SubStream) -> HeldKey:
        """Return the key for a new unit of a sub-stream; nowhere else does K change."""
        if self._keys.waiting(Direction.TX, sub_stream) is not None:
            slot = self._keys.change(Direction.TX, sub_stream).slot
            self.events.append(KeySetChanged(self._config.stream_id, slot))
        held = self._keys.active(Direction.TX, sub_stream)
        assert held is not None
        return held

    def _marked(self, queued: _Queued, unit: _Unit, *, is_last: bool) -> Tlp:
        """Return the TLP with prefix, or OHC-C, PCRC, and room for its MAC."""
        tlp, sub_stream = queued.tlp, queued.tlp.header.sub_stream
        counter = POSTED_COUNTER
        if queued.is_sync:
            tlp = ide_message(self._config, MessageCode.IDE_SYNC, *self.counters.synchronise())
        else:
            counter = self.counters.of(sub_stream)
        has_pcrc = self._config.pcrc and is_last and bool(unit.payload)
        said: dict[str, Any] = {
            "pr_sent_counter": counter,
            "stream_id": self._config.stream_id,
            "sub_stream": sub_stream,
        }
        said |= {"k": unit.held.slot.key_set, "t": queued.is_tee}
        pcrc = pcrc_of(unit.payload) if has_pcrc else b""
        mac = bytes(MAC_BYTES) if is_last else b""
        if isinstance(tlp.header, FlitHeader):
            trailer = Trailer.MAC_AND_PCRC if has_pcrc else Trailer.MAC if is_last else Trailer.NONE
            header = tlp.header.replace(ohc_c=True, trailer=trailer)
            return tlp.replace(header=header, ohc=_with_ohc_c(tlp.ohc, said), pcrc=pcrc, mac=mac)
        prefix = IdePrefix(**said, p=has_pcrc, m=is_last)
        local = [other for other in tlp.prefixes if not is_end_end(other)]
        others = [other for other in tlp.prefixes if is_end_end(other)]
        return tlp.replace(prefixes=(*local, prefix, *others), pcrc=pcrc, mac=mac)


def _with_ohc_c(ohc: tuple[AnyOhc, ...], said: dict[str, Any]) -> tuple[AnyOhc, ...]:
    """Return OHC with an OHC-C that makes an IDE TLP, after A and B; one that names a segment keeps naming it."""
    before = next((part for part in ohc if isinstance(part, OhcC)), OhcC())
    behind = [part for part in ohc if isinstance(part, OhcE)]
    first = [part for part in ohc if not isinstance(part, OhcC | OhcE)]
    return (*first, before.replace(**said), *behind)
