"""What is put off, in chunks, or asked by the responder, and answered wrongly."""

from __future__ import annotations

import random

from pytio.spdm.codes import SpdmCode, SpdmVersion
from pytio.spdm.requests import Authenticate, ReadDigests
from tests.soak.hostile.judging import OfResponder, kind_of
from tests.soak.hostile.requesters import KINDS, WIDE, drawn, somewhere
from tests.soak.hostile.scenes import IN_SESSION, Flavour, Stage, enter, scene

V1_2, V1_3 = SpdmVersion.V1_2, SpdmVersion.V1_3


# underneath


@kind_of(KINDS, 4)
def chunks_out_of_order(dice: random.Random) -> OfResponder:
    victim = drawn(dice, Stage.NEGOTIATED, Stage.KNOWN, since=V1_2, flavours=(Flavour.NARROW,))
    version, two = victim.where.version, victim.two
    width = 4 if version >= SpdmVersion.V1_4 else 2

    def send(number: int, part: bytes, *, total: int | None = None, last: bool = False, handle: int = 0) -> bytes:
        head = bytes([version, SpdmCode.CHUNK_SEND, last, handle]) + number.to_bytes(width, "little")
        size = len(part).to_bytes(4, "little") + (b"" if total is None else total.to_bytes(4, "little"))
        return head + bytes(4 - width) + size + part

    part = dice.randbytes(40)
    kind = dice.randrange(7)
    if kind == 0:  # nothing to fetch
        victim.strike(bytes([version, SpdmCode.CHUNK_GET, 0, dice.randrange(256)]) + bytes(width))
    elif kind == 1:
        victim.strike(send(dice.randrange(1, 0xFFFF), part))
    elif kind == 2:
        victim.strike(send(0, part, total=dice.choice((0, 39, 40, 41, 0x10001, 0x7FFFFFFF, 0xFFFFFFFF))))
    elif kind == 3:
        victim.strike(send(0, part, total=100, last=True))
    else:
        two.responder.receive(send(0, part, total=100), now=two.now)
        two.responder.bytes_to_send()
        wrong = dice.choice(
            (
                send(dice.randrange(2, 0xFFFF), part),
                send(1, part, handle=dice.randrange(1, 256)),
                send(1, dice.randbytes(61)),
                send(1, part, last=True),
                send(1, dice.randbytes(52) + part),
                bytes([version, SpdmCode.GET_DIGESTS, 0, 0]),
                bytes([version, SpdmCode.CHUNK_GET, 0, 0]) + bytes(width),
            )
        )
        victim.strike(wrong)
    return victim


@kind_of(KINDS, 3)
def chunks_fetched_out_of_order(dice: random.Random) -> OfResponder:
    victim = drawn(dice, Stage.KNOWN, since=V1_2, flavours=(Flavour.NARROW,))
    version, two = victim.where.version, victim.two
    two.responder.receive(bytes([version, SpdmCode.GET_DIGESTS, 0, 0]), now=two.now)
    error = two.responder.bytes_to_send()
    assert error is not None
    handle = error[4]
    width = 4 if version >= SpdmVersion.V1_4 else 2
    wrong = dice.choice(((handle, dice.randrange(1, 0xFFFF)), (handle ^ dice.randrange(1, 256), 0)))
    raw = bytes([version, SpdmCode.CHUNK_GET, 0, wrong[0]]) + wrong[1].to_bytes(width, "little")
    victim.strike(dice.choice((raw, raw, bytes([version, SpdmCode.GET_DIGESTS, 0, 0]))))
    return victim


@kind_of(KINDS, 3)
def ready_too_early(dice: random.Random) -> OfResponder:
    """RESPOND_IF_READY for nothing, for something else, by another token, or somewhere else."""
    where = scene(dice, Stage.KNOWN, *IN_SESSION, flavours=WIDE)
    is_deferred = dice.random() < 0.7
    deferred = {"deferred_s": {SpdmCode.GET_DIGESTS: 1}} if is_deferred else {}
    victim = OfResponder(where, enter(where, answering=deferred), dice)
    two, version = victim.two, where.version
    token = dice.randrange(256)
    if is_deferred:
        two.responder.receive(bytes([version, SpdmCode.GET_DIGESTS, 0, 0]), now=two.now)
        answer = two.responder.bytes_to_send()
        assert answer is not None
        two.now += 2
        if where.stage in IN_SESSION and dice.random() < 0.5:
            victim.strike_in(
                victim.session(), bytes([version, SpdmCode.RESPOND_IF_READY, SpdmCode.GET_DIGESTS, answer[6]])
            )
            return victim
        token = answer[6] ^ dice.randrange(1, 256)
    victim.strike(bytes([version, SpdmCode.RESPOND_IF_READY, SpdmCode.GET_DIGESTS, token]))
    return victim


# the encapsulated flow


@kind_of(KINDS, 4)
def wrong_answers_to_questions(dice: random.Random) -> OfResponder:
    victim = drawn(dice, Stage.KNOWN, *IN_SESSION, flavours=WIDE)
    two, version = victim.two, victim.where.version
    get = bytes([version, SpdmCode.GET_ENCAPSULATED_REQUEST, 0, 0])

    def deliver(number: int, inner: bytes) -> bytes:
        return bytes([version, SpdmCode.DELIVER_ENCAPSULATED_RESPONSE, number, 0]) + inner

    digests = two.requester.identity.digests().build()
    kind = dice.randrange(4)
    if kind == 0:  # nothing was asked
        somewhere(victim, dice.choice((get, deliver(dice.randrange(256), digests))))
        return victim
    two.responder.ask(ReadDigests(), Authenticate())
    two.responder.receive(get, now=two.now)
    two.responder.bytes_to_send()
    if kind == 1:
        victim.strike(deliver(dice.choice([0, *range(2, 256)]), digests))
    elif kind == 2:
        wrong = dice.choice([code for code in SpdmCode if code is not SpdmCode.DIGESTS])
        inner = bytes([version, wrong, dice.choice((1, 3, 5, 0x41)), 0]) + dice.randbytes(dice.randrange(60))
        victim.strike(deliver(1, inner))
    else:
        two.responder.receive(deliver(1, digests), now=two.now)
        two.responder.bytes_to_send()
        size = two.responder.hash_algorithm.digest_size
        auth = bytes([version, SpdmCode.CHALLENGE_AUTH, 0, 1]) + dice.randbytes(size + 32) + bytes(2)
        auth += (bytes(8) if version >= V1_3 else b"") + dice.randbytes(96)
        victim.strike(deliver(2, auth))
    return victim
