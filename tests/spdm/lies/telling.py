"""How to lie: bytes changed on the wire, signed as they are changed, or changed before they are sealed.

Each lie is a function without arguments in one of the files beside this one, named by what the liar does. It
sets up two endpoints, has one of them lie, and fails unless the other one notices at once, by the error it should name,
with nothing to show for it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final, TypeAlias

import attrs
import pytest

from pytio.errors import RemoteProtocolError, SpdmPeerError, VerificationError
from pytio.spdm.checks import SignatureCheck, made_hmac
from pytio.spdm.codes import RegistryId, SpdmCode, SpdmErrorCode, SpdmVersion
from pytio.spdm.configuration import MutualAuthentication
from pytio.spdm.endpoint import Outgoing
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.messages.error import Error
from pytio.spdm.requests import Authenticate, Connect, Intent, StartSession, VendorRequest
from pytio.spdm.responder.calls import Call
from pytio.spdm.session import Session, Side
from pytio.spdm.state import ConnectionState, SessionState
from pytio.spdm.transcript import Pieces
from tests.spdm import lies
from tests.spdm.pair import Pair, pair, requester_config, responder_config
from tests.spdm.test_engine_sessions import last_error

Edit: TypeAlias = Callable[[bytes], bytes]
Lie: TypeAlias = Callable[[], None]

_LIES: Final[dict[str, Lie]] = {}


def lie(tell: Lie) -> Lie:
    """Enter a lie into the catalogue."""
    assert tell.__name__ not in _LIES, tell.__name__
    _LIES[tell.__name__] = tell
    return tell


def every_lie() -> dict[str, Lie]:
    """Return the lies of every file, by their names."""
    for module in iter_modules(lies.__path__):
        import_module(f"{lies.__name__}.{module.name}")
    return dict(_LIES)


# what is changed


def put(at: int, value: int) -> Edit:
    """Return what writes one byte."""
    return lambda message: bytes(message[:at]) + bytes([value]) + bytes(message[at + 1 :])


def flip(at: int, bits: int = 1) -> Edit:
    """Return what turns bits of one byte over; a position may count from the end."""

    def edit(message: bytes) -> bytes:
        where = at % len(message)
        return put(where, message[where] ^ bits)(message)

    return edit


def become(raw: str) -> Edit:
    """Return what sends something else."""
    return lambda message: bytes.fromhex(raw)


# who changes it


def on_the_wire(
    two: Pair, code: SpdmCode, edit: Edit, *, side: str = "response", first: int = 0, only: int = 99
) -> None:
    """Change messages in clear on their way: ``only`` so many, after ``first`` that are left alone."""
    seen = 0

    def tap(sender: str, message: Outgoing) -> bytes:
        nonlocal seen
        if sender != side or message.is_secured or message[1] != code:
            return message
        seen += 1
        return edit(message) if first < seen <= first + only else message

    two.tap = tap


def _crooked(sign: Callable[..., SignatureCheck], edit: Edit) -> Callable[..., SignatureCheck]:
    """Return what signs a transcript whose last piece is changed."""

    def crooked(who: Any, pieces: Pieces, *args: Any, **account: Any) -> SignatureCheck:
        last = attrs.evolve(pieces[-1], data=edit(pieces[-1].data))
        return sign(who, (*pieces[:-1], last), *args, **account)

    return crooked


def signed_so(two: Pair, code: SpdmCode, edit: Edit) -> None:
    """Have the responder sign the changed message: its signature holds."""
    setattr(two.responder, "sign", _crooked(two.responder.sign, edit))  # noqa: B010  a method, on this object alone
    on_the_wire(two, code, edit)


def delivered(two: Pair, code: SpdmCode, edit: Edit) -> None:
    """Have the requester deliver a changed answer of an encapsulated flow."""

    def inner(message: bytes) -> bytes:
        return message[:4] + edit(message[4:]) if message[5:6] == bytes([code]) else message

    on_the_wire(two, SpdmCode.DELIVER_ENCAPSULATED_RESPONSE, inner, side="request")


def delivered_so(two: Pair, code: SpdmCode, edit: Edit) -> None:
    """Have the requester sign the changed answer of an encapsulated flow, and deliver that."""
    setattr(two.requester, "sign_by", _crooked(two.requester.sign_by, edit))  # noqa: B010  as above
    delivered(two, code, edit)


def sealed_so(two: Pair, code: SpdmCode, edit: Edit) -> None:
    """Have the responder change what it says in a session, before it seals it."""
    perform = two.responder.perform

    def crooked(call: Call) -> bytes:
        raw = perform(call)
        return edit(raw) if raw[1] == code else raw

    setattr(two.responder, "perform", crooked)  # noqa: B010  as above


# what has to come of it


def noticed(
    two: Pair,
    intent: Intent | SpdmMessage,
    session: int | None = None,
    error: type[Exception] = RemoteProtocolError,
    match: str | None = None,
) -> None:
    """The requester finds the lie, and neither connection nor session goes on as if nothing had been."""
    before = set(two.requester.sessions)
    with pytest.raises(error, match=match):
        two.run(intent, session)
    assert two.requester.is_idle
    if session is None:
        assert two.requester.state is ConnectionState.ERROR
        assert set(two.requester.sessions) == before
    else:
        assert session not in two.requester.sessions


def forged(two: Pair, intent: Intent, session: int | None = None) -> None:
    """The requester finds that a signature, an HMAC, a hash or a tag does not hold."""
    noticed(two, intent, session, VerificationError)


def in_clear(two: Pair, raw: bytes | str) -> bytes:
    """Say something to the responder outside any session; return its answer."""
    two.responder.receive(bytes.fromhex(raw) if isinstance(raw, str) else raw, now=two.now)
    answer = two.responder.bytes_to_send()
    assert answer is not None, "silence"
    assert not answer.is_secured
    return answer


def refused(two: Pair, raw: bytes | str, code: SpdmErrorCode, session: int | None = None) -> None:
    """The responder refuses it by that error, and its connection and its sessions are what they were."""
    data = bytes.fromhex(raw) if isinstance(raw, str) else raw
    before = _standing(two)
    if session is None:
        error = Error.parse_prefix(in_clear(two, data))[0]
    else:
        mine = two.requester.sessions[session]
        record = mine.seal(Side.REQUEST, data, two.requester.provider)
        two.responder.receive(record, now=two.now, is_secured=True)
        error = last_error(two, session)
    assert error.code is SpdmCode.ERROR
    assert error.error_code == code, error
    after = _standing(two)
    if code == SpdmErrorCode.DECRYPT_ERROR:  # what it was said in is over
        assert session not in after[1]
        after[1].update({session or 0: before[1][session or 0]})
    assert after == before


def _standing(two: Pair) -> tuple[ConnectionState, dict[int, SessionState]]:
    return two.responder.state, {number: session.state for number, session in two.responder.sessions.items()}


def with_hmac(two: Pair, session: Session, message: SpdmMessage) -> bytes:
    """Return FINISH or PSK_FINISH with verify data that hold over it, whatever else it says."""
    size = session.schedule.hash_algorithm.digest_size
    whole = message.replace(requester_verify_data=bytes(size))
    pieces = session.transcript.finish_hmac(whole.build()[:-size])
    mac = made_hmac(session.schedule, session.finished_key(Side.REQUEST), "forged", pieces)
    return whole.replace(requester_verify_data=mac.value).build()


# what lies of several kinds begin with

VENDOR: Final = VendorRequest(RegistryId.PCI_SIG, b"\x01\x00", b"hello")
FLOW: Final = MutualAuthentication.WITH_ENCAPSULATION


def unconnected(version: SpdmVersion = SpdmVersion.V1_2, **requester: Any) -> Pair:
    """Return two endpoints that have said nothing yet."""
    return pair(requester_config(versions=(version,), **requester), responder_config())


def turned_away(two: Pair, intent: Connect | StartSession | Authenticate, code: SpdmErrorCode) -> None:
    """The responder refuses what a lie on the wire has made of an intent."""
    with pytest.raises(SpdmPeerError) as error:
        two.run(intent)
    assert error.value.code == code
