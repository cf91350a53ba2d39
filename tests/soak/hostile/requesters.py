"""Kinds of hostile requesters: each sets a scene, says what no honest requester says, and has the responder judged."""

from __future__ import annotations

import random
from typing import Final

import attrs

from pytio.crypto import Certificate, ChainRole, digest
from pytio.spdm import capability_rules
from pytio.spdm.algorithms import BaseAsymAlgo
from pytio.spdm.capabilities import RequesterCapabilities
from pytio.spdm.certificate_chain import CertificateChain
from pytio.spdm.codes import CertificateModel, KeyUpdateOperation, SpdmCode, SpdmVersion
from pytio.spdm.configuration import Limits, Slot, Trust
from pytio.spdm.endpoint import Outgoing
from pytio.spdm.events import PeerAuthenticated
from pytio.spdm.messages.capabilities import GetCapabilities
from pytio.spdm.messages.key_exchange import Finish
from pytio.spdm.messages.provisioning import SetCertificate
from pytio.spdm.messages.psk import PskFinish
from pytio.spdm.requests import (
    Authenticate,
    Measure,
    ReadCertificate,
    ReadDigests,
    StartPskSession,
    StartSession,
)
from pytio.spdm.secured import RecordHeader, RecordPlaintext
from pytio.spdm.session import Session, Side
from pytio.spdm.state import SessionState
from tests.soak.hostile.chains import BENT, bent, spoilt
from tests.soak.hostile.judging import DOCUMENTED, Kind, OfResponder, kind_of
from tests.soak.hostile.scenes import FLAVOURS, IN_SESSION, Flavour, Scene, Stage, enter, scene
from tests.spdm.lies.telling import flip, with_hmac
from tests.spdm.pair import PSK_HINT, identity

__all__ = ("KINDS", "mutated")

KINDS: Final[dict[str, Kind]] = {}
V1_1, V1_2, V1_3 = SpdmVersion.V1_1, SpdmVersion.V1_2, SpdmVersion.V1_3
_HANDSHAKES: Final = tuple(flavour for flavour in FLAVOURS if flavour is not Flavour.CLEAR)
_ANY: Final = (Stage.NEGOTIATED, Stage.KNOWN, Stage.KEY_EXCHANGED, Stage.PSK_EXCHANGED, *IN_SESSION)
_WIDE: Final = tuple(flavour for flavour in FLAVOURS if flavour is not Flavour.NARROW)


def mutated(raw: bytes, dice: random.Random) -> bytes:
    """Return bytes that are not as they were."""
    data = bytearray(raw)
    while bytes(data) == raw:
        for _ in range(dice.randrange(1, 4)):
            at = min(dice.randrange(len(data) or 1), dice.randrange(len(data) or 1))
            kind = dice.randrange(5)
            if kind == 0 and data:
                data[at] ^= 1 << dice.randrange(8)
            elif kind == 1 and data:
                data[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF))
            elif kind == 2:
                del data[at:]
            elif kind == 3:
                data += dice.randbytes(dice.randrange(1, 30))
            else:
                data[at : at + 2] = dice.randbytes(2)
    return bytes(data)


def _victim(
    dice: random.Random,
    *stages: Stage,
    since: SpdmVersion = V1_1,
    flavours: tuple[Flavour, ...] = FLAVOURS,
) -> OfResponder:
    where = scene(dice, *stages, since=since, flavours=flavours)
    return OfResponder(where, enter(where), dice)


def _requests(victim: OfResponder, *, in_clear: bool = True) -> list[Outgoing]:
    """Return what the requester said on the way."""
    return [m for side, m in victim.two.wire if side == "request" and m.is_secured is not in_clear]


def _somewhere(victim: OfResponder, raw: bytes, *, must_fail: bool = True) -> bytes:
    """Say something in a session that lives, or outside any."""
    if victim.two.requester.sessions and victim.dice.random() < 0.6:
        return victim.strike_in(victim.session(), raw, must_fail=must_fail)
    return victim.strike(raw, must_fail=must_fail)


