"""Many TLPs at a time, in one buffer with an index: what `send` and `receive` do, without an object for each TLP.

Compiled where it can be: the provider has to be a compiled one, and the stream outside of flit mode. Everything else,
and a stream that is in the middle of a unit, goes through the engine one TLP at a time, with the same results. Which
completion belongs to which request is not followed here.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, Final

import attrs
from typing_extensions import Buffer

from pytio._accel import IS_PURE_WANTED
from pytio.errors import IdeDecodeError
from pytio.ide.codes import SELECTIVE_TYPES, IdeError, MessageCode, TlpType, sub_stream_of
from pytio.ide.config import MOST_TLPS_IN_UNIT, PortRole, StreamConfig, StreamKind
from pytio.ide.events import ErrorDetected, Event, KeySetChanged, TlpReceived
from pytio.ide.header import IDE_MESSAGES, AnyHeader
from pytio.ide.keys import KEY_SETS, LAST_INVOCATION, SUB_STREAMS, HeldKey, KeyTable
from pytio.ide.receiver import CheckFailedError, Receiver
from pytio.ide.state import EFFECTS
from pytio.ide.tlp import Tlp
from pytio.ide.transmitter import Transmitter, ide_message, refusal
from pytio.ide.unit_keys import UnitKey
from pytio.ids import Direction, SubStream

__all__ = ("Batch", "BatchPath", "ReceivedBatch", "index_of")

# What `tlps.pxd` knows of a type of TLP.
_KNOWN: Final = 0x04
_HIDES_ADDRESS: Final = 0x08
_HAS_BYTE_ENABLES: Final = 0x10
_HAS_BYTE_ENABLES_WITHOUT_TH: Final = 0x20
_IS_ALLOWED: Final = 0x40
_IS_MESSAGE: Final = 0x80

_ADDED_BYTES: Final = 4 + 4 + 12  # prefix, PCRC, MAC
_SYNC_BYTES: Final = 4 + 16 + 12
_TLPS_PER_SYNC: Final = 253
_IDE_SYNC_VERDICT: Final = 255
_NO_INVOCATIONS: Final = (0,) * (len(SUB_STREAMS) * len(KEY_SETS))


def index_of(tlps: Sequence[Buffer]) -> tuple[bytes, array[int]]:
    """Return TLPs as one buffer, and its index: where each begins, and where the last one ends."""
    index, at = array("Q", [0]), 0
    for tlp in tlps:
        at += memoryview(tlp).nbytes
        index.append(at)
    return b"".join(tlps), index


@attrs.frozen
class Batch:
    """TLPs in one buffer."""

    data: memoryview = attrs.field(repr=lambda data: f"<{data.nbytes} bytes>")
    """The buffer; it may be longer than what the index says."""
    index: memoryview = attrs.field(repr=lambda index: f"<{len(index)} offsets>")
    """Where each TLP begins, and where the last one ends: 64-bit numbers, one more than there are TLPs."""

    def __len__(self) -> int:
        """Return how many TLPs there are."""
        return len(self.index) - 1

    def __getitem__(self, number: int) -> bytes:
        """Return one TLP."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        return bytes(self.data[self.index[number] : self.index[number + 1]])

    def __iter__(self) -> Iterator[bytes]:
        """Yield the TLPs."""
        return (self[number] for number in range(len(self)))


@attrs.frozen
class ReceivedBatch(Batch):
    """TLPs that were delivered, in clear."""

    is_tee: memoryview = attrs.field(repr=False)
    """T of each, as one byte."""
    taken: int = attrs.field()
    """How many IDE TLPs were taken: those of a unit whose MAC is not there yet are left for the next call.

    All of them where one failed, since the stream takes no more.
    """
    events: tuple[Event, ...] = attrs.field()
    """What happened beside."""


