"""Chunks and questions that break a rule."""

from __future__ import annotations

import random

from pytio.spdm.codes import SpdmCode, SpdmErrorCode, SpdmVersion
from pytio.spdm.requests import AnswerEncapsulated, ReadCertificate, ReadDigests, ReadEndpointInfo
from tests.soak.hostile.judging import OfRequester, kind_of
from tests.soak.hostile.responders import HELLO, KINDS, WIDE, drawn
from tests.soak.hostile.scenes import Flavour, Stage
from tests.spdm.lies.telling import Edit, flip, on_the_wire, put

V1_2, V1_3, V1_4 = SpdmVersion.V1_2, SpdmVersion.V1_3, SpdmVersion.V1_4


# underneath


@kind_of(KINDS, 4)
def chunks_out_of_order(dice: random.Random) -> OfRequester:
    victim = drawn(dice, Stage.KNOWN, since=V1_2, flavours=(Flavour.NARROW,))
    total_at = 12
    first = dice.randrange(2)
    edits: list[Edit] = [
        flip(3, 1 << dice.randrange(8)),
        flip(4, 2 << dice.randrange(7)),
        put(0, victim.where.version ^ 1),
        lambda m: bytes(m[:2]) + bytes([m[2] ^ 1]) + bytes(m[3:]),
        lambda m: bytes([victim.where.version, SpdmCode.ERROR, SpdmErrorCode.LARGE_RESPONSE, 0, m[3]]),
    ]
    if not first:
        size = dice.choice((0, 1, 64, 0x10001, 0x7FFFFFFF, 0xFFFFFFFF))
        edits += [lambda m: bytes(m[:total_at]) + size.to_bytes(4, "little") + bytes(m[total_at + 4 :])] * 4
    on_the_wire(victim.two, SpdmCode.CHUNK_RESPONSE, dice.choice(edits), first=first, only=1)
    victim.ask(ReadCertificate())
    return victim


@kind_of(KINDS, 3)
def wrong_acknowledgements_of_chunks(dice: random.Random) -> OfRequester:
    victim = drawn(dice, Stage.KNOWN, since=V1_2, flavours=(Flavour.NARROW,))
    width = 4 if victim.where.version >= V1_4 else 2
    edit = flip(3 + dice.randrange(1 + width), 1 << dice.randrange(8))
    on_the_wire(victim.two, SpdmCode.CHUNK_SEND_ACK, edit, first=dice.randrange(2), only=1)
    victim.ask(HELLO)
    return victim


# the encapsulated flow


@kind_of(KINDS, 4)
def wrong_questions(dice: random.Random) -> OfRequester:
    victim = drawn(dice, Stage.KNOWN, flavours=WIDE)
    two, version = victim.two, victim.where.version
    two.responder.ask(ReadDigests(), ReadCertificate())
    kind = dice.randrange(3)
    if kind == 0:  # no request at all, or of another version
        inner = dice.choice((b"", b"\x12", bytes([version ^ 1, SpdmCode.GET_DIGESTS, 0, 0]), dice.randbytes(3)))
        on_the_wire(two, SpdmCode.ENCAPSULATED_REQUEST, lambda m: bytes(m[:4]) + inner)
        victim.ask(AnswerEncapsulated())
    elif kind == 1 and version >= V1_2:
        on_the_wire(two, SpdmCode.ENCAPSULATED_RESPONSE_ACK, flip(4, 1 << dice.randrange(8)), only=1)
        victim.ask(AnswerEncapsulated())
    else:
        code = dice.choice([code for code in SpdmCode if code.is_request])
        inner = bytes([version, code]) + dice.randbytes(dice.randrange(2, 50))
        on_the_wire(two, SpdmCode.ENCAPSULATED_REQUEST, lambda m: bytes(m[:4]) + inner)
        victim.ask(AnswerEncapsulated(), must_fail=False)
    return victim


@kind_of(KINDS, 2)
def endpoint_information_that_was_changed(dice: random.Random) -> OfRequester:
    victim = drawn(dice, Stage.KNOWN, since=V1_3, flavours=WIDE)
    where, bit = dice.random(), 1 << dice.randrange(8)
    on_the_wire(victim.two, SpdmCode.ENDPOINT_INFO, lambda m: flip(4 + int(where * (len(m) - 4)), bit)(m))
    victim.ask(ReadEndpointInfo(slot=0))
    return victim