# handshakes


def _finish(victim: OfResponder, mine: Session, kind: type[Finish | PskFinish]) -> bytes:
    """Return FINISH or PSK_FINISH with verify data that hold, or, as it comes, damaged."""
    raw = with_hmac(victim.two, mine, kind(version=victim.where.version, requester_verify_data=b""))
    return raw if victim.dice.random() < 0.6 else flip(victim.dice.randrange(4, len(raw)))(raw)


@kind_of(KINDS, 4)
def psk_finish_after_key_exchange(dice: random.Random) -> OfResponder:
    victim = _victim(dice, Stage.KEY_EXCHANGED)
    mine = victim.session()
    victim.strike_in(mine, _finish(victim, mine, PskFinish))
    if victim.where.flavour in _HANDSHAKES:
        victim.two.requester.finish(mine.session_id, now=victim.two.now)
        victim.two.settle()
    return victim


@kind_of(KINDS, 4)
def finish_after_psk_exchange(dice: random.Random) -> OfResponder:
    victim = _victim(dice, Stage.PSK_EXCHANGED)
    mine = victim.session()
    victim.strike_in(mine, _finish(victim, mine, Finish))
    victim.two.requester.finish(mine.session_id, now=victim.two.now)
    victim.two.settle()
    return victim


@kind_of(KINDS, 4)
def forged_finish(dice: random.Random) -> OfResponder:
    victim = _victim(dice, Stage.KEY_EXCHANGED, Stage.PSK_EXCHANGED)
    mine = victim.session()
    message = (PskFinish if mine.is_psk else Finish)(version=victim.where.version, requester_verify_data=b"")
    raw = with_hmac(victim.two, mine, message)
    raw = raw[:4] + flip(dice.randrange(len(raw) - 4), 1 << dice.randrange(8))(raw[4:])
    if victim.where.flavour is Flavour.CLEAR and not mine.is_psk:
        victim.strike(raw)
    else:
        victim.strike_in(mine, raw)
    return victim


@kind_of(KINDS, 2)
def finish_of_another_slot(dice: random.Random) -> OfResponder:
    victim = _victim(dice, Stage.KEY_EXCHANGED)
    mine = victim.session()
    message = Finish(version=victim.where.version, req_slot_id=dice.randrange(1, 256), requester_verify_data=b"")
    raw = with_hmac(victim.two, mine, message)
    victim.strike_in(mine, raw) if victim.where.flavour in _HANDSHAKES else victim.strike(raw)
    return victim


@kind_of(KINDS, 3)
def bad_key_exchange(dice: random.Random) -> OfResponder:
    """No point of the curve, no slot, no version of records, or one session too many."""
    where = scene(dice, Stage.KNOWN, *IN_SESSION, flavours=_WIDE)
    kind = dice.randrange(4)
    limits = Limits(max_sessions=1 if kind == 3 and where.stage in IN_SESSION else 4)
    victim = OfResponder(where, enter(where, answering={"limits": limits}), dice)
    two = victim.two
    two.requester.send(StartSession(), now=two.now)
    request = two.requester.bytes_to_send()
    assert request is not None
    raw = bytearray(request)
    if kind == 0 or (kind == 3 and limits.max_sessions > 1):
        raw[40:72] = dice.randbytes(32)
    elif kind == 1:
        raw[3] = dice.randrange(1, 255)
    elif kind == 2:
        raw[2] = dice.randrange(2, 255)
    victim.strike(bytes(raw))
    return victim


# lengths