class BatchPath:
    """The way of batches through a stream; the stream's own halves stay in charge of its state."""

    def __init__(self, config: StreamConfig, keys: KeyTable, transmitter: Transmitter, receiver: Receiver) -> None:
        """Share the state of a stream."""
        self._config = config
        self._keys = keys
        self._transmitter = transmitter
        self._receiver = receiver
        self._sealer: Any = None
        self._opener: Any = None
        self._tx: list[HeldKey] = []
        self._tx_keys: tuple[UnitKey, ...] = ()
        self._rx: list[HeldKey] = []
        self._rx_places: list[int] = []  # of their invocations in the state of an opener
        self._rx_keys: tuple[UnitKey | None, ...] = ()
        self._rx_sets: list[int] = []
        self._tx_known = self._rx_known = -1  # which changes of the keys these know of
        self._tx_is_fast = self._rx_is_fast = False

    # sending

    def seal(self, tlps: Buffer, index: Buffer, tee: Buffer, out: Buffer | None) -> Batch:
        """Return IDE TLPs for TLPs, IDE Sync among them where it is due.

        Raises:
            ValueError: a TLP is malformed, or of a kind that the stream does not send; nothing is sealed then. Or an
                index or a buffer is wrong.
        """
        places = _places(index)
        count = len(places) - 1
        syncs = count // _TLPS_PER_SYNC + 1
        target = _room(out, memoryview(tlps).nbytes + count * _ADDED_BYTES + syncs * _SYNC_BYTES)
        if self._tx_known != self._keys.changes:
            self._look_at_tx()
        if not self._tx_is_fast or not _have_room(self._tx, count):
            return self._seal_one_by_one(memoryview(tlps).cast("B"), places, memoryview(tee).cast("B"), target)
        pr, npr, cpl = self._tx
        counters = self._transmitter.counters
        state = [
            *(pr.slot.key_set, npr.slot.key_set, cpl.slot.key_set),
            *(pr.invocation, npr.invocation, cpl.invocation),
            *(counters.npr, counters.cpl),
        ]
        made_index = memoryview(bytearray(8 * (count + syncs + 1))).cast("Q")
        made = self._sealer.seal(self._tx_keys, state, tlps, places, tee, target, made_index)
        _, _, _, pr.invocation, npr.invocation, cpl.invocation, counters.npr, counters.cpl = state
        return Batch(target, made_index[: made + 1])

    def _look_at_tx(self) -> None:
        """Find the keys to send with, changed over to where new ones wait, if these can go through what is compiled."""
        found = [self._keys.active(Direction.TX, each) for each in SUB_STREAMS]
        self._tx_is_fast = self._can_be_fast([key for key in found if key is not None])
        if self._tx_is_fast:
            self._tx = [self._transmitter.key_of(each) for each in SUB_STREAMS]
            self._tx_keys = tuple(key.key for key in self._tx)
            self._sealer = self._sealer or _sealer(self._config)
        self._tx_known = self._keys.changes

    def _can_be_fast(self, held: Sequence[HeldKey]) -> bool:
        return not IS_PURE_WANTED and not self._config.flit_mode and all(map(_is_compiled, held))

    def _seal_one_by_one(self, data: memoryview, places: memoryview, tee: memoryview, out: memoryview) -> Batch:
        if len(tee) not in (1, len(places) - 1):
            raise ValueError("T is one byte for all TLPs or for each")
        parsed = []
        for number in range(len(places) - 1):
            try:
                _check_place(data, places, number)
                tlp = Tlp.parse(data[places[number] : places[number + 1]], flit_mode=self._config.flit_mode)
                is_sent = refusal(self._config, tlp) is None
            except IdeDecodeError:
                is_sent = False
            if not is_sent:
                raise ValueError(f"TLP {number} is malformed, or of a kind that the stream does not send")
            parsed.append(tlp)
        for number, tlp in enumerate(parsed):
            self._transmitter.push(tlp, bool(tee[number if len(tee) > 1 else 0]))
        sealed = []
        while not self._transmitter.is_exhausted and (message := self._transmitter.next_tlp()) is not None:
            sealed.append(message)
        return _batch(sealed, out)

    # receiving

    def open(self, wire: Buffer, index: Buffer, out: Buffer | None) -> tuple[ReceivedBatch, CheckFailedError | None]:
        """Return TLPs for IDE TLPs, and the failure that ended it, if any.

        Raises:
            IdeDecodeError: a TLP is malformed; nothing is opened then. Its offset is that of the TLP in the buffer.
            ValueError: an index or a buffer is wrong.
        """
        places = _places(index)
        target = _room(out, memoryview(wire).nbytes)
        if self._rx_known != self._keys.changes:
            self._look_at_rx()
        is_slow = IS_PURE_WANTED or not self._rx_is_fast or self._receiver.has_open_unit
        if is_slow or not _have_room(self._rx, len(places)):
            return self._open_one_by_one(memoryview(wire).cast("B"), places, target)
        return self._open_fast(wire, places, target)

    def _look_at_rx(self) -> None:
        """Find the keys to receive with, and whether these can go through what is compiled."""
        found = [self._keys.held(Direction.RX, each, key_set) for each in SUB_STREAMS for key_set in KEY_SETS]
        usable = [key if key is not None and key.is_on else None for key in found]
        self._rx_keys = tuple(None if key is None else key.key for key in usable)
        self._rx_places = [place for place, key in enumerate(usable, len(SUB_STREAMS)) if key is not None]
        self._rx = [key for key in usable if key is not None]
        active = [self._keys.active(Direction.RX, each) for each in SUB_STREAMS]
        self._rx_sets = [0 if key is None else key.slot.key_set for key in active]
        self._rx_is_fast = not self._config.early_release and self._can_be_fast(self._rx)
        if self._rx_is_fast:
            self._opener = self._opener or _opener(self._config)
        self._rx_known = self._keys.changes

    def _open_fast(
        self, wire: Buffer, places: memoryview, target: memoryview
    ) -> tuple[ReceivedBatch, CheckFailedError | None]:
        count = len(places) - 1
        counters, before = self._receiver.counters, self._rx_sets
        state = [*before, *_NO_INVOCATIONS, counters.npr, counters.cpl]
        for place, key in zip(self._rx_places, self._rx, strict=True):
            state[place] = key.invocation
        made_index = memoryview(bytearray(8 * (count + 1))).cast("Q")
        tees, verdicts = bytearray(count), bytearray(count)
        try:
            failed, made, error, is_noted = self._opener.open(
                self._rx_keys, state, wire, places, target, made_index, tees, verdicts
            )
        except ValueError as problem:
            number = problem.args[0]
            if not isinstance(number, int):
                raise
            raise IdeDecodeError(f"TLP {number} of the batch is malformed", bytes(wire), places[number]) from None
        for place, key in zip(self._rx_places, self._rx, strict=True):
            key.invocation = state[place]
        counters.npr, counters.cpl = state[-2:]
        events = self._changes_of_keys(before, state) if state[: len(before)] != before else ()
        is_tee, taken = memoryview(tees)[:made], count if error else failed
        received = ReceivedBatch(target, made_index[: made + 1], is_tee, taken, events)
        if is_noted or error:
            judged = _Judged(memoryview(wire).cast("B"), places, self._config.stream_id)
            return judged.what_stays(received, verdicts[:failed]), judged.failure(error, failed)
        return received, None

    def _changes_of_keys(self, before: list[int], after: list[int]) -> tuple[Event, ...]:
        """Follow the key sets to which a batch changed over."""
        return tuple(
            KeySetChanged(self._config.stream_id, self._keys.change(Direction.RX, sub_stream).slot)
            for number, sub_stream in enumerate(SUB_STREAMS)
            if before[number] != after[number]
        )

    def _open_one_by_one(
        self, data: memoryview, places: memoryview, out: memoryview
    ) -> tuple[ReceivedBatch, CheckFailedError | None]:
        parsed = []
        for number in range(len(places) - 1):
            try:
                _check_place(data, places, number)
                tlp = Tlp.parse(data[places[number] : places[number + 1]], flit_mode=self._config.flit_mode)
            except IdeDecodeError:
                raise IdeDecodeError(f"TLP {number} of the batch is malformed", bytes(data), places[number]) from None
            parsed.append(tlp)
        whole = len(parsed) if self._receiver.has_open_unit else _whole(parsed, self._config.stream_id)
        events: list[Event] = []
        failure = None
        for tlp in parsed[:whole]:
            said = tlp.ide
            if said is None or said.stream_id != self._config.stream_id:
                events.append(ErrorDetected(self._config.stream_id, IdeError.MISROUTED, tlp.header))
            else:
                try:
                    for event in self._receiver.take(tlp, judges_completions=False):
                        events.append(event)  # noqa: PERF402  what came before a failure is kept
                except CheckFailedError as error:
                    failure = error
                    break
        got = [event for event in events if isinstance(event, TlpReceived)]
        others = tuple(event for event in events if not isinstance(event, TlpReceived))
        batch = _batch([event.tlp.build() for event in got], out)
        tees = memoryview(bytearray(event.is_tee for event in got))
        taken = whole if failure is None else len(parsed)
        return ReceivedBatch(batch.data, batch.index, tees, taken, others), failure


