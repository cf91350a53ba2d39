"""Hostile peers: whatever comes, an engine raises only what it documents, moves only by what held, and shows no secret.

A round draws a conversation from its seed: good exchanges, and between them everything that a peer must not send:
messages out of place, damaged, cut, too long, of other versions, records replayed, reordered, forged and in clear. Two
hundred rounds for each role run with every test run, ``make soak`` runs as many as it is told.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

import attrs

from pytio.errors import LocalProtocolError, ProtocolError, SpdmDecodeError, SpdmPeerError, VerificationError
from pytio.spdm.capabilities import RequesterCapabilities, ResponderCapabilities
from pytio.spdm.codes import MeasurementSummaryHashType, RegistryId, SpdmCode, SpdmErrorCode, SpdmVersion
from pytio.spdm.configuration import Limits, MutualAuthentication
from pytio.spdm.endpoint import Outgoing
from pytio.spdm.messages.error import Error
from pytio.spdm.requests import (
    Authenticate,
    Intent,
    KeepAlive,
    LeaveSession,
    Measure,
    ReadCertificate,
    ReadDigests,
    ReadMeasurementLog,
    RequestCertificate,
    StartPskSession,
    StartSession,
    UpdateKeys,
    VendorRequest,
)
from pytio.spdm.secured import RecordTransport
from pytio.spdm.session import Session, Side
from pytio.spdm.state import REQUEST_RULES, ConnectionState, SessionState
from tests.spdm.pair import PSK_HINT, Pair
from tests.spdm.test_engine_flows import Echo, mutual_pair

R, P = RequesterCapabilities, ResponderCapabilities
SEED: Final = 44
DOCUMENTED: Final = (SpdmPeerError, ProtocolError, VerificationError, SpdmDecodeError)
INTENTS: Final[tuple[Intent, ...]] = (
    ReadDigests(),
    ReadCertificate(),
    Measure(0),
    Measure(slot=0),
    ReadMeasurementLog(),
    RequestCertificate(),
    VendorRequest(RegistryId.PCI_SIG, b"\x01\x00", bytes(100)),
)
OUTSIDE: Final[tuple[Intent, ...]] = (
    Authenticate(summary=MeasurementSummaryHashType.ALL),
    StartSession(),
    StartSession(stops_before_finish=True),
    StartPskSession(PSK_HINT),
    StartPskSession(PSK_HINT, stops_before_finish=True),
)
INSIDE: Final[tuple[Intent, ...]] = (KeepAlive(), UpdateKeys(), LeaveSession())
CRAFTED: Final = (
    "12ed0000 ffff 0000",
    "12ed0000 0000 ffff",
    "13ef0000 ffffffff ffffffff",
    "13ef0000 00000000 ffffffff",
    "12e70000" + 64 * "00",
    "12e50000" + 64 * "00",
    "12e50100" + 160 * "00",
    "12850000 0000 0000 1a000000 ffffff7f" + 26 * "00",
    "12850000 0000 0000 ffffffff 64000000" + 26 * "00",
    "128600000000",
    "12eb0100 12010000",
    "12ea0000",
    "12ff8100",
    "12fe0000 ffff ff",
    "12ee0000 ffffffff 00",
    "13f0ff00 ffffffff",
    "13f10000 ffffffff",
    "12e90100",
    "12e90300",
    "12ec0000",
)
"""What a hostile requester says first."""


_NEGOTIATED: Final = REQUEST_RULES[SpdmCode.GET_DIGESTS].states


def new_pair(dice: random.Random) -> Pair:
    """Return two endpoints of some version that know each other."""
    version = dice.choice([version for version in SpdmVersion if version >= SpdmVersion.V1_1])
    flags = P.SET_CERT_CAP | P.CSR_CAP | P.PSK_CAP_WITH_CONTEXT | P.MUT_AUTH_CAP | P.MEL_CAP
    base = mutual_pair(SpdmVersion.V1_2)
    asking, answering = base.requester.config, base.responder.config
    size = dice.choice((64, 512, 4608))
    limits = Limits(data_transfer_size=size)
    way = dice.choice(list(MutualAuthentication))
    two = mutual_pair(
        version,
        in_clear=dice.random() < 0.3,
        mutual_authentication=way,
        transport=dice.choice((RecordTransport.PCI_DOE, RecordTransport.MCTP)),
        requester={"capabilities": asking.capabilities | R.PSK_CAP, "limits": limits},
        limits=limits,
        heartbeat_period_s=5,
        pre_shared_keys=answering.pre_shared_keys,
    )
    two.responder.config = attrs.evolve(two.responder.config, capabilities=two.responder.config.capabilities | flags)
    two.responder.register(Echo(), RegistryId.PCI_SIG, b"\x01\x00")
    two.connect()
    two.run(ReadCertificate())
    return two


def mutated(raw: bytes, dice: random.Random) -> bytes:
    """Return bytes that are not as they were."""
    data = bytearray(raw)
    for _ in range(dice.randrange(1, 4)):
        if not data:
            break
        at = min(dice.randrange(len(data)), dice.randrange(len(data)))
        kind = dice.randrange(5)
        if kind == 0:
            data[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            data[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            data += dice.randbytes(dice.randrange(1, 30))
        else:
            data[at : at + 2] = dice.randbytes(2)
    return bytes(data)


def act(two: Pair, dice: random.Random) -> None:
    """Have the requester do something legal; what it meets is documented."""
    handshaking = [n for n, session in two.requester.sessions.items() if session.state is SessionState.HANDSHAKING]
    established = [n for n, session in two.requester.sessions.items() if session.state is SessionState.ESTABLISHED]
    try:
        if handshaking and dice.random() < 0.5:
            two.requester.finish(dice.choice(handshaking), now=two.now)
            two.settle()
        elif established and dice.random() < 0.6:
            two.run(dice.choice(INTENTS + INSIDE), dice.choice(established))
        else:
            two.run(dice.choice(INTENTS + OUTSIDE))
    except DOCUMENTED:
        pass
    except AssertionError as error:
        if "waits for ever" not in str(error):  # no answer to a session that an attack has ended
            raise
        two.requester.abandon()
    if two.requester.state is ConnectionState.ERROR or two.responder.state not in _NEGOTIATED:
        two.requester.abandon()
        two.connect()
        two.run(ReadCertificate())


def secrets_of(sessions: list[Session]) -> list[bytes]:
    """Return what must never show."""
    return [
        session.direction(side).secret.reveal()
        for session in sessions
        for side in Side
        if session.state is not SessionState.ENDED
    ]


def in_session(two: Pair, raw: bytes, dice: random.Random) -> tuple[bytes, bool]:
    """Seal bytes for a session that lives, if there is one and chance has it."""
    alive = list(two.requester.sessions.values())
    if not alive or dice.random() < 0.4:
        return raw, False
    return dice.choice(alive).seal(Side.REQUEST, raw, two.requester.provider), True


def attacks(two: Pair, dice: random.Random) -> tuple[bytes, bool]:
    """Return something that no good requester sends here and now, and whether it is said to be a record."""
    said = [message for side, message in two.wire if side == "request"]
    kind = dice.randrange(6)
    if kind == 0:
        return dice.choice(said), dice.random() < 0.5  # replayed, or in clear what was secured
    if kind == 1:
        message = dice.choice(said)
        return mutated(message, dice), message.is_secured
    if kind == 2:
        crafted = bytearray.fromhex(dice.choice(CRAFTED))
        crafted[0] = two.requester.version if dice.random() < 0.9 else dice.randrange(256)
        return in_session(two, bytes(crafted), dice)
    if kind == 3:
        clear = [message for message in said if not message.is_secured]
        return in_session(two, mutated(dice.choice(clear), dice), dice)
    if kind == 4:
        return dice.randbytes(dice.randrange(40)), dice.random() < 0.5
    code = dice.choice([code for code in SpdmCode if code.is_request and code is not SpdmCode.GET_VERSION])
    return in_session(two, bytes([two.requester.version, code]) + dice.randbytes(dice.randrange(2, 60)), dice)


def strike(two: Pair, dice: random.Random) -> None:
    """Send one attack; the responder answers, or is silent, and its state moves by nothing that it refused."""
    raw, is_secured = attacks(two, dice)
    state, sessions = two.responder.state, {n: s.state for n, s in two.responder.sessions.items()}
    events = two.responder.receive(raw, now=two.now, is_secured=is_secured)
    answers = list(iter(two.responder.bytes_to_send, None))
    assert len(answers) <= 1
    secrets = secrets_of(list(two.responder.sessions.values()))
    shown = repr(events) + repr(two.responder)
    for secret in secrets:
        assert secret.hex() not in shown
        assert all(answer.find(secret) < 0 for answer in answers)
    if answers and not answers[0].is_secured and answers[0][1] == SpdmCode.ERROR:
        if Error.parse(answers[0]).error_code == SpdmErrorCode.LARGE_RESPONSE:
            return  # an answer after all
        assert two.responder.state is state
        assert set(two.responder.sessions) <= set(sessions)
        for number, session in two.responder.sessions.items():
            assert session.state is sessions[number]


def test_hostile_requesters(soak_rounds: int) -> None:
    for seed in range(soak_rounds // 4):
        dice = random.Random((SEED, seed).__repr__())
        two = new_pair(dice)
        for _ in range(12):
            act(two, dice)
            for _ in range(dice.randrange(3)):
                strike(two, dice)
        two.tap = None
        two.responder.is_busy = False
        two.connect()
        two.run(ReadCertificate())
        two.run(Authenticate())
        two.run(Measure(slot=0))
        two.run(StartSession())


# the other way round


@attrs.define
class Liar:
    """Answers for the responder: mostly as it does, sometimes not."""

    two: Pair
    dice: random.Random
    heard: list[Outgoing] = attrs.field(factory=list)

    def __call__(self, side: str, message: Outgoing) -> bytes:
        if side == "request":
            return message
        self.heard.append(message)
        if self.dice.random() < 0.8:
            return message
        lies: list[Callable[[], bytes]] = [
            lambda: mutated(message, self.dice),
            lambda: bytes(self.dice.choice(self.heard)),
            lambda: self.dice.randbytes(self.dice.randrange(60)),
            self.error,
            lambda: bytes([message[0], self.dice.randrange(0x80)]) + self.dice.randbytes(self.dice.randrange(2, 60)),
        ]
        return self.dice.choice(lies)()

    def error(self) -> bytes:
        """Return an ERROR of some kind, with whatever data."""
        code = self.dice.choice(list(SpdmErrorCode))
        head = bytes([self.two.requester.version, SpdmCode.ERROR, code, 0])
        return head + self.dice.randbytes(self.dice.randrange(6))


def lie_to(two: Pair, dice: random.Random) -> None:
    """Have the requester do something with a responder that lies."""
    established = [n for n, session in two.requester.sessions.items() if session.state is SessionState.ESTABLISHED]
    intent: Any = dice.choice(INTENTS + OUTSIDE)
    session = None
    if established and dice.random() < 0.5:
        intent, session = dice.choice(INTENTS + INSIDE), dice.choice(established)
    was_authenticated = two.requester.state is ConnectionState.AUTHENTICATED
    before = dict(two.requester.sessions)
    secrets = secrets_of(list(before.values()))
    try:
        two.run(intent, session)
    except LocalProtocolError:
        return
    except DOCUMENTED as error:
        shown = f"{error!r} {error} {two.requester!r}"
        assert not any(secret.hex() in shown for secret in secrets)
        if not was_authenticated and isinstance(error, VerificationError):
            assert two.requester.state is not ConnectionState.AUTHENTICATED
        for number in set(two.requester.sessions) - set(before):
            assert two.requester.sessions[number].state is not SessionState.ENDED
    except AssertionError as error:
        if "waits for ever" not in str(error):  # a lost answer: its driver would time out
            raise
        two.requester.abandon()


def test_hostile_responders(soak_rounds: int) -> None:
    for seed in range(soak_rounds // 4):
        dice = random.Random((SEED, "responder", seed).__repr__())
        two = new_pair(dice)
        for _ in range(12):
            two.tap = Liar(two, dice)
            lie_to(two, dice)
            two.tap = None
            while two.requester.bytes_to_send() is not None or two.responder.bytes_to_send() is not None:
                pass
            if two.requester.state is ConnectionState.ERROR or not two.requester.is_idle or dice.random() < 0.2:
                two.requester.abandon()
                two.connect()
                two.run(ReadCertificate())
        two.requester.abandon()
        two.connect()
        two.run(ReadCertificate())
        two.run(Authenticate())
        two.run(StartSession())