@kind_of(KINDS, 4)
def csr_lengths(dice: random.Random) -> OfResponder:
    victim = _victim(dice, Stage.KNOWN, *IN_SESSION, since=V1_2)
    body = dice.randbytes(dice.randrange(40))
    claimed = [len(body) + dice.randrange(1, 0xFF00), dice.randrange(0x100)]
    dice.shuffle(claimed)
    head = bytes([victim.where.version, SpdmCode.GET_CSR, 0, 0])
    lengths = b"".join(length.to_bytes(2, "little") for length in claimed)
    raw = head + lengths + body
    if dice.random() < 0.3:  # lengths that are right, of what is no DER
        info = b"\x30\x84" + dice.randbytes(dice.randrange(2, 40))
        raw = head + len(info).to_bytes(2, "little") + bytes(2) + info
    _somewhere(victim, raw)
    return victim


@kind_of(KINDS, 4)
def mel_lengths(dice: random.Random) -> OfResponder:
    victim = _victim(dice, Stage.KNOWN, *IN_SESSION, since=V1_3)
    log = len(victim.two.responder.config.measurement_log.build())
    head = bytes([victim.where.version, SpdmCode.GET_MEASUREMENT_EXTENSION_LOG, 0, 0])
    if dice.random() < 0.6:
        offset = dice.choice((log, log + 1, 0x7FFFFFFF, 0xFFFFFFFF, dice.randrange(log, 1 << 32)))
        _somewhere(victim, head + offset.to_bytes(4, "little") + dice.randbytes(4))
    else:  # more than there is: no more comes than there is
        offset = dice.randrange(log)
        length = dice.choice((0xFFFFFFFF, 0x80000000, 0xFFFFFFFF - offset, log))
        raw = head + offset.to_bytes(4, "little") + length.to_bytes(4, "little")
        answer = victim.strike(raw, must_fail=False)
        assert len(answer) == 12 + log - offset or answer[1] == SpdmCode.ERROR
    return victim


@kind_of(KINDS, 2)
def certificate_lengths(dice: random.Random) -> OfResponder:
    victim = _victim(dice, Stage.KNOWN, *IN_SESSION)
    chain = len(victim.two.responder.slots.slots[0].chain(victim.two.responder.hash_algorithm))
    offset, length = dice.randrange(chain, 0x10000), dice.randrange(0x10000)
    if dice.random() < 0.3:
        offset, length = dice.randrange(chain), 0
    head = bytes([victim.where.version, SpdmCode.GET_CERTIFICATE, 0, 0])
    _somewhere(victim, head + offset.to_bytes(2, "little") + length.to_bytes(2, "little"))
    return victim


# what has to be secured


@kind_of(KINDS, 4)
def in_clear_what_must_be_secured(dice: random.Random) -> OfResponder:
    victim = _victim(dice, Stage.KEY_EXCHANGED, Stage.PSK_EXCHANGED, *IN_SESSION, flavours=_HANDSHAKES)
    version, mine = victim.where.version, victim.session()
    bare = [SpdmCode.HEARTBEAT, SpdmCode.KEY_UPDATE, SpdmCode.END_SESSION]
    if version >= V1_3:
        bare += [SpdmCode.GET_SUPPORTED_EVENT_TYPES, SpdmCode.SUBSCRIBE_EVENT_TYPES, SpdmCode.SEND_EVENT]
    said = [bytes([version, code, dice.randrange(4), dice.randrange(4)]) for code in bare]
    finish: type[Finish | PskFinish] = dice.choice((Finish, PskFinish))
    said.append(with_hmac(victim.two, mine, finish(version=version, requester_verify_data=b"")))
    if version >= V1_2:
        said.append(_installing(victim, _own_chain(), slot=dice.randrange(1, 8)))
    victim.strike(dice.choice(said))
    return victim


# records


@kind_of(KINDS, 4)
def replayed_record(dice: random.Random) -> OfResponder:
    victim = _victim(dice, *IN_SESSION)
    if dice.random() < 0.5:
        victim.strike(dice.choice(_requests(victim, in_clear=False)), is_secured=True)
        return victim
    record = victim.seal(victim.session(), bytes([victim.where.version, SpdmCode.GET_DIGESTS, 0, 0]))
    victim.strike(record, is_secured=True, must_fail=False)
    victim.strike(record, is_secured=True)
    return victim