class _Judged:
    """What verdicts say."""

    def __init__(self, data: memoryview, places: memoryview, stream_id: int) -> None:
        self._data, self._places, self._stream_id = data, places, stream_id

    def what_stays(self, received: ReceivedBatch, verdicts: bytearray) -> ReceivedBatch:
        """Return a batch without the TLPs that are refused, and with an event for each that is noted."""
        noted, refused = self._events(verdicts)
        events = (*received.events, *noted)
        if not refused:
            return attrs.evolve(received, events=events)
        kept = [number for number in range(len(received)) if number not in refused]
        batch = _batch([received[number] for number in kept], None)
        is_tee = memoryview(bytearray(received.is_tee[number] for number in kept))
        return ReceivedBatch(batch.data, batch.index, is_tee, received.taken, events)

    def failure(self, error: int, number: int) -> CheckFailedError | None:
        """Return what the stream fails with, if it does."""
        return CheckFailedError(IdeError(error), _header(self._data, self._places, number)) if error else None

    def _events(self, verdicts: bytearray) -> tuple[list[Event], set[int]]:
        """Return an event for each TLP with which something is wrong, and which of those that were kept are refused."""
        events: list[Event] = []
        refused: set[int] = set()
        kept = 0
        for number, verdict in enumerate(verdicts):
            if verdict == _IDE_SYNC_VERDICT:
                continue
            if verdict:
                error = IdeError(verdict)
                events.append(ErrorDetected(self._stream_id, error, _header(self._data, self._places, number)))
                if error is IdeError.MISROUTED:
                    continue
                if EFFECTS[error].is_dropped:
                    refused.add(kept)
            kept += 1
        return events, refused


