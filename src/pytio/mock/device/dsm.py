"""The device security manager: what answers in the mailbox, and what it says to ports and interfaces.

Documents: PCIe Base 6.x chapters 6 (IDE_KM) and 11 (TDISP). Two sorts of responders answer:

- pytio's own, an `Endpoint`: its IDE_KM drives the port, its TDISP the interfaces.
- somebody else's, behind a function from data object to data object. Its keys and locks are in encrypted records, so
  the device cannot see them. Whoever holds the other end of the session, the TSM's side, has every request and answer
  in clear, and shows them (`Dsm.follow`): the device's own engines take the same requests, so that ports and
  interfaces are what that responder says that they are. What the device itself finds out, such as a Bus Master Enable
  that is cleared, that responder never learns: it goes on saying RUN while the interface rejects everything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, TypeAlias

from pytio import ide, idekm, spdm, tdisp
from pytio.crypto import LibraryProvider, Provider
from pytio.errors import DecodeError
from pytio.idekm import KpAck, StreamEvent
from pytio.idekm.codes import KpAckStatus
from pytio.ids import Bdf, StreamId
from pytio.mock.doe_mailbox import Answer
from pytio.mock.endpoint import Endpoint, Event, is_stream_keyed
from pytio.mock.ide_port import IdePort
from pytio.tdisp import LockInterfaceResponse, Tdi, TdiEvent, TdispError, TdiState

__all__ = ("Clock", "Dsm")

_STREAM_EVENTS: Final[Mapping[ide.StreamCause, TdiEvent]] = {
    ide.StreamCause.REGISTERS_CHANGED: TdiEvent.STREAM_REGISTERS_WRITTEN,
}
"""What an interface learns of a stream that became Insecure, where that is not STREAM_INSECURE."""

Clock: TypeAlias = Callable[[], float]
"""Says what time it is, in seconds; sessions die of silence by it."""


class _Nonces(LibraryProvider):
    """The nonces of locks: a provider's, or the one that somebody else's responder gave."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.told: bytes | None = None

    def nonce(self, size: int) -> bytes:
        """Return the nonce that was told, once, else one of the provider's."""
        told, self.told = self.told, None
        return self._provider.nonce(size) if told is None else told