@kind_of(KINDS, 4)
def wrong_sequence_number(dice: random.Random) -> OfResponder:
    victim = _victim(dice, *IN_SESSION)
    mine = victim.session()
    cipher = mine.direction(Side.REQUEST).cipher
    raw = bytes([victim.where.version, SpdmCode.GET_DIGESTS, 0, 0])
    if mine.rules.form.sequence_bytes and dice.random() < 0.5:  # the tag holds over a number that is wrong
        victim.strike(_record(mine, raw, dice.randrange(0x10000) ^ 0x8000), is_secured=True)
    else:
        cipher.skip(dice.choice((1, 2, 255, 65536, 1 << 40)))
        victim.strike(victim.seal(mine, raw), is_secured=True)
    return victim


def _record(mine: Session, raw: bytes, number: int, side: Side = Side.REQUEST) -> bytes:
    """Seal a message below a header that states another sequence number."""
    cipher = mine.direction(side).cipher
    wrapped = mine.rules.framing.wrap(raw)
    is_encrypted = cipher.protection.name == "ENCRYPT_AND_MAC"
    payload = RecordPlaintext(application_data=wrapped).build() if is_encrypted else wrapped
    header = RecordHeader(
        session_id=mine.session_id,
        sequence_number=number.to_bytes(mine.rules.form.sequence_bytes, "little"),
        length=cipher.body_size(len(payload)),
    ).build()
    return header + cipher.seal(header, payload)


@kind_of(KINDS, 4)
def forged_record(dice: random.Random) -> OfResponder:
    victim = _victim(dice, Stage.KEY_EXCHANGED, Stage.PSK_EXCHANGED, *IN_SESSION)
    mine = victim.session()
    record = victim.seal(mine, bytes([victim.where.version, SpdmCode.GET_DIGESTS, 0, 0]))
    kind = dice.randrange(4)
    if kind == 0:
        record = record[: dice.randrange(len(record))]
    elif kind == 1:
        record = record[:4] + dice.randbytes(len(record) - 4)
    elif kind == 2 and victim.where.stage is Stage.TWO:  # from one session into the other
        (other,) = set(victim.two.requester.sessions) - {mine.session_id}
        record = other.to_bytes(4, "little") + record[4:]
    else:
        record = flip(dice.randrange(len(record)), 1 << dice.randrange(8))(record)
    victim.strike(record, is_secured=True)
    return victim


@kind_of(KINDS, 2)
def reflected_record(dice: random.Random) -> OfResponder:
    """What the responder said comes back to it."""
    victim = _victim(dice, *IN_SESSION)
    said = [message for side, message in victim.two.wire if side == "response" and message.is_secured]
    victim.strike(dice.choice(said), is_secured=True)
    return victim


# chains


def _own_chain() -> tuple[bytes, ...]:
    return identity(BaseAsymAlgo.ECDSA_P256).certificates


def _installing(victim: OfResponder, certificates: tuple[bytes, ...], slot: int = 0) -> bytes:
    """Return SET_CERTIFICATE with a chain."""
    responder = victim.two.responder
    root_hash = digest(responder.hash_algorithm, certificates[0])
    chain = CertificateChain(root_hash=root_hash, certificate_list=b"".join(certificates)).build()
    several = responder.negotiated.is_responder_multi_key
    return SetCertificate(
        version=victim.where.version,
        slot_id=slot,
        key_pair_id=1 if several else 0,
        certificate_model=CertificateModel.DEVICE_CERT if several else CertificateModel.NONE,
        chain_content=chain[4:],
    ).build()


