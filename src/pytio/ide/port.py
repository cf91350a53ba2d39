"""All streams of one port: which TLP goes on which, and to which an arriving one belongs.

Document: PCIe Base 6.x chapter 6, "IDE Stream selection". Transmit order is kept; what belongs to no stream goes in
clear, unless it comes from a trusted environment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from pytio.errors import LocalProtocolError
from pytio.ide.codes import IdeError, MessageCode, StreamState
from pytio.ide.config import StreamConfig, StreamKind
from pytio.ide.events import ErrorDetected, Event, TlpReceived
from pytio.ide.flit import FlitIdeMessage
from pytio.ide.header import AnyHeader, IdeMessage
from pytio.ide.ohc import OhcA3, OhcA4, OhcA5
from pytio.ide.outstanding import Outstanding
from pytio.ide.stream import Stream
from pytio.ide.tlp import Tlp
from pytio.ids import StreamId, SubStream

__all__ = ("Port",)


class Port:
    """One end of a link, with its IDE streams.

    Attributes:
        streams: by Stream ID.
        outstanding: requests that wait for completions, on all streams and in clear.
        aer_status: bits of Uncorrectable Error Status that IDE errors have set.
    """

    def __init__(self, configs: Iterable[StreamConfig] = (), *, flit_mode: bool = False) -> None:
        """Make a stream of each configuration; raises ValueError if two share an id, or one is of the other mode."""
        self.streams: dict[StreamId, Stream] = {}
        self.outstanding = Outstanding()
        self.aer_status = 0
        self.flit_mode = flit_mode
        self._plain: deque[bytes] = deque()
        self._order: deque[Stream | None] = deque()
        self._answers: dict[tuple[int, int], tuple[StreamId | None, bool]] = {}
        for config in configs:
            self.add(config)

    def add(self, config: StreamConfig) -> Stream:
        """Add a stream; raises ValueError if its id is there already, or it is of the other mode."""
        if config.stream_id in self.streams:
            raise ValueError(f"stream {config.stream_id} is there already")
        if config.flit_mode is not self.flit_mode:
            raise ValueError("the streams of a link are all of one mode")
        stream = self.streams[config.stream_id] = Stream(config, outstanding=self.outstanding)
        return stream

    def select(self, tlp: Tlp, *, tee: bool = False) -> Stream | None:
        """Return the stream that a TLP goes on: selective, default selective, link; None for none.

        A completion goes where its request came from.
        """
        header = tlp.header
        if header.sub_stream is SubStream.CPL and header.transaction in self._answers:
            stream_id, _ = self._answers[header.transaction]
            return None if stream_id is None else self.streams.get(stream_id)
        candidates = [
            stream
            for stream in self.streams.values()
            if stream.is_enabled
            and stream.config.traffic_class == header.traffic_class
            and (tee or not stream.config.tee_limited)
        ]
        selective = [stream for stream in candidates if stream.config.kind is StreamKind.SELECTIVE]
        ranked = (
            [stream for stream in selective if _is_associated(stream.config, tlp)],
            [stream for stream in selective if stream.config.default_stream],
            [stream for stream in candidates if stream.config.kind is StreamKind.LINK],
        )
        return next((streams[0] for streams in ranked if streams), None)

    def send(self, tlp: Tlp, *, tee: bool | None = None, on: StreamId | None = None, now: float = 0.0) -> list[Event]:
        """Send a TLP on its stream, or in clear; a completion has the T of its request unless ``tee`` says otherwise.

        ``on`` names the stream where something else than the registers selects it.

        Raises:
            LocalProtocolError: the TLP comes from a trusted environment and no Secure stream takes it; a request has a
                tag that is taken; or the stream refuses it.
        """
        header = tlp.header
        answer = self._answers.get(header.transaction or (-1, -1)) if header.sub_stream is SubStream.CPL else None
        is_tee = tee if tee is not None else answer is not None and answer[1]
        stream = self.select(tlp, tee=is_tee) if on is None else self.streams.get(on)
        if stream is not None and stream.state is StreamState.SECURE:
            events = stream.send(tlp, tee=is_tee, now=now)
            self._order.append(stream)
            return events
        if is_tee:
            state = "no stream" if stream is None else stream.state
            raise LocalProtocolError(
                state, header.tlp_type, "it comes from a trusted environment, and would go in clear"
            )
        if header.sub_stream is SubStream.NPR and header.transaction is not None:
            if self.outstanding.is_taken(header.transaction):
                raise LocalProtocolError("no stream", header.tlp_type, "its tag is taken")
            self.outstanding.add(header, None, is_tee=False)
        self._plain.append(tlp.build())
        self._order.append(None)
        return []

    def bytes_to_send(self) -> bytes | None:
        """Return the next TLP for the wire, in the order in which they were sent; call until None."""
        while self._order:
            stream = self._order.popleft()
            if stream is None:
                return self._plain.popleft()
            sent = stream.bytes_to_send()
            if sent is not None:
                return sent
        return next((sent for stream in self.streams.values() if (sent := stream.bytes_to_send()) is not None), None)

    def receive(self, message: bytes, *, now: float = 0.0) -> list[Event]:
        """Take one TLP from the wire.

        Raises:
            IdeDecodeError: the bytes are no TLP.
        """
        tlp = Tlp.parse(message, flit_mode=self.flit_mode)
        events = self._receive(tlp)
        for event in events:
            if isinstance(event, ErrorDetected) and event.effect.aer_bit is not None:
                self.aer_status |= 1 << event.effect.aer_bit
            elif isinstance(event, TlpReceived) and event.tlp.header.sub_stream is SubStream.NPR:
                self._note(event)
        return events

    def _receive(self, tlp: Tlp) -> list[Event]:
        header, said = tlp.header, tlp.ide
        if said is not None:
            stream = self.streams.get(said.stream_id)
            is_there = stream is not None and (stream.is_enabled or stream.state is StreamState.READY)
            if stream is None or not is_there:
                return [ErrorDetected(None, IdeError.MISROUTED, header)]
            return stream.receive_tlp(tlp)
        if isinstance(header, IdeMessage | FlitIdeMessage) and header.message_code is MessageCode.IDE_FAIL:
            stream = self.streams.get(header.stream_id)
            return [] if stream is None else stream.receive_tlp(tlp)
        if header.sub_stream is SubStream.CPL:
            return self._plain_completion(tlp)
        return [TlpReceived(None, tlp, is_tee=False)]

    def _plain_completion(self, tlp: Tlp) -> list[Event]:
        """Take a completion without IDE: one for a request that went on a stream makes that stream fail."""
        header = tlp.header
        owner = self.outstanding.stream_of(header)
        error = self.outstanding.judge(header, None, is_tee=False, checks_tee=False)
        if error is None:
            return [TlpReceived(None, tlp, is_tee=False)]
        if error is IdeError.COMPLETION_STREAM_MISMATCH and owner is not None and owner in self.streams:
            return self.streams[owner].fail(error, header)
        return [ErrorDetected(None, error, header)]

    def _note(self, event: TlpReceived) -> None:
        if event.tlp.header.transaction is not None:
            self._answers[event.tlp.header.transaction] = (event.stream_id, event.is_tee)

    def wake_at(self) -> float | None:
        """Return None: a port waits for nothing."""
        return None

    def wake(self, now: float) -> list[Event]:
        """Do nothing: there is no deadline."""
        return []


def _is_associated(config: StreamConfig, tlp: Tlp) -> bool:
    """Whether the association registers of a selective stream name a TLP: its address, or where it goes by id."""
    header = tlp.header
    address = getattr(header, "address", None)
    if address is not None:
        return any(each.base <= address <= each.limit for each in config.address_ranges)
    if header.tlp_type.name.startswith("CFG") and not config.config_requests:
        return False
    destination, rids = _destination(header), config.rid_range
    if destination is None or rids is None or not rids.base <= destination <= rids.limit:
        return False
    segments = [part for part in tlp.ohc if isinstance(part, OhcA3 | OhcA4 | OhcA5) and part.destination_segment_valid]
    return all(part.destination_segment == rids.segment for part in segments)


def _destination(header: AnyHeader) -> int | None:
    """Return where a TLP goes that is routed by id: a configuration request, a completion, a message by id."""
    if header.sub_stream is SubStream.CPL:
        return header.transaction[0] if header.transaction else None
    if header.tlp_type.name.endswith("BY_ID"):
        specific = getattr(header, "specific", b"")
        is_whole = len(specific) > 4  # noqa: PLR2004  a header that has no field for the id keeps it in there
        return int.from_bytes(specific[:2], "big") if is_whole else getattr(header, "destination_id", None)
    return getattr(header, "destination_id", None) if header.tlp_type.name.startswith("CFG") else None
