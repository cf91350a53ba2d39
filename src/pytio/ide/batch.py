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
        self._rx: list[HeldKey | None] = []
        self._tx_known = self._rx_known = -1  # which changes of the keys these know of

    # sending

    def seal(self, tlps: Buffer, index: Buffer, tee: Buffer, out: Buffer | None) -> Batch:
        """Return IDE TLPs for TLPs, IDE Sync among them where it is due.

        Raises:
            ValueError: a TLP is malformed, or of a kind that the stream does not send; nothing is sealed then. Or an
                index or a buffer is wrong.
        """
        data, places = memoryview(tlps).cast("B"), _places(index)
        view = memoryview(tee).cast("B")
        if len(view) not in (1, len(places) - 1):
            raise ValueError("T is one byte for all TLPs or for each")
        count = len(places) - 1
        syncs = count // _TLPS_PER_SYNC + 1
        target = _room(out, data.nbytes + count * _ADDED_BYTES + syncs * _SYNC_BYTES)
        held = self._fast_keys(len(places))
        if held is None:
            return self._seal_one_by_one(data, places, view, target)
        if self._sealer is None:
            self._sealer = _sealer(self._config)
        counters = self._transmitter.counters
        state = [key.slot.key_set for key in held]
        state += [key.invocation for key in held]
        state += [counters.npr, counters.cpl]
        made_index = array("Q", bytes(8 * (count + syncs + 1)))
        made = self._sealer.seal(tuple(key.key for key in held), state, data, places, view, target, made_index)
        for key, invocation in zip(held, state[len(held) :], strict=False):
            key.invocation = invocation
        counters.npr, counters.cpl = state[-2:]
        return Batch(target, memoryview(made_index)[: made + 1])

    def _fast_keys(self, count: int) -> list[HeldKey] | None:
        """Return the keys to send with, changed over to where new ones wait; None where it has to go one by one."""
        if self._tx_known != self._keys.changes:
            found = [self._keys.active(Direction.TX, each) for each in SUB_STREAMS]
            if not self._can_be_fast([key for key in found if key is not None]):
                return None
            self._tx = [self._transmitter.key_of(each) for each in SUB_STREAMS]
            self._tx_known = self._keys.changes
        return self._tx if _have_room(self._tx, count) else None

    def _can_be_fast(self, held: Sequence[HeldKey]) -> bool:
        return not IS_PURE_WANTED and not self._config.flit_mode and all(map(_is_compiled, held))

    def _seal_one_by_one(self, data: memoryview, places: memoryview, tee: memoryview, out: memoryview) -> Batch:
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
        data = memoryview(wire).cast("B")
        target = _room(out, data.nbytes)
        if self._rx_known != self._keys.changes:
            held = [self._keys.held(Direction.RX, each, key_set) for each in SUB_STREAMS for key_set in KEY_SETS]
            self._rx = [key if key is not None and key.is_on else None for key in held]
            self._rx_known = self._keys.changes
        keys = [key for key in self._rx if key is not None]
        is_slow = self._receiver.has_open_unit or self._config.early_release or not self._can_be_fast(keys)
        if is_slow or not _have_room(keys, len(places)):
            return self._open_one_by_one(data, places, target)
        if self._opener is None:
            self._opener = _opener(self._config)
        return self._open_fast(self._rx, data, places, target)

    def _open_fast(
        self, held: list[HeldKey | None], data: memoryview, places: memoryview, target: memoryview
    ) -> tuple[ReceivedBatch, CheckFailedError | None]:
        count = len(places) - 1
        active = [self._keys.active(Direction.RX, each) for each in SUB_STREAMS]
        before = [0 if key is None else key.slot.key_set for key in active]
        counters = self._receiver.counters
        state = [*before, *(0 if key is None else key.invocation for key in held), counters.npr, counters.cpl]
        made_index, tees, verdicts = array("Q", bytes(8 * (count + 1))), bytearray(count), bytearray(count)
        keys = tuple(None if key is None else key.key for key in held)
        try:
            failed, made, error = self._opener.open(keys, state, data, places, target, made_index, tees, verdicts)
        except ValueError as problem:
            number = problem.args[0]
            if not isinstance(number, int):
                raise
            raise IdeDecodeError(f"TLP {number} of the batch is malformed", bytes(data), places[number]) from None
        events: list[Event] = []
        for key, invocation in zip(held, state[len(SUB_STREAMS) : -2], strict=True):
            if key is not None:
                key.invocation = invocation
        counters.npr, counters.cpl = state[-2:]
        for number, sub_stream in enumerate(SUB_STREAMS):
            if state[number] != before[number]:
                slot = self._keys.change(Direction.RX, sub_stream).slot
                events.append(KeySetChanged(self._config.stream_id, slot))
        delivered, refused = _Judged(data, places, verdicts[:failed], self._config.stream_id).events()
        batch = Batch(target, memoryview(made_index)[: made + 1])
        if refused:
            kept = [number for number in range(made) if number not in refused]
            batch = _batch([batch[number] for number in kept], None)
            tees = bytearray(tees[number] for number in kept)
        taken = count if error else failed
        is_tee = memoryview(tees)[: len(batch)]
        received = ReceivedBatch(batch.data, batch.index, is_tee, taken, (*events, *delivered))
        if not error:
            return received, None
        return received, CheckFailedError(IdeError(error), _header(data, places, failed))

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

    def __init__(self, data: memoryview, places: memoryview, verdicts: bytearray, stream_id: int) -> None:
        self._data, self._places, self._verdicts, self._stream_id = data, places, verdicts, stream_id

    def events(self) -> tuple[list[Event], set[int]]:
        """Return an event for each TLP with which something is wrong, and which of those that were kept are refused."""
        events: list[Event] = []
        refused: set[int] = set()
        if self._verdicts.count(0) + self._verdicts.count(_IDE_SYNC_VERDICT) == len(self._verdicts):
            return events, refused  # as nearly always
        kept = 0
        for number, verdict in enumerate(self._verdicts):
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
    target = memoryview(bytearray(size) if out is None else out).cast("B")
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
    return all(key.invocation + 2 * count < LAST_INVOCATION for key in held)


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