@kind_of(KINDS, 4)
def installed_chain_that_breaks_a_rule(dice: random.Random) -> OfResponder:
    where = scene(dice, Stage.KNOWN, *IN_SESSION, since=V1_2, flavours=_WIDE)
    victim = OfResponder(where, enter(where, answering={"checks_installed_keys": False}), dice)
    number = dice.randrange(BENT + 1)
    certificates = (
        bent(number, "P-256", ChainRole.RESPONDER) if number < BENT else spoilt(_own_chain(), dice.randrange(99))
    )
    _somewhere(victim, _installing(victim, certificates))
    return victim


@kind_of(KINDS, 2)
def own_chain_that_breaks_a_rule(dice: random.Random) -> OfResponder:
    """The requester authenticates itself by such a chain, and its root is trusted."""
    where = scene(dice, Stage.KNOWN, flavours=(Flavour.MUTUAL, Flavour.DIGESTS))
    certificates = bent(dice.randrange(BENT), "P-384", ChainRole.REQUESTER)
    trust = Trust(roots=(Certificate(certificates[0]),))
    victim = OfResponder(where, enter(where, answering={"trust": trust}), dice)
    two = victim.two
    two.requester.slots.slots[0] = Slot(certificates)
    victim.messages += 1
    try:
        two.run(StartSession())
    except DOCUMENTED as error:
        victim.shows_nothing(error, two.answered)
    else:
        raise AssertionError("a chain that breaks a rule was believed")
    assert not any(isinstance(event, PeerAuthenticated) for event in two.answered)
    assert not any(session.is_mutual for session in two.responder.sessions.values())
    two.requester.slots.slots[0] = two.requester.config.slots[0]
    two.responder.config = attrs.evolve(two.responder.config, trust=enter(where).responder.config.trust)
    return victim


# out of place


@kind_of(KINDS, 3)
def before_its_time(dice: random.Random) -> OfResponder:
    """Anything but GET_VERSION, to who has heard nothing; anything but GET_CAPABILITIES after that."""
    where = scene(dice, Stage.KNOWN, since=SpdmVersion.V1_0)
    said = [m for side, m in enter(where).wire if side == "request" and m[1] not in _FIRST]
    victim = OfResponder(attrs.evolve(where, stage=Stage.BARE), enter(attrs.evolve(where, stage=Stage.BARE)), dice)
    if dice.random() < 0.5:
        victim.two.responder.receive(bytes.fromhex("10840000"), now=victim.two.now)
        victim.two.responder.bytes_to_send()
    victim.strike(dice.choice(said))
    return victim


_FIRST: Final = (SpdmCode.GET_VERSION, SpdmCode.GET_CAPABILITIES)


@kind_of(KINDS, 3)
def negotiated_once_more(dice: random.Random) -> OfResponder:
    victim = _victim(dice, *_ANY)
    again = [m for m in _requests(victim) if m[1] in (SpdmCode.GET_CAPABILITIES, SpdmCode.NEGOTIATE_ALGORITHMS)]
    _somewhere(victim, dice.choice(again))
    return victim


@kind_of(KINDS, 3)
def in_the_wrong_place(dice: random.Random) -> OfResponder:
    """In a handshake what belongs behind it, in a session what belongs outside."""
    victim = _victim(dice, Stage.KEY_EXCHANGED, Stage.PSK_EXCHANGED, *IN_SESSION)
    outside = [SpdmCode.GET_VERSION, SpdmCode.CHALLENGE, SpdmCode.KEY_EXCHANGE, SpdmCode.PSK_EXCHANGE]
    if victim.where.stage not in IN_SESSION:
        outside += [SpdmCode.GET_DIGESTS, SpdmCode.GET_MEASUREMENTS, SpdmCode.END_SESSION, SpdmCode.HEARTBEAT]
    else:
        outside += [SpdmCode.FINISH, SpdmCode.PSK_FINISH]
    code = dice.choice(outside)
    version = SpdmVersion.V1_0 if code is SpdmCode.GET_VERSION else victim.where.version
    victim.strike_in(victim.session(), bytes([version, code, 0, 0]) + dice.randbytes(dice.choice((0, 32, 200))))
    return victim


