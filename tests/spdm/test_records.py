"""Records: the vector, recorded records through a key update, counters at their limits, and every way to be refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytio.crypto import AeadAlgorithm, HashAlgorithm, Secret
from pytio.errors import LocalProtocolError, RemoteProtocolError, VerificationError
from pytio.spdm.key_schedule import KeySchedule, RecordKeys
from pytio.spdm.records import (
    Protection,
    RecordCipher,
    RecordDirection,
    SequenceOrder,
    record_nonce,
    sequence_orders,
)

SESSIONS = Path(__file__).parents[1] / "sessions"
SCHEDULE = KeySchedule(0x12, HashAlgorithm.SHA_256, AeadAlgorithm.AES_256_GCM)
SECRET = Secret(bytes.fromhex("aa2e6a9ed7f117707b1e02faf4815fa4a5b9ff2575dc48fb1ced056d3b4d9b8b"))
KEYS = SCHEDULE.record_keys(SECRET)
HEADER = bytes.fromhex("fffffeff 0000 1800")
EITHER = (SequenceOrder.LITTLE, SequenceOrder.BIG)


def pair(**options: object) -> tuple[RecordCipher, RecordCipher]:
    """Return sealer and opener of one key."""
    return RecordCipher(KEYS, **options), RecordCipher(KEYS, **options)  # type: ignore[arg-type]


# --- nonces ------------------------------------------------------------------------------------------------------


def test_nonce() -> None:
    iv = bytes.fromhex("62852224a2bcc5003071a17d")
    assert record_nonce(iv, 0).hex() == iv.hex()
    assert record_nonce(iv, 1).hex() == "63852224a2bcc5003071a17d"
    assert record_nonce(bytes(12), 0x0102030405060708).hex() == "080706050403020100000000"
    assert record_nonce(bytes(12), 0x0102030405060708, SequenceOrder.BIG).hex() == "000000000102030405060708"


@given(iv=st.binary(min_size=12, max_size=12), numbers=st.lists(st.integers(0, 2**64 - 1), min_size=2, unique=True))
@pytest.mark.parametrize("order", SequenceOrder)
def test_nonces_differ(order: SequenceOrder, iv: bytes, numbers: list[int]) -> None:
    assert len({record_nonce(iv, number, order) for number in numbers}) == len(numbers)


def test_orders_by_version() -> None:
    assert sequence_orders(0x1000) == sequence_orders(0x1100) == EITHER
    assert sequence_orders(0x1200) == sequence_orders(0x1300) == (SequenceOrder.LITTLE,)


# --- the vector, and recorded records ----------------------------------------------------------------------------


def test_vector() -> None:
    """HEARTBEAT over MCTP, request direction, sequence number 1, one byte of padding."""
    header, plaintext = bytes.fromhex("fffffeff01001800"), bytes.fromhex("05000512e80000aa")
    body = bytes.fromhex("2e82ce4e2a06f3068e2964e64626ffd298456d533f6f22d7")
    sealer, opener = pair(sequence=1)
    assert sealer.sequence_bytes(2) == header[4:6]
    assert sealer.body_size(len(plaintext)).to_bytes(2, "little") == header[6:]
    assert sealer.seal(header, plaintext) == body
    opener.verify_sequence(header[4:6])
    assert opener.open(header, body) == plaintext
    assert sealer.sequence == opener.sequence == 2


RECORDED = [  # s03, records 41 to 48: is it a request, header, body, start of the plaintext
    (True, "ffffffff00001900", "4ab7332625170c97f59de00d57d47dde7fc7ecb77ad40e5ba5", "040001800002"),
    (
        False,
        "ffffffff00003400",
        "13f82646d99f544d34a172aada6fc020886b23468d7f85371f503ea64352367c0dd23ec59b5ae851051af079298c1364260b66e5",
        "06000100000200",
    ),
    (True, "ffffffff01001800", "714ec2e375cfa97941e10faf9a77ace0d425199eb2f16cae", "05000511e80000"),
    (
        False,
        "ffffffff01002f00",
        "358ea3e17962b2f5b5555869fc8e74f56d96360ff167d78d8b318a6117bb718bf68b0e65a4fa24867dc35089bbdbaf",
        "05000511680000",
    ),
    (
        True,
        "ffffffff02002500",
        "2194e8002296f01494f3d4936b1bbdca5a3d953358128fbe45b9286ab24f34190b7ff60de4",
        "05000511e902d0",
    ),
    (
        False,
        "ffffffff00002300",
        "781ce9100517b1d239f4ed4f422f96355513f4bec3a0ac4b500fd5ae030d825ffb2fc4",
        "050005116902d0",
    ),
    (
        True,
        "ffffffff00002300",
        "747f0c410b2c8a01eafa6abbaf719d891be07af5b60b571bd5d8476b7f5667b5174572",
        "05000511e90322",
    ),
    (
        False,
        "ffffffff01002200",
        "2ecaa68586ec294d66b03513c347e6cc5ae3c668a7067366fb1142e7c93a0a856ee5",
        "05000511690322",
    ),
]
KEY_UPDATE_AT = 4


def test_recorded_records_through_a_key_update() -> None:
    """An application message, HEARTBEAT, KEY_UPDATE of all keys acknowledged under the new response key, the check."""
    log = dict(
        reversed(json.loads((SESSIONS / "s03-mctp11-p256-aes128.json").read_text())["key_schedule"])
    )  # the first of each name
    schedule = KeySchedule(0x11, HashAlgorithm.SHA_256, AeadAlgorithm.AES_128_GCM)
    request, response = (
        RecordDirection(schedule, Secret(bytes.fromhex(log[name])), orders=sequence_orders(0x1100))
        for name in ("request_data_secret", "response_data_secret")
    )
    for number, (is_request, header_text, body_text, start) in enumerate(RECORDED):
        header, direction = bytes.fromhex(header_text), request if is_request else response
        direction.cipher.verify_sequence(header[4:6])
        plaintext = direction.cipher.open(header, bytes.fromhex(body_text))
        assert plaintext.hex().startswith(start)
        if number == KEY_UPDATE_AT:
            request.update()
            response.update()
    assert request.secret == Secret(bytes.fromhex(log["RequestDataSecretUpdate"]))
    assert response.secret == Secret(bytes.fromhex(log["ResponseDataSecretUpdate"]))
    assert response.cipher.orders == (SequenceOrder.LITTLE,)


# --- sealing and opening -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("protection", Protection)
@given(payloads=st.lists(st.binary(max_size=100), max_size=6))
def test_round_trip(protection: Protection, payloads: list[bytes]) -> None:
    sealer, opener = pair(protection=protection)
    for number, payload in enumerate(payloads):
        body = sealer.seal(HEADER, payload)
        assert len(body) == sealer.body_size(len(payload))
        assert (payload == body[: len(payload)]) is (protection is Protection.MAC_ONLY or not payload)
        assert opener.open(HEADER, body) == payload
        assert sealer.sequence == opener.sequence == number + 1


@pytest.mark.parametrize("protection", Protection)
def test_what_is_changed_does_not_open_and_leaves_no_trace(protection: Protection) -> None:
    sealer, opener = pair(protection=protection, orders=EITHER)
    first, second = sealer.seal(HEADER, b"first"), sealer.seal(HEADER, b"second")
    changes = [
        *((HEADER, first[:at] + bytes([first[at] ^ 1]) + first[at + 1 :]) for at in range(len(first))),
        *((HEADER, first[:size]) for size in range(len(first))),
        *((HEADER[:at] + bytes([HEADER[at] ^ 1]) + HEADER[at + 1 :], first) for at in range(len(HEADER))),
        (HEADER, second),
        (HEADER, first + b"\0"),
    ]
    for header, body in changes:
        with pytest.raises(VerificationError):
            opener.open(header, body)
    assert opener.sequence == 0
    assert opener.open(HEADER, first) == b"first"
    with pytest.raises(VerificationError):
        opener.open(HEADER, first)
    assert opener.open(HEADER, second) == b"second"


def test_mac_only_and_encrypted_records_do_not_mix() -> None:
    body = RecordCipher(KEYS, protection=Protection.MAC_ONLY).seal(HEADER, b"payload")
    with pytest.raises(VerificationError):
        RecordCipher(KEYS).open(HEADER, body)


def test_sequence_bytes() -> None:
    cipher = RecordCipher(KEYS, sequence=0x1FFFE)
    assert cipher.sequence_bytes(0) == b""
    assert cipher.sequence_bytes(2) == b"\xfe\xff"
    assert cipher.sequence_bytes(8) == bytes.fromhex("feff010000000000")
    cipher.verify_sequence(b"")
    cipher.verify_sequence(b"\xfe\xff")
    with pytest.raises(VerificationError, match="sequence number of record 131070 does not verify"):
        cipher.verify_sequence(b"\xff\xff")


def test_lost_records_are_skipped() -> None:
    sealer, opener = pair()
    sealer.seal(HEADER, b"lost")
    body = sealer.seal(HEADER, b"found")
    opener.skip()
    assert opener.open(HEADER, body) == b"found"
    with pytest.raises(ValueError, match="only grow"):
        opener.skip(-1)


# --- the order of the sequence number ----------------------------------------------------------------------------


@pytest.mark.parametrize("order", SequenceOrder)
@pytest.mark.parametrize("first", [0, 1, 5])
def test_order_is_found_at_the_first_record_that_tells(order: SequenceOrder, first: int) -> None:
    sealer = RecordCipher(KEYS, orders=(order,), sequence=first)
    opener = RecordCipher(KEYS, orders=EITHER, sequence=first)
    for number in range(first, first + 3):
        assert opener.open(HEADER, sealer.seal(HEADER, b"payload")) == b"payload"
        assert opener.orders == (EITHER if number == 0 else (order,))


def test_order_that_is_settled_stays() -> None:
    opener = RecordCipher(KEYS, orders=EITHER, sequence=1)
    little = RecordCipher(KEYS, sequence=1)
    opener.open(HEADER, little.seal(HEADER, b""))
    big = RecordCipher(KEYS, orders=(SequenceOrder.BIG,), sequence=2)
    with pytest.raises(VerificationError):
        opener.open(HEADER, big.seal(HEADER, b""))


def test_damage_settles_no_order() -> None:
    opener = RecordCipher(KEYS, orders=EITHER, sequence=1)
    with pytest.raises(VerificationError):
        opener.open(HEADER, bytes(32))
    assert opener.orders == EITHER


# --- limits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("exponent", "last"), [(0, 0), (1, 1), (3, 7), (63, 2**63 - 1), (64, 2**64 - 2)], ids=str)
def test_the_key_stops_at_its_limit(exponent: int, last: int) -> None:
    sealer, opener = pair(aead_limit_exponent=exponent, sequence=last)
    assert sealer.remaining == opener.remaining == 1
    body = sealer.seal(HEADER, b"last")
    assert opener.open(HEADER, body) == b"last"
    for _ in range(2):
        assert sealer.remaining == opener.remaining == 0
        with pytest.raises(LocalProtocolError, match="the key has reached its limit"):
            sealer.seal(HEADER, b"one too many")
        with pytest.raises(RemoteProtocolError, match="the key has reached its limit"):
            opener.open(HEADER, body)
    assert sealer.sequence == last + 1


def test_nonces_never_repeat_up_to_the_limit() -> None:
    sealer = RecordCipher(KEYS, aead_limit_exponent=6)
    bodies = set()
    while sealer.remaining:
        bodies.add(sealer.seal(HEADER, b"the same"))
    assert len(bodies) == 64


@pytest.mark.parametrize(
    "options", [{"aead_limit_exponent": -1}, {"aead_limit_exponent": 65}, {"sequence": -1}, {"orders": ()}], ids=str
)
def test_misuse(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"exponent|needs a sequence number"):
        pair(**options)
    with pytest.raises(ValueError, match="a key of AES-256-GCM has 32 bytes, not 16"):
        RecordCipher(RecordKeys(AeadAlgorithm.AES_256_GCM, Secret(bytes(16)), KEYS.iv))


# --- key update --------------------------------------------------------------------------------------------------


def test_update_and_commit() -> None:
    sender, receiver = RecordDirection(SCHEDULE, SECRET), RecordDirection(SCHEDULE, SECRET)
    for direction in (sender, receiver):
        direction.cipher.skip(7)
        direction.update()
        assert direction.is_updating
        assert direction.cipher.sequence == 0
        assert direction.secret == SCHEDULE.updated_secret(SECRET)
    assert receiver.cipher.open(HEADER, sender.cipher.seal(HEADER, b"new")) == b"new"
    for direction in (sender, receiver):
        direction.commit()
        assert not direction.is_updating
        direction.update()
    assert receiver.cipher.open(HEADER, sender.cipher.seal(HEADER, b"newer")) == b"newer"


def test_roll_back_returns_to_the_old_key_and_number() -> None:
    """The requester goes on under the old key: the update never reached it."""
    sender, receiver = RecordDirection(SCHEDULE, SECRET), RecordDirection(SCHEDULE, SECRET)
    receiver.cipher.open(HEADER, sender.cipher.seal(HEADER, b"0"))
    receiver.update()
    body = sender.cipher.seal(HEADER, b"1")
    with pytest.raises(VerificationError):
        receiver.cipher.open(HEADER, body)
    receiver.roll_back()
    assert not receiver.is_updating
    assert receiver.secret == SECRET
    assert receiver.cipher.open(HEADER, body) == b"1"


def test_roll_back_of_a_key_that_has_sealed_would_repeat_nonces() -> None:
    direction = RecordDirection(SCHEDULE, SECRET)
    direction.update()
    direction.cipher.seal(HEADER, b"under the new key")
    with pytest.raises(LocalProtocolError, match="the new key has already sealed a record"):
        direction.roll_back()
    assert direction.is_updating


def test_updates_come_one_at_a_time() -> None:
    direction = RecordDirection(SCHEDULE, SECRET)
    for verb in (direction.commit, direction.roll_back):
        with pytest.raises(LocalProtocolError, match="no key update"):
            verb()
    direction.update()
    with pytest.raises(LocalProtocolError, match="neither committed nor rolled back"):
        direction.update()


def test_options_survive_an_update() -> None:
    direction = RecordDirection(
        SCHEDULE, SECRET, protection=Protection.MAC_ONLY, orders=EITHER, aead_limit_exponent=2, sequence=3
    )
    assert direction.cipher.sequence == 3
    direction.update()
    assert direction.cipher.protection is Protection.MAC_ONLY
    assert direction.cipher.orders == EITHER
    assert direction.cipher.remaining == 4


def test_no_secret_in_any_text() -> None:
    direction = RecordDirection(SCHEDULE, SECRET)
    direction.update()
    assert repr(direction) == "<RecordDirection <RecordCipher AES-256-GCM, encrypt and MAC, next record 0>, updating>"
