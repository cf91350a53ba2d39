"""One IDE stream at one port: keys, state, and both directions.

Document: PCIe Base 6.x chapter 6, "Integrity and Data Encryption (IDE)". The engine performs no I/O, reads no clock and
draws no entropy. What goes where is `pytio.ide.port`'s to decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import attrs
from typing_extensions import Buffer

from pytio.crypto import KeyMaterial
from pytio.errors import LocalProtocolError
from pytio.ide.batch import Batch, BatchPath, ReceivedBatch
from pytio.ide.codes import INITIAL_INVOCATION, IdeError, MessageCode, StreamState
from pytio.ide.config import StreamConfig
from pytio.ide.events import ErrorDetected, Event, StateChanged
from pytio.ide.header import AnyHeader
from pytio.ide.keys import KeyTable
from pytio.ide.outstanding import Outstanding
from pytio.ide.receiver import CheckFailedError, Receiver
from pytio.ide.state import KEY_DESTROYERS, TRANSITIONS, StreamCause
from pytio.ide.tlp import Tlp
from pytio.ide.transmitter import Transmitter, ide_code, ide_message, refusal
from pytio.ids import KeySlot, SubStream

__all__ = ("Stream",)

_T: Final = (b"\0", b"\1")


class Stream:
    """One end of an IDE stream.

    Attributes:
        config: what its registers say.
        state: INSECURE, READY (all keys are there) or SECURE.
        is_enabled: its enable bit.
        received_fail: whether the partner reported that the stream is Insecure there.
        outstanding: requests that wait for completions; streams of one port share it.
    """

    def __init__(self, config: StreamConfig, *, outstanding: Outstanding | None = None) -> None:
        """Start Insecure, without keys."""
        self.config = config
        self.state = StreamState.INSECURE
        self.is_enabled = False
        self.received_fail = False
        self.outstanding = Outstanding() if outstanding is None else outstanding
        self._keys = KeyTable()
        self._transmitter = Transmitter(config, self._keys)
        self._receiver = Receiver(config, self._keys, self.outstanding)
        self._batches = BatchPath(config, self._keys, self._transmitter, self._receiver)
        self._plain: list[bytes] = []
        self._free = [object()]

    # keys and state

    def program(self, slot: KeySlot, key: KeyMaterial, ifv: int = INITIAL_INVOCATION) -> list[Event]:
        """Keep a key, in the byte order of AES, without using it yet: KEY_PROG.

        Raises:
            ValueError: the key does not have 32 bytes, there is no such sub-stream, or the key is the one in use.
        """
        self._keys.program(slot, key, ifv)
        return self._settle()

    def go(self, slot: KeySlot) -> list[Event]:
        """Switch a key on: K_SET_GO. A receiver accepts it from now on, a transmitter uses it from its next unit."""
        self._keys.go(slot)
        return self._settle()

    def stop(self, slot: KeySlot) -> list[Event]:
        """Switch a key off and destroy it: K_SET_STOP. If it is in use, the stream becomes Insecure."""
        if self._keys.is_in_use(slot):
            return self.happen(StreamCause.KEY_SET_STOPPED)
        self._keys.destroy(slot)
        return []

    def configure(self, config: StreamConfig) -> None:
        """Sample the registers, as happens when the stream is enabled; keys stay, what waits to be sent does not.

        Raises:
            LocalProtocolError: the stream is enabled, or a call is at work on it.
            ValueError: it is the configuration of another stream, or of the other mode.
        """
        self._check_alone()
        if self.is_enabled:
            raise LocalProtocolError(self.state, "configure", "the registers were sampled when it was enabled")
        if (config.stream_id, config.flit_mode) != (self.config.stream_id, self.config.flit_mode):
            raise ValueError(f"not a configuration of stream {self.config.stream_id} in its mode")
        self.config = config
        self._transmitter = Transmitter(config, self._keys)
        self._receiver = Receiver(config, self._keys, self.outstanding)
        self._batches = BatchPath(config, self._keys, self._transmitter, self._receiver)

    def enable(self) -> list[Event]:
        """Set the enable bit."""
        self.is_enabled = True
        return self._settle()

    def disable(self) -> list[Event]:
        """Clear the enable bit: the stream becomes Insecure at once.

        Raises:
            LocalProtocolError: a batch is at work on the stream.
        """
        self._check_alone()
        self.is_enabled = False
        self.received_fail = False
        return self.happen(StreamCause.DISABLED)

    def happen(self, cause: StreamCause) -> list[Event]:
        """Let something happen that makes the stream Insecure, and destroys its keys.

        Raises:
            ValueError: the cause is one that the stream finds for itself.
        """
        if cause not in KEY_DESTROYERS:
            raise ValueError(f"{cause.name} does not make a stream Insecure")
        self._keys.destroy_all()
        self._transmitter.reset()
        self._receiver.reset()
        self.outstanding.expire_stream(self.config.stream_id)
        return self._move(cause)

    def _settle(self) -> list[Event]:
        """Become Ready when all keys are there, Secure when they are switched on and the stream is enabled."""
        events: list[Event] = []
        if self.state is StreamState.INSECURE and self._keys.has_all(is_on=False):
            events += self._move(StreamCause.KEYS_COMPLETE)
        is_ready = self.state is StreamState.READY and self.is_enabled and self.config.can_be_secure
        if is_ready and self._keys.has_all(is_on=True):
            self._transmitter.reset()
            self._receiver.reset()
            events += self._move(StreamCause.SECURED)
        return events

    def _move(self, cause: StreamCause) -> list[Event]:
        after = TRANSITIONS[self.state, cause]
        if after is self.state:
            return []
        self.state = after
        return [StateChanged(self.config.stream_id, after, cause)]

    # sending

    def send(self, tlp: Tlp, *, tee: bool = False, now: float = 0.0) -> list[Event]:
        """Send a TLP on the stream; `bytes_to_send` then yields it.

        Raises:
            LocalProtocolError: the stream is not Secure, does not carry this type or traffic class, or the TLP is an
                IDE TLP already; T is set where it means nothing; or a request has a tag that is taken.
        """
        header = tlp.header
        problem = self._problem(tlp, tee) if self._free else "another call is at work on this stream"
        if problem is not None:
            raise LocalProtocolError(self.state, header.tlp_type, problem)
        if header.sub_stream is SubStream.NPR:
            self.outstanding.add(header, self.config.stream_id, tee)
        self._transmitter.push(tlp, tee)
        return []

    def _problem(self, tlp: Tlp, tee: bool) -> str | None:
        """Return why a TLP cannot be sent."""
        header = tlp.header
        if self.state is not StreamState.SECURE:
            return "the stream is not Secure"
        if tee and not self.config.is_tee_io_supported:
            return "T means nothing without TEE-IO"
        is_request = header.sub_stream is SubStream.NPR and header.transaction is not None
        if is_request and self.outstanding.is_taken(header.transaction or (0, 0)):
            return "its tag is taken"
        return refusal(self.config, tlp)

    def bytes_to_send(self) -> bytes | None:
        """Return the next TLP as it goes on the wire; call until None after `send` and `receive`.

        A TLP shares its unit with those of its sub-stream that wait behind it, as far as aggregation allows. When the
        last possible IV was used the stream becomes Insecure.
        """
        if self._plain:
            return self._plain.pop(0)
        with self._alone():
            sent = self._transmitter.next_tlp()
        if sent is not None and self._transmitter.is_exhausted:
            self._transmitter.events += self.happen(StreamCause.INVOCATIONS_EXHAUSTED)
        return sent

    def events(self) -> list[Event]:
        """Return what happened while sending, once: key sets that changed, IVs that ran out."""
        events, self._transmitter.events = self._transmitter.events, []
        return events

    # receiving

    def receive(self, message: bytes, *, now: float = 0.0) -> list[Event]:
        """Take one TLP from the wire that belongs to the stream: an IDE TLP, or the partner's IDE Fail.

        Raises:
            IdeDecodeError: the bytes are no TLP.
        """
        return self.receive_tlp(Tlp.parse(message, flit_mode=self.config.flit_mode))

    def receive_tlp(self, tlp: Tlp) -> list[Event]:
        """Take one TLP that was parsed already."""
        self._check_alone()
        said, header = tlp.ide, tlp.header
        if said is None and ide_code(header) is MessageCode.IDE_FAIL:
            self.received_fail = True
            return self.happen(StreamCause.PARTNER_FAILED)
        if said is None or said.stream_id != self.config.stream_id or not self._accepts(header):
            return [ErrorDetected(self.config.stream_id, IdeError.MISROUTED, header)]
        events: list[Event] = []
        with self._alone():
            try:
                for event in self._receiver.take(tlp):
                    events.append(event)  # noqa: PERF402  what came before a failure is kept
            except CheckFailedError as failure:
                return [*events, *self.fail(failure.error, failure.header)]
        if self._receiver.is_exhausted:
            events += self.happen(StreamCause.INVOCATIONS_EXHAUSTED)
        return events

    def _accepts(self, header: AnyHeader) -> bool:
        """Whether the stream is Secure; if it is only Ready, the write that is to enable it may come (`PCIE_A32`)."""
        if self.state is StreamState.SECURE:
            return True
        is_write = header.tlp_type.name.startswith("CFGWR")
        return self.state is StreamState.READY and self._keys.has_all(is_on=True) and is_write

    def fail(self, error: IdeError, header: AnyHeader) -> list[Event]:
        """Fail a check that belongs to the stream: it becomes Insecure, and its partner is told by IDE Fail."""
        events: list[Event] = [ErrorDetected(self.config.stream_id, error, header)]
        events += self.happen(StreamCause.CHECK_FAILED)
        self._plain.append(ide_message(self.config, MessageCode.IDE_FAIL).build())
        return events

    # many at a time

    def send_batch(
        self, tlps: Buffer, index: Buffer, *, tee: bool | Buffer = False, out: Buffer | None = None
    ) -> Batch:
        """Return IDE TLPs for a buffer of TLPs: what `send` and `bytes_to_send` do, IDE Sync included.

        Which request waits for which completion is not followed, and the units of a batch end with it. A compiled
        provider works without the interpreter's lock.

        Args:
            tlps: TLPs, one after the other.
            index: 64-bit offsets: where each begins, and where the last one ends.
            tee: T, of all of them or one byte for each.
            out: where to put the result; a buffer is made where none is given.

        Raises:
            LocalProtocolError: the stream is not Secure, something waits to be sent, or another call is at work.
            ValueError: a TLP is malformed, or of a kind that the stream does not send, and nothing is sealed; or a
                buffer or index is wrong, or too small.
        """
        said = _T[tee] if isinstance(tee, bool) else tee
        if not self.config.is_tee_io_supported and any(memoryview(said).cast("B")):
            raise LocalProtocolError(self.state, "send_batch", "T means nothing without TEE-IO")
        token = self._begin()
        try:
            if self.state is not StreamState.SECURE:
                raise LocalProtocolError(self.state, "send_batch", "the stream is not Secure")
            if self._plain or self._transmitter.has_waiting:
                raise LocalProtocolError(self.state, "send_batch", "something waits to be sent")
            batch = self._batches.seal(tlps, index, said, out)
        finally:
            self._free.append(token)
        if self._transmitter.is_exhausted:
            self._transmitter.events += self.happen(StreamCause.INVOCATIONS_EXHAUSTED)
        return batch

    def receive_batch(self, wire: Buffer, index: Buffer, *, out: Buffer | None = None) -> ReceivedBatch:
        """Take a buffer of IDE TLPs; return what is delivered, in clear: what `receive` does.

        TLPs of a unit whose MAC is not in the batch, and all after them, are left: ``taken`` says how many were not.
        Which completion belongs to which request is not looked at. ``out`` must not be read before the call is over:
        what does not verify is overwritten.

        Raises:
            LocalProtocolError: another call is at work.
            IdeDecodeError: a TLP is malformed; nothing is taken then.
            ValueError: a buffer or index is wrong, or too small.
        """
        if self.state is not StreamState.SECURE:
            raise LocalProtocolError(self.state, "receive_batch", "the stream is not Secure")
        token = self._begin()
        try:
            received, failure = self._batches.open(wire, index, out)
        finally:
            self._free.append(token)
        events: list[Event] = []
        if failure is not None:
            events = self.fail(failure.error, failure.header)
        elif self._receiver.is_exhausted:
            events = self.happen(StreamCause.INVOCATIONS_EXHAUSTED)
        return attrs.evolve(received, events=(*received.events, *events)) if events else received

    def _check_alone(self) -> None:
        if not self._free:
            raise LocalProtocolError(self.state, "a second call", "another call is at work on this stream")

    def _begin(self) -> object:
        """Take the stream for one call, since a batch runs without the interpreter's lock; `_free` gets it back."""
        try:
            return self._free.pop()  # no other thread can come between
        except IndexError:
            self._check_alone()
            raise

    @contextmanager
    def _alone(self) -> Iterator[None]:
        token = self._begin()
        try:
            yield
        finally:
            self._free.append(token)

    # there is no deadline

    def wake_at(self) -> float | None:
        """Return None: a stream waits for nothing."""
        return None

    def wake(self, now: float) -> list[Event]:
        """Do nothing: there is no deadline."""
        return []

    def __repr__(self) -> str:
        """Name stream and state."""
        return f"<Stream {self.config.stream_id:#04x} {self.state.name}>"