@kind_of(KINDS, 3)
def wrong_version(dice: random.Random) -> OfResponder:
    victim = _victim(dice, *_ANY)
    said = dice.choice([m for m in _requests(victim) if m[1] not in _FIRST])
    wrong = dice.choice([value for value in range(256) if value != victim.where.version])
    _somewhere(victim, bytes([wrong]) + said[1:])
    return victim


# damage


@kind_of(KINDS, 10)
def damaged_in_clear(dice: random.Random) -> OfResponder:
    victim = _victim(dice, Stage.BARE, *_ANY, since=SpdmVersion.V1_0)
    said = _requests(victim) or _requests(OfResponder(victim.where, enter(_later(victim)), dice))
    for _ in range(dice.randrange(1, 4)):
        victim.strike(mutated(dice.choice(said), dice), must_fail=False)
    return victim


def _later(victim: OfResponder) -> Scene:
    return attrs.evolve(victim.where, stage=Stage.KNOWN)


@kind_of(KINDS, 8)
def damaged_in_a_session(dice: random.Random) -> OfResponder:
    victim = _victim(dice, Stage.KEY_EXCHANGED, Stage.PSK_EXCHANGED, *IN_SESSION)
    for _ in range(dice.randrange(1, 4)):
        mine = victim.session()
        if mine.session_id not in victim.two.responder.sessions:
            break
        victim.strike_in(mine, mutated(dice.choice(_requests(victim)), dice), must_fail=False)
    return victim


@kind_of(KINDS, 6)
def random_bodies(dice: random.Random) -> OfResponder:
    victim = _victim(dice, *_ANY)
    codes = [code for code in SpdmCode if code.is_request and code is not SpdmCode.GET_VERSION]
    for _ in range(dice.randrange(1, 3)):
        raw = bytes([victim.where.version, dice.choice(codes)]) + dice.randbytes(dice.randrange(2, 80))
        _somewhere(victim, raw, must_fail=False)
        if set(victim.two.requester.sessions) - set(victim.two.responder.sessions):
            break
    return victim


@kind_of(KINDS, 2)
def random_bytes(dice: random.Random) -> OfResponder:
    victim = _victim(dice, Stage.BARE, *_ANY, since=SpdmVersion.V1_0)
    is_secured = dice.random() < 0.5
    victim.strike(
        dice.randbytes(dice.randrange(0 if is_secured else 1, 40)), is_secured=is_secured, must_fail=is_secured
    )
    return victim


# negotiation


@kind_of(KINDS, 3)
def capabilities_that_break_a_rule(dice: random.Random) -> OfResponder:
    victim = _victim(dice, Stage.BARE)
    known = capability_rules.KNOWN_REQUESTER_CAPABILITIES[victim.where.version]
    while True:
        flags = RequesterCapabilities(dice.getrandbits(32) & known)
        if capability_rules.objection(victim.where.version, flags):
            break
    victim.two.responder.receive(bytes.fromhex("10840000"), now=victim.two.now)
    victim.two.responder.bytes_to_send()
    size = None if victim.where.version < V1_2 else 4096
    request = GetCapabilities(
        version=victim.where.version, flags=flags, data_transfer_size=size, max_spdm_msg_size=size
    )
    victim.strike(request.build())
    return victim


@kind_of(KINDS, 3)
def algorithms_with_wrong_counts(dice: random.Random) -> OfResponder:
    victim = _victim(dice, Stage.BARE, flavours=_WIDE)
    two = victim.two
    said = _requests(OfResponder(victim.where, enter(_later(victim)), dice))
    for request in said[:2]:
        two.responder.receive(request, now=two.now)
        two.responder.bytes_to_send()
    raw = bytearray(said[2])
    at = dice.choice((2, 4, 5, 28, 29))
    raw[at] = dice.choice([value for value in range(256) if value != raw[at]])
    victim.strike(bytes(raw))
    return victim


