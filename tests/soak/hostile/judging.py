"""What no hostile peer may bring about: an undocumented exception, a step out of a lie, a secret that shows."""

from __future__ import annotations

import random
from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final

import attrs

from pytio.crypto import Secret, digest
from pytio.crypto.algorithms import HashAlgorithm
from pytio.errors import (
    LocalProtocolError,
    ProtocolError,
    PytioError,
    SpdmDecodeError,
    SpdmPeerError,
    VerificationError,
)
from pytio.spdm import saving
from pytio.spdm.checks import CheckFailedError
from pytio.spdm.codes import SpdmCode, SpdmErrorCode, SpdmVersion
from pytio.spdm.endpoint import Endpoint, Outgoing
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.requests import Intent, ReadCertificate, ReadDigests, StartSession
from pytio.spdm.session import Session, Side
from pytio.spdm.state import ConnectionState, SessionState
from tests.soak import hostile
from tests.soak.hostile.scenes import Scene
from tests.spdm.pair import PSK, Pair

__all__ = ("DOCUMENTED", "Kind", "OfRequester", "OfResponder", "every_kind", "kind_of", "secrets_of")

DOCUMENTED: Final = (SpdmPeerError, ProtocolError, VerificationError, SpdmDecodeError)
"""What ``Requester.receive`` says that it raises."""
_STILL_COMING: Final = (SpdmErrorCode.LARGE_RESPONSE, SpdmErrorCode.RESPONSE_NOT_READY)
"""Errors that are answers after all."""
_CROOKED: Final = {"mutual_authentication", "perform", "sign"}
"""What a lying responder does in its own way."""


def secrets_of(*endpoints: Endpoint) -> list[bytes]:
    """Return what must never show: of the sessions that live, and the pre-shared key."""
    found: list[Secret | None] = [PSK]
    for endpoint in endpoints:
        for session in endpoint.sessions.values():
            found += [session.handshake_secret, session.exported]
            for side in Side:
                found += [session.direction(side).secret, session.finished_key(side)]
    return [secret.reveal() for secret in found if secret is not None]


def _standing(session: Session) -> tuple[Any, ...]:
    """Return what a refused message leaves alone."""
    keys = b"".join(session.direction(side).secret.reveal() for side in Side)
    return (
        session.state,
        session.is_mutual,
        session.requester_slot,
        session.wants_mutual,
        session.updating,
        session.subscription,
        digest(HashAlgorithm.SHA_256, keys),
    )


def _of_connection(endpoint: Endpoint) -> tuple[Any, ...]:
    peer = endpoint.peer
    known = tuple((slot, chain.chain) for slot, chain in sorted(peer.chains.items()))
    return endpoint.state, endpoint.version, endpoint.is_negotiated and endpoint.negotiated, known


@attrs.define
class _Victim:
    """One of two endpoints, while the other one lies to it."""

    where: Scene
    two: Pair
    dice: random.Random
    secrets: list[bytes] = attrs.field(init=False, repr=False)
    messages: int = 0
    """How many lies it was told."""

    def __attrs_post_init__(self) -> None:
        self.secrets = secrets_of(self.two.requester, self.two.responder)

    @property
    def version(self) -> int:
        """The negotiated version, or the one that will be."""
        return self.where.version

    def session(self, *, is_psk: bool | None = None) -> Session:
        """Return one of the requester's sessions."""
        mine = list(self.two.requester.sessions.values())
        return self.dice.choice([one for one in mine if is_psk in (None, one.is_psk)])

    def shows_nothing(self, *shown: object) -> None:
        """Look for secrets, old and new, in what is shown: as bytes, or in words."""
        secrets = self.secrets + secrets_of(self.two.requester, self.two.responder)
        for one in shown:
            if isinstance(one, bytes):
                assert not any(secret in one for secret in secrets), "a secret in a message"
            else:
                words = f"{one!r}{one}"
                assert not any(secret.hex() in words or repr(secret)[2:-1] in words for secret in secrets)

    def is_heard_afterwards(self) -> None:
        """An honest peer can begin anew, and now and then starts a session."""
        two = self.two
        two.tap = None
        for name in _CROOKED & set(vars(two.responder)):
            delattr(two.responder, name)
        two.requester.abandon()
        while two.requester.bytes_to_send() or two.responder.bytes_to_send():
            pass
        two.connect()
        if self.dice.random() < 0.05:
            two.run(ReadCertificate())
            if self.where.version < SpdmVersion.V1_1:
                return
            two.run(StartSession())
            (number,) = two.requester.sessions
            two.run(ReadDigests(), number)


