"""A port with IDE: registers in a function's configuration space, and streams that encrypt what goes through.

Document: PCIe Base 6.x, "IDE Extended Capability", and chapter 6, "Integrity and Data Encryption (IDE)". The registers
are sampled when a stream is enabled; keys come through `program`, `go` and `stop`, and are nowhere but in the stream.
What a TLP means is the business of whoever owns the port.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from pytio import ide
from pytio.crypto import Secret
from pytio.errors import IdeDecodeError, IdeKmPeerError
from pytio.ide_registers import IdeCapability, IdeRegisters, IdeStreamState, SelectiveIdeStream
from pytio.idekm.codes import KpAckStatus
from pytio.ids import Bdf, KeySlot, StreamId
from pytio.mock.config_space import Change
from pytio.mock.function import FunctionEvent, MockFunction
from pytio.mock.ide_layout import IDE_CAPABILITY_ID, IdeLayout, stream_config
from pytio.pci.capabilities.advanced_error_reporting import UncorrectableErrors

__all__ = ("Deliver", "IdePort", "Listener", "Transmit")

_ENABLE: Final = 1 << 0
_STATE_MASK: Final = 0xF
_RECEIVED_FAIL: Final = 1 << 31
_RESETS: Final = {
    FunctionEvent.FUNCTION_LEVEL_RESET: ide.StreamCause.FUNCTION_LEVEL_RESET,
    FunctionEvent.CONVENTIONAL_RESET: ide.StreamCause.CONVENTIONAL_RESET,
}

Transmit: TypeAlias = Callable[[bytes], object]
"""Puts one TLP on the wire."""
Deliver: TypeAlias = Callable[[ide.TlpReceived], object]
"""Takes one TLP that passed all checks."""
Listener: TypeAlias = Callable[[ide.Event], object]
"""Is told what happens to streams, and what is wrong with TLPs."""


def _lose(raw: bytes) -> None:
    """Put a TLP on no wire."""


def _ignore(event: ide.TlpReceived) -> None:
    """Take a TLP, and do nothing."""


class IdePort:
    """The IDE extended capability of a function, and one `pytio.ide.Stream` for each selective stream in use.

    It is a port as `pytio.idekm.Responder` wants it, so that IDE_KM drives it; firmware drives a root port's by the
    same three verbs.

    Attributes:
        bdf: the function that has the capability.
        function: its configuration space.
        offset: of the capability in there.
        port: the streams, by Stream ID.
        events: what happened to streams so far, and all errors of TLPs.
        transmit: where TLPs go; nowhere at first.
        deliver: who takes TLPs.
    """

    def __init__(
        self,
        function: MockFunction,
        bdf: Bdf,
        *,
        role: ide.PortRole = ide.PortRole.ENDPOINT,
        capability: IdeCapability | None = None,
        address_associations: int = 1,
        is_tee_io_supported: bool = True,
    ) -> None:
        """Append the capability to a function; every stream is Insecure.

        Args:
            function: whose capability it is.
            bdf: its address.
            role: which end of a link it is.
            capability: what the port can do; by default one selective stream with everything that goes with it.
                Link IDE streams are not modelled.
            address_associations: how many address association blocks each stream has, 0 to 15.
            is_tee_io_supported: whether T means something.

        Raises:
            ValueError: the capability has link IDE streams.
        """
        self.bdf = bdf
        self.function = function
        self.port = ide.Port()
        self.events: list[ide.Event] = []
        self.transmit: Transmit = _lose
        self.deliver: Deliver = _ignore
        self._is_tee_io_supported = is_tee_io_supported
        self._role = role
        self._errors = 0
        self._listeners: list[Listener] = []
        self._enabled: dict[int, StreamId] = {}
        self._delivering = 0
        self._later: list[Callable[[], None]] = []
        layout = self._layout = IdeLayout.of(capability, role, address_associations)
        self.offset = function.add_extended_capability(
            IDE_CAPABILITY_ID, layout.registers.build(), rw=layout.writable, rw1c=layout.rw1c
        )
        for index in range(len(layout.blocks)):
            self._watch(index)
        function.subscribe(self._function_event)

    def subscribe(self, listener: Listener) -> None:
        """Tell ``listener`` of every event from now on."""
        self._listeners.append(listener)

    @property
    def errors(self) -> UncorrectableErrors:
        """The errors so far, as Uncorrectable Error Status has them."""
        return UncorrectableErrors.parse((self._errors | self.port.aer_status).to_bytes(4, "little"))

    def report(self, error: UncorrectableErrors) -> None:
        """Note an error that is found above IDE."""
        self._errors |= int.from_bytes(error.build(), "little")

    def state_of(self, stream_id: StreamId) -> ide.StreamState:
        """Return the state of a stream; Insecure where there is none."""
        stream = self.port.streams.get(stream_id)
        return ide.StreamState.INSECURE if stream is None else stream.state

    # as IDE_KM sees it

    def registers(self) -> IdeRegisters:
        """Return the IDE capability as it reads now."""
        space = self.function.space
        raw = b"".join(space.peek(self.offset + 4 + at).to_bytes(4, "little") for at in range(0, self._layout.size, 4))
        return IdeRegisters.parse(raw)

    def program(self, stream_id: StreamId, slot: KeySlot, key: Secret, ifv: int) -> None:
        """Keep a key, and the invocation field it starts with, without using them yet.

        Raises:
            IdeKmPeerError: no block's register says this Stream ID, or the key cannot be taken.
        """
        index = self._block_of(stream_id)
        if index is None:
            raise IdeKmPeerError(KpAckStatus.UNSUPPORTED_VALUE, f"no stream {stream_id}")
        stream = self.port.streams.get(stream_id) or self.port.add(self._config(index))
        try:
            self._note(stream.program(slot, key, ifv))
        except ValueError as error:
            raise IdeKmPeerError(KpAckStatus.UNSUPPORTED_VALUE, str(error)) from error

    def go(self, stream_id: StreamId, slot: KeySlot) -> None:
        """Use a key that was programmed; nothing happens where there is none."""
        if stream_id in self.port.streams:
            self._note(self.port.streams[stream_id].go(slot))

    def stop(self, stream_id: StreamId, slot: KeySlot) -> None:
        """Stop using a key, and destroy it; one that is not there is no mistake."""
        if stream_id in self.port.streams:
            self._note(self.port.streams[stream_id].stop(slot))

    # TLPs

    def send(self, tlp: ide.Tlp, *, tee: bool | None = None, on: StreamId | None = None) -> None:
        """Send a TLP, on the stream that the registers select or on stream ``on``, or in clear.

        Returns when all that follows from it is over. A completion has the T of its request unless ``tee`` says
        otherwise.

        Raises:
            LocalProtocolError: the TLP comes from a trusted environment and no Secure stream takes it, its tag is
                taken, or the stream does not carry its type.
        """
        self._note(self.port.send(tlp, tee=tee, on=on))
        self._flush()

    def receive(self, raw: bytes) -> None:
        """Take one TLP from the wire; what is wrong with it is in `events` and `errors`."""
        try:
            events = self.port.receive(raw)
        except IdeDecodeError:
            self.report(UncorrectableErrors(malformed_tlp=True))
            return
        received = [event for event in events if isinstance(event, ide.TlpReceived)]
        self._note([event for event in events if not isinstance(event, ide.TlpReceived)])
        self._flush()
        for event in received:
            self._hand_over(event)

    def happen(self, cause: ide.StreamCause) -> None:
        """Let something happen that makes every stream of the port Insecure.

        Raises:
            ValueError: the cause is one that a stream finds for itself.
        """
        for stream in self.port.streams.values():
            self._note(stream.happen(cause))

    def _hand_over(self, event: ide.TlpReceived) -> None:
        """Deliver a TLP; what it does to a stream's Enable comes after its completion, which goes on that stream."""
        self._delivering += 1
        try:
            self.deliver(event)
        finally:
            self._delivering -= 1
        if not self._delivering:
            later, self._later = self._later, []
            for each in later:
                each()

    def _after_delivery(self, action: Callable[[], None]) -> None:
        if self._delivering:
            self._later.append(action)
        else:
            action()

    def _flush(self) -> None:
        while (raw := self.port.bytes_to_send()) is not None:
            for stream in self.port.streams.values():
                self._note(stream.events())
            self.transmit(raw)

    # registers

    def _watch(self, index: int) -> None:
        space, block = self.function.space, self._layout.blocks[index]
        base = self.offset + 4
        space.watch(base + block.control, 4, lambda change: self._control_written(index, change))
        space.watch(base + block.status, 4, lambda change: self._status_written(index, change))
        for at in block.associations:
            space.watch(base + at, 4, lambda change: self._association_written(index, change))

    def _control_written(self, index: int, change: Change) -> None:
        if change.rises(_ENABLE):
            self._enable(index)
        elif change.falls(_ENABLE):
            self._show_state(index)
            self._after_delivery(lambda: self._disable(index))
        elif change.new & _ENABLE and change.new != change.old:  # read-only as long as the stream is enabled
            self.function.space.poke(change.offset, 4, change.old)
            self._tampered(index)

    def _association_written(self, index: int, change: Change) -> None:
        if index in self._enabled and change.new != change.old:
            self._tampered(index)

    def _status_written(self, index: int, change: Change) -> None:
        if change.written & _RECEIVED_FAIL and index in self._enabled:
            self.port.streams[self._enabled[index]].received_fail = False

    def _tampered(self, index: int) -> None:
        self._note(self.port.streams[self._enabled[index]].happen(ide.StreamCause.REGISTERS_CHANGED))

    def _enable(self, index: int) -> None:
        """Sample the registers. A Stream ID that another enabled block has stays with that one."""
        config = self._config(index)
        if config.stream_id in self._enabled.values():
            return
        stream = self.port.streams.get(config.stream_id) or self.port.add(config)
        stream.configure(config)
        self._enabled[index] = config.stream_id
        self._note(stream.enable())

    def _disable(self, index: int) -> None:
        stream_id = self._enabled.pop(index, None)
        if stream_id is not None:
            self._note(self.port.streams[stream_id].disable())

    def _config(self, index: int) -> ide.StreamConfig:
        block = self._selective(index)
        return stream_config(
            block,
            self.registers(),
            role=self._role,
            requester_id=self.bdf.requester_id,
            is_tee_io_supported=self._is_tee_io_supported,
        )

    def _selective(self, index: int) -> SelectiveIdeStream:
        return self.registers().selective_streams[index]

    def _block_of(self, stream_id: StreamId) -> int | None:
        """Return the block for a Stream ID: of several, one that was set up goes before one that never was."""
        found = [
            (not block.rid_association.valid, index)
            for index, block in enumerate(self.registers().selective_streams)
            if block.control.stream_id == stream_id
        ]
        return min(found)[1] if found else None

    # what happens

    def _note(self, events: list[ide.Event]) -> None:
        if not events:
            return
        self.events += events
        for index in range(len(self._layout.blocks)):
            self._show_state(index)
        for event in events:
            for listener in self._listeners:
                listener(event)

    def _show_state(self, index: int) -> None:
        """Let the status register say what the stream is."""
        space, block = self.function.space, self._layout.blocks[index]
        stream = self.port.streams.get(self._enabled.get(index, -1))
        is_enabled = space.peek(self.offset + 4 + block.control) & _ENABLE
        is_secure = stream is not None and is_enabled and stream.state is ide.StreamState.SECURE
        state = IdeStreamState.SECURE if is_secure else IdeStreamState.INSECURE
        at = self.offset + 4 + block.status
        kept = space.peek(at) & ~_STATE_MASK
        failed = _RECEIVED_FAIL if stream is not None and stream.received_fail else 0
        space.poke(at, 4, kept | int(state) | failed)

    def _function_event(self, event: FunctionEvent) -> None:
        cause = _RESETS.get(event)
        if cause is not None:
            self._after_delivery(lambda: self._reset(cause))

    def _reset(self, cause: ide.StreamCause) -> None:
        """Forget the keys; the registers were reset before."""
        streams = list(self.port.streams.values())
        self._enabled.clear()
        for stream in streams:
            stream.is_enabled = stream.received_fail = False
            self._note(stream.happen(cause))