def _header(data: memoryview, places: memoryview, number: int) -> AnyHeader:
    return Tlp.parse(data[places[number] : places[number + 1]]).header


def _whole(tlps: list[Tlp], stream_id: int) -> int:
    """Return how many TLPs there are up to the last at which no unit is open, or all where a unit is too large."""
    members: dict[SubStream, int] = {}
    end = 0
    for number, tlp in enumerate(tlps):
        said = tlp.ide
        if said is not None and said.stream_id == stream_id:
            if tlp.mac:
                members.pop(said.sub_stream, None)
            else:
                members[said.sub_stream] = members.get(said.sub_stream, 0) + 1
        if max(members.values(), default=0) > MOST_TLPS_IN_UNIT:
            return len(tlps)
        if not members:
            end = number + 1
    return end


def _places(index: Buffer) -> memoryview:
    view = memoryview(index)
    if view.ndim != 1 or view.itemsize != 8 or not view.c_contiguous:  # noqa: PLR2004  of a 64-bit number
        raise ValueError("an index has 64-bit offsets, such as array('Q') or numpy.uint64")
    places = view if view.format == "Q" else view.cast("B").cast("Q")
    if not len(places):
        raise ValueError("an index has one offset more than there are TLPs")
    return places


def _check_place(data: memoryview, places: memoryview, number: int) -> None:
    if not places[number] <= places[number + 1] <= data.nbytes:
        raise IdeDecodeError("the index lies", b"", 0)