@attrs.define
class OfResponder(_Victim):
    """A responder, and the requester whose keys are misused."""

    def _stands(self) -> tuple[Any, dict[int, Any]]:
        responder = self.two.responder
        sessions = {number: _standing(session) for number, session in responder.sessions.items()}
        return (*_of_connection(responder), saving.slots_of(responder.slots)), sessions

    def strike(
        self, raw: bytes, *, is_secured: bool = False, must_fail: bool = True, opener: Session | None = None
    ) -> bytes:
        """Say something, and judge what comes of it; return the answer in clear text, empty for silence.

        ``opener`` is the requester's half of the session that an answer can be opened with.
        """
        responder = self.two.responder
        before, sessions = self._stands()
        self.messages += 1
        events = responder.receive(raw, now=self.two.now, is_secured=is_secured)
        answers = list(iter(responder.bytes_to_send, None))
        assert len(answers) <= 1
        self.shows_nothing(events, responder, *map(bytes, answers))
        answer, is_refused = self._heard(answers, opener)
        assert is_refused or not must_fail, f"{raw.hex()} was answered {answer.hex()}"
        if is_refused:
            after, alive = self._stands()
            assert after == before, f"{raw.hex()} moved the connection"
            assert all(sessions[number] == alive[number] for number in alive), f"{raw.hex()} moved a session"
            assert set(sessions) - set(alive) <= {int.from_bytes(raw[:4], "little")} or not is_secured
        return answer

    def _heard(self, answers: list[Outgoing], opener: Session | None) -> tuple[bytes, bool]:
        """Return an answer in clear text, and whether it refuses."""
        if not answers:
            return b"", True
        (answer,) = answers
        message = bytes(answer)
        if answer.is_secured:
            if opener is None or opener.state is SessionState.ENDED:
                return b"", True
            try:
                message = opener.rules.framing.unwrap(opener.open(Side.RESPONSE, answer))
            except PytioError:  # sealed by a session that has ended, or under keys that the requester has not
                return b"", True
        return message, _refuses(message)

    def seal(self, mine: Session, raw: bytes) -> bytes:
        """Return the record that the requester would send."""
        return mine.seal(Side.REQUEST, raw, self.two.requester.provider)

    def strike_in(self, mine: Session, raw: bytes, *, must_fail: bool = True) -> bytes:
        """Say something in a session."""
        return self.strike(self.seal(mine, raw), is_secured=True, must_fail=must_fail, opener=mine)


def _refuses(message: bytes) -> bool:
    if message[1] == SpdmCode.CHUNK_SEND_ACK:  # of a request in chunks: what it carries, if anything
        inner = message[8 if message[0] >= 0x14 else 6 :]
        return bool(message[2] & 1) or (len(inner) > 1 and _refuses(inner))
    return message[1] == SpdmCode.ERROR and message[2] not in _STILL_COMING


@attrs.define
class OfRequester(_Victim):
    """A requester, and the responder that lies, or is lied for."""

    def _stands(self) -> tuple[Any, dict[int, Any]]:
        requester = self.two.requester
        return _of_connection(requester), {n: _standing(session) for n, session in requester.sessions.items()}

    def ask(self, intent: Intent | SpdmMessage, session: int | None = None, *, must_fail: bool = True) -> None:
        """Have the requester ask for something and be lied to; judge what comes of it."""
        self.judge(lambda: self.two.run(intent, session), must_fail=must_fail)

    def judge(self, happen: Callable[[], object], *, must_fail: bool = True) -> None:
        """Judge what the requester makes of what happens."""
        two = self.two
        before, sessions = self._stands()
        said = len(two.wire)
        self.messages += 1
        try:
            happen()
        except DOCUMENTED as error:
            is_ours = not isinstance(error, LocalProtocolError | SpdmPeerError)  # the requester's own finding
            assert is_ours or not must_fail, f"the lie was believed: {error}"  # noqa: PT017  either is judged
            self.shows_nothing(error, two.requester)
            if isinstance(error, CheckFailedError) and self.dice.random() < 0.2:
                self.shows_nothing(error.explain())
            self._nothing_moved(before, sessions, is_peers=isinstance(error, SpdmPeerError))
        except AssertionError as error:
            if "waits for ever" not in str(error):  # a lost answer: its driver would time out
                raise
            two.requester.abandon()
        else:
            assert not must_fail, "the lie was believed"
        self.shows_nothing(*(bytes(message) for side, message in two.wire[said:] if side == "request"))

    def _nothing_moved(self, before: Any, sessions: dict[int, Any], *, is_peers: bool) -> None:
        after, alive = self._stands()
        assert after[0] in (before[0], ConnectionState.ERROR) or is_peers, f"moved to {after[0]}"
        assert after[0] is not ConnectionState.AUTHENTICATED or before[0] is after[0]
        for number, session in alive.items():
            if number in sessions:
                assert session[0] is sessions[number][0] or is_peers, "a session moved"
            else:  # what began before the lie may still wait for an answer
                waits = session[0] is SessionState.HANDSHAKING and not self.two.requester.is_idle
                assert waits or is_peers, "a session out of a lie"


@attrs.frozen
class Kind:
    """A kind of lie."""

    name: str
    weight: int
    tell: Callable[[random.Random], int]
    """Tells one, judges it, and returns how many messages of it there were."""


def kind_of(kinds: dict[str, Kind], weight: int) -> Callable[[Callable[[random.Random], Any]], None]:
    """Enter a kind of lie into a table."""

    def enter(tell: Callable[[random.Random], _Victim]) -> None:
        def once(dice: random.Random) -> int:
            victim = tell(dice)
            assert victim.messages, "nothing hostile was said"
            victim.is_heard_afterwards()
            return victim.messages

        name = tell.__name__.replace("_", " ").strip()
        kinds[name] = Kind(name, weight, once)

    return enter


def every_kind(role: str) -> dict[str, Kind]:
    """Return the kinds of hostile requesters or responders, by their names."""
    for module in iter_modules(hostile.__path__):
        if module.name.startswith(f"{role}_"):
            import_module(f"{hostile.__name__}.{module.name}")
    kinds: dict[str, Kind] = import_module(f"{hostile.__name__}.{role}").KINDS
    return dict(sorted(kinds.items()))