# underneath


@kind_of(KINDS, 4)
def chunks_out_of_order(dice: random.Random) -> OfResponder:
    victim = _victim(dice, Stage.NEGOTIATED, Stage.KNOWN, since=V1_2, flavours=(Flavour.NARROW,))
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
    victim = _victim(dice, Stage.KNOWN, since=V1_2, flavours=(Flavour.NARROW,))
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
    where = scene(dice, Stage.KNOWN, *IN_SESSION, flavours=_WIDE)
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


# key updates


@kind_of(KINDS, 4)
def key_update_out_of_turn(dice: random.Random) -> OfResponder:
    victim = _victim(dice, *IN_SESSION)
    mine, two, version = victim.session(), victim.two, victim.where.version
    update = bytes([version, SpdmCode.KEY_UPDATE, KeyUpdateOperation.UPDATE_KEY, dice.randrange(256)])
    verify = bytes([version, SpdmCode.KEY_UPDATE, KeyUpdateOperation.VERIFY_NEW_KEY, dice.randrange(256)])
    kind = dice.randrange(4)
    if kind == 0:
        victim.strike_in(mine, verify)
    elif kind == 1:
        victim.strike_in(mine, bytes([version, SpdmCode.KEY_UPDATE, dice.randrange(4, 256), 0]))
    else:
        old = mine.direction(Side.REQUEST).cipher
        victim.strike_in(mine, update, must_fail=False)
        mine.direction(Side.REQUEST).update()
        mine.direction(Side.REQUEST).commit()
        if kind == 2:
            victim.strike_in(mine, update)
        else:
            victim.strike_in(mine, bytes([version, SpdmCode.GET_DIGESTS, 0, 0]), must_fail=False)
            header = RecordHeader(
                session_id=mine.session_id,
                sequence_number=old.sequence_bytes(mine.rules.form.sequence_bytes),
                length=old.body_size(len(update)),
            ).build()
            victim.strike(header + old.seal(header, update), is_secured=True)
            assert mine.session_id not in two.responder.sessions
    return victim


# the encapsulated flow


@kind_of(KINDS, 4)
def wrong_answers_to_questions(dice: random.Random) -> OfResponder:
    victim = _victim(dice, Stage.KNOWN, *IN_SESSION, flavours=_WIDE)
    two, version = victim.two, victim.where.version
    get = bytes([version, SpdmCode.GET_ENCAPSULATED_REQUEST, 0, 0])

    def deliver(number: int, inner: bytes) -> bytes:
        return bytes([version, SpdmCode.DELIVER_ENCAPSULATED_RESPONSE, number, 0]) + inner

    digests = two.requester.identity.digests().build()
    kind = dice.randrange(4)
    if kind == 0:  # nothing was asked
        _somewhere(victim, dice.choice((get, deliver(dice.randrange(256), digests))))
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


# what was good once, in another connection or session


@kind_of(KINDS, 3)
def said_once_before(dice: random.Random) -> OfResponder:
    """Whole good conversations of another connection, from the middle: a listener plays them back."""
    victim = _victim(dice, Stage.NEGOTIATED, Stage.KNOWN)
    intent = dice.choice((StartSession(), StartPskSession(PSK_HINT), Measure(slot=0), ReadCertificate()))
    two = victim.two
    two.wire.clear()
    if victim.where.stage is Stage.NEGOTIATED:
        intent = dice.choice((ReadCertificate(), Measure(0)))
    two.run(intent)
    said = [message for side, message in two.wire if side == "request"]
    for message in said:  # a second time: good answers, but no session that anybody has keys for
        victim.strike(message, is_secured=message.is_secured, must_fail=message.is_secured)
    opened = {number for number, session in two.responder.sessions.items() if session.state is SessionState.ESTABLISHED}
    assert opened <= set(two.requester.sessions)
    return victim