def _room(out: Buffer | None, size: int) -> memoryview:
    if out is None:
        return memoryview(bytearray(size))
    target = memoryview(out)
    if target.format != "B" or target.ndim != 1:
        target = target.cast("B")
    if target.readonly or target.nbytes < size:
        raise ValueError(f"the output buffer needs {size} bytes that can be written, not {target.nbytes}")
    return target


def _batch(tlps: list[bytes], out: Buffer | None) -> Batch:
    data, index = index_of(tlps)
    target = _room(out, len(data))
    target[: len(data)] = data
    return Batch(target, memoryview(index))


def _have_room(held: Sequence[HeldKey], count: int) -> bool:
    """Whether every key has more numbers left than a batch of so many TLPs can take."""
    limit = LAST_INVOCATION - 2 * count
    for key in held:  # noqa: SIM110  a generator would cost as much as ten TLPs
        if key.invocation >= limit:
            return False
    return True


def _is_compiled(held: HeldKey) -> bool:
    return type(held.key).__module__ == "pytio._accel.units"


def _kinds(config: StreamConfig, *, is_sending: bool) -> bytes:
    table = bytearray(256)
    for each in TlpType:
        name = each.name
        kind = _KNOWN | sub_stream_of(each)
        kind |= _IS_MESSAGE if name.startswith("MSG") else 0
        if name.startswith(("MRD", "MWR", "DMWR", "FETCHADD", "SWAP", "CAS")):
            kind |= _HIDES_ADDRESS
            kind |= _HAS_BYTE_ENABLES if name.startswith("MWR") else 0
            kind |= _HAS_BYTE_ENABLES_WITHOUT_TH if name.startswith(("MRD", "DMWR")) else 0
        table[each] = kind | (_IS_ALLOWED if _is_allowed(config, name, is_sending=is_sending) else 0)
    return bytes(table)


def _is_allowed(config: StreamConfig, name: str, *, is_sending: bool) -> bool:
    is_known = name in SELECTIVE_TYPES or config.kind is StreamKind.LINK
    if not name.startswith("CFG"):
        return is_known
    if is_sending:
        return is_known and (config.config_requests or config.kind is StreamKind.LINK)
    return is_known and config.role is not PortRole.ROOT_PORT


def _sealer(config: StreamConfig) -> Any:
    sealing: Any = import_module("pytio._accel.sealing")
    return sealing.Sealer(
        _kinds(config, is_sending=True),
        config.stream_id,
        config.traffic_class,
        config.pcrc,
        int(config.header_encryption),
        tuple(config.aggregation[each] for each in SUB_STREAMS),
        ide_message(config, MessageCode.IDE_SYNC).build(),
        bytes(sorted(IDE_MESSAGES)),
    )


def _opener(config: StreamConfig) -> Any:
    opening: Any = import_module("pytio._accel.opening")
    rids = config.rid_range
    return opening.Opener(
        _kinds(config, is_sending=False),
        config.stream_id,
        config.traffic_class,
        config.pcrc,
        int(config.header_encryption),
        config.is_aggregation_supported,
        (rids.base, rids.limit) if rids is not None and config.checks_requester else None,
        int(MessageCode.IDE_SYNC),
    )