class Dsm:
    """A device's security manager.

    Attributes:
        idekm: drives the port; None for a device without IDE, or without IDE_KM.
        tdisp: keeps the states of the interfaces; None for a device without TDISP.
        endpoint: answers in the mailbox; None where somebody else does.
        events: what all of them reported.
    """

    def __init__(
        self,
        interfaces: Mapping[Bdf, Tdi],
        *,
        ports: Mapping[int, IdePort],
        capabilities: tdisp.DsmCapabilities,
        provider: Provider | None = None,
        clock: Clock = lambda: 0.0,
    ) -> None:
        """Take care of ``interfaces`` and of ``ports``, by their IDE_KM index; either may be missing."""
        self._nonces = _Nonces(provider or LibraryProvider())
        self._provider = provider
        self._clock = clock
        self._depth = 0
        self._later: list[ide.Event] = []
        self._config: spdm.ResponderConfig | None = None
        self._foreign: Answer | None = None
        self.endpoint: Endpoint | None = None
        self.events: list[Event] = []
        self.idekm = idekm.Responder(ports) if ports else None
        self.tdisp = (
            tdisp.Responder(interfaces, capabilities=capabilities, provider=self._nonces) if interfaces else None
        )
        for port in set(ports.values()):
            port.subscribe(self._stream_event)

    def answer_with(self, config: spdm.ResponderConfig) -> None:
        """Answer in the mailbox with pytio's responders."""
        self._config, self._foreign = config, None
        self.endpoint = Endpoint(config, ide=self.idekm, interfaces=self.tdisp, provider=self._provider)

    def answer_by(self, foreign: Answer) -> None:
        """Let somebody else answer in the mailbox."""
        self._config, self._foreign, self.endpoint = None, foreign, None

    def answer(self, unit: bytes) -> bytes | None:
        """Answer a data object; None where there is no answer."""
        if self._foreign is not None:
            return self._foreign(unit)
        if self.endpoint is None:
            return None
        with self._at_work():
            self.events += self.endpoint.receive(unit, now=self._clock())
        return self.endpoint.bytes_to_send()

    def follow(self, request: bytes, response: bytes | None, session: int) -> list[Event]:
        """Do what somebody else's responder did: a vendor-defined request and its answer, from the protocol id on.

        A request that it refused changes nothing here. Returns what happened; where the device's own engines would
        have refused, `tdisp.RequestRefused` or `idekm.RequestIgnored` is among it.
        """
        engines = {idekm.PROTOCOL_ID: self.idekm, tdisp.PROTOCOL_ID: self.tdisp}
        engine = engines.get(request[0]) if request else None
        if engine is None or response is None or _is_refusal(response):
            return []
        happened: list[Event] = []
        with self._at_work():
            self._nonces.told = _nonce_of(response)
            happened += engine.receive(request[1:], session=session)
            self._nonces.told = None
            engine.bytes_to_send()
        self.events += happened
        return happened

    def session_ended(self, session: int) -> None:
        """A session that somebody else's responder kept has ended."""
        with self._at_work():
            self.events += self.idekm.session_ended(session) if self.idekm is not None else []
            self.events += self.tdisp.session_ended(session) if self.tdisp is not None else []

    def wake(self) -> None:
        """Do what is due: sessions die of silence."""
        if self.endpoint is not None:
            with self._at_work():
                self.events += self.endpoint.wake(self._clock())

    def state(self, bdf: Bdf) -> TdiState:
        """Return the state of a function's interface; CONFIG_UNLOCKED for one without."""
        if self.tdisp is None:
            return TdiState.CONFIG_UNLOCKED
        try:
            return self.tdisp.tdi_state(bdf)
        except KeyError:
            return TdiState.CONFIG_UNLOCKED

    def happen(self, event: TdiEvent, *, functions: Collection[Bdf] = (), stream_id: StreamId | None = None) -> None:
        """Let an event reach its interfaces."""
        if self.tdisp is not None:
            self.events += self.tdisp.happen(event, functions=functions, stream_id=stream_id)

    def is_stream_keyed(self, stream_id: StreamId, session: int) -> bool:
        """Say whether all keys of a stream came over a session."""
        return self.idekm is not None and is_stream_keyed(self.idekm, stream_id, session)

    def reset(self) -> None:
        """Reset conventionally: interfaces are unlocked, keys and sessions gone."""
        self.happen(TdiEvent.CONVENTIONAL_RESET)
        with self._at_work():
            if self.idekm is not None:
                self.events += self.idekm.happen(StreamEvent.CONVENTIONAL_RESET)
        if self._config is not None:
            self.answer_with(self._config)

    # what ports find out

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        """Keep what ports report until the engine that drives them has finished."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._settle()

    def _stream_event(self, event: ide.Event) -> None:
        self._later.append(event)
        if not self._depth:
            with self._at_work():
                pass

    def _settle(self) -> None:
        while self._later:
            event = self._later.pop(0)
            self._depth += 1
            try:
                self._pass_on(event)
            finally:
                self._depth -= 1

    def _pass_on(self, event: ide.Event) -> None:
        """Tell IDE_KM of keys that are gone, and TDISP of streams that are Insecure."""
        assert self.idekm is not None
        if isinstance(event, ide.StateChanged) and event.state is ide.StreamState.INSECURE:
            for port_index in self.idekm.ports:
                self.events += self.idekm.happen(
                    StreamEvent.STREAM_INSECURE, port_index=port_index, stream_id=event.stream_id
                )
            told = _STREAM_EVENTS.get(event.cause, TdiEvent.STREAM_INSECURE)
            self.happen(told, stream_id=event.stream_id)
        elif isinstance(event, ide.KeySetChanged):
            gone = event.slot.replace(key_set=1 - event.slot.key_set)
            for port_index in self.idekm.ports:
                self.events += self.idekm.happen(
                    StreamEvent.KEY_SET_SUPERSEDED, port_index=port_index, stream_id=event.stream_id, slot=gone
                )


def _is_refusal(response: bytes) -> bool:
    """Say whether an answer, from its protocol id on, says no; one that cannot be read does."""
    engines: Mapping[int, Callable[[bytes], object]] = {
        idekm.PROTOCOL_ID: idekm.parse,
        tdisp.PROTOCOL_ID: tdisp.parse,
    }
    try:
        answer = engines[response[0]](response[1:])
    except (DecodeError, LookupError):
        return True
    return isinstance(answer, TdispError) or (isinstance(answer, KpAck) and answer.status != KpAckStatus.SUCCESS)


def _nonce_of(response: bytes) -> bytes | None:
    """Return the nonce of a lock's answer; None for every other answer."""
    if response[0] != tdisp.PROTOCOL_ID:
        return None
    answer = tdisp.parse(response[1:])
    return answer.nonce if isinstance(answer, LockInterfaceResponse) else None
