"""The key schedule against the vectors of its formulas, and against all that recorded sessions logged of theirs."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path

import pytest

from pytio.crypto import AeadAlgorithm, HashAlgorithm, Secret, digest
from pytio.errors import VerificationError
from pytio.spdm.codes import SpdmVersion
from pytio.spdm.key_schedule import KeySchedule, Label, RecordKeys, bin_concat

SESSIONS = Path(__file__).parents[1] / "sessions"

# --- the formulas, SPDM 1.2 with SHA-256 and AES-256-GCM ---------------------------------------------------------

SHARED_SECRET = bytes(range(32))
PSK = b"TestPskData\0"
TH1 = digest(HashAlgorithm.SHA_256, b"TH1")
TH2 = digest(HashAlgorithm.SHA_256, b"TH2")
SCHEDULE = KeySchedule(0x12, HashAlgorithm.SHA_256, AeadAlgorithm.AES_256_GCM)


def of(text: str) -> Secret:
    """Return the secret that a vector gives in hexadecimal."""
    return Secret(bytes.fromhex(text))


def test_transcript_hashes_of_the_vectors() -> None:
    assert TH1.hex() == "c609901b663ab99994c6c27f6d67ffa2544000df339a88534b57aed3c52f1559"
    assert TH2.hex() == "19bf04c9d57f6f4825213b5eb5fd32eb2409a3cb6d58ba737ba834ae3c67c6ae"


def test_bin_concat() -> None:
    assert bin_concat(0x12, 32, Label.REQUEST_HANDSHAKE, TH1).hex() == (
        "20007370646d312e32207265712068732064617461c609901b663ab99994c6c27f6d67ffa2544000df339a88534b57aed3c52f1559"
    )
    assert bin_concat(0x12, 12, Label.IV).hex() == "0c007370646d312e32206976"


@pytest.mark.parametrize("version", list(SpdmVersion))
def test_bin_concat_names_the_version(version: SpdmVersion) -> None:
    assert bin_concat(version, 0x1234, Label.KEY) == b"\x34\x12" + f"spdm1.{version & 0xF} key".encode()


@pytest.mark.parametrize("version", [0, 0x0F, 0x15, 0x20, 0x112])
def test_unknown_versions_are_refused(version: int) -> None:
    with pytest.raises(ValueError, match="is not known"):
        bin_concat(version, 12, Label.IV)
    with pytest.raises(ValueError, match="is not known"):
        KeySchedule(version, HashAlgorithm.SHA_256, AeadAlgorithm.AES_256_GCM)


@pytest.mark.parametrize("size", [-1, 0x10000])
def test_lengths_fit_two_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="cannot be asked for"):
        bin_concat(0x12, size, Label.KEY)


def test_handshake_phase() -> None:
    handshake_secret = SCHEDULE.handshake_secret(SHARED_SECRET)
    assert handshake_secret == of("46bd320605c5a6b6163ab70bc6345b92a5f908e79fe58979c23ebb47d1a5e307")
    secrets = SCHEDULE.handshake_secrets(handshake_secret, TH1)
    assert secrets.request == of("9a3fffaf69f35479f745e47b5ef7fd41670b50cfb6e56914a79857e778b7bda8")
    assert secrets.response == of("767f098eb3e10df1906d51a612bd2e1c8ddbd27b404d19ae76b8d299a76ebcb3")
    assert SCHEDULE.finished_key(secrets.request) == of(
        "93161ab48000d84a57e81611f3152193df8836a69d84874ec7e5c5a045dfa524"
    )
    assert SCHEDULE.finished_key(secrets.response) == of(
        "ab72dfc44ffce8e56bf7e34a521e57f8fc55944735d00bd3ce6162a29a5aa6c2"
    )
    assert SCHEDULE.record_keys(secrets.request) == RecordKeys(
        aead=AeadAlgorithm.AES_256_GCM,
        key=of("31520ebc619c2e93f3acfa87503b4401c39698eaab7c9a08ef064fa4d60cee2e"),
        iv=of("5eb555bca802631cd86ce043"),
    )


def test_data_phase() -> None:
    handshake_secret = SCHEDULE.handshake_secret(SHARED_SECRET)
    assert SCHEDULE.salt_1(handshake_secret) == of("5c3fd8d84abcd07b25d74a7833333eda27b2b83635deca76e9ba8a1e4acd70b0")
    master = SCHEDULE.master_secret(handshake_secret)
    assert master == of("e6209c58435df5be77edc4341fc40385fc481f113db6daf21a5bd2a4ea5cbbd6")
    secrets = SCHEDULE.data_secrets(master, TH2)
    assert secrets.request == of("aa2e6a9ed7f117707b1e02faf4815fa4a5b9ff2575dc48fb1ced056d3b4d9b8b")
    assert secrets.response == of("cc588383f137f2c3f1b8cbb2662364f58e034ecc66410b34af3c027c0291da36")
    assert secrets.export_master == of("49d65a4eb75308488bd8820b56f131c85ebdc6c6fd7d591cccbe5576f978d3f9")
    assert SCHEDULE.record_keys(secrets.request) == RecordKeys(
        aead=AeadAlgorithm.AES_256_GCM,
        key=of("422419d1ba314a0bafd6ad39d234a2db69bbd045bb4156f11e05af71aa1bb68a"),
        iv=of("62852224a2bcc5003071a17d"),
    )
    assert SCHEDULE.updated_secret(secrets.request) == of(
        "2e6d2fecbd1390f5c1f364025fc1539308e686f0cb5bd24aca5930dfa6d9c2c0"
    )


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (0x11, "abd68a8258d81226097430e0fe4197f63594240d588ea3496c713ec41852fe0c"),
        (0x12, "abd68a8258d81226097430e0fe4197f63594240d588ea3496c713ec41852fe0c"),
        (0x13, "508be04163ecb50a38170e637c8f630c562d896e76953e1f91549b399f1d8995"),
        (0x14, "508be04163ecb50a38170e637c8f630c562d896e76953e1f91549b399f1d8995"),
    ],
)
def test_psk(version: int, expected: str) -> None:
    schedule = KeySchedule(version, HashAlgorithm.SHA_256, AeadAlgorithm.AES_256_GCM)
    assert schedule.psk_handshake_secret(PSK) == of(expected)
    assert schedule.psk_handshake_secret(Secret(PSK)) == of(expected)


@pytest.mark.parametrize("hash_algorithm", HashAlgorithm, ids=str)
@pytest.mark.parametrize("aead", AeadAlgorithm, ids=str)
def test_sizes(hash_algorithm: HashAlgorithm, aead: AeadAlgorithm) -> None:
    if not hash_algorithm.is_supported():
        pytest.skip(f"{hash_algorithm} is not in this library")
    schedule = KeySchedule(0x14, hash_algorithm, aead)
    for shared_secret in (b"", bytes(16), bytes(512)):
        secret = schedule.handshake_secret(shared_secret)
        assert len(secret) == hash_algorithm.digest_size
        secrets = schedule.handshake_secrets(secret, b"a transcript hash of any length")
        assert len(secrets.request) == len(schedule.finished_key(secrets.request)) == hash_algorithm.digest_size
        assert len(schedule.record_keys(secrets.request).key) == aead.key_size


def test_finished_hmac() -> None:
    key = SCHEDULE.finished_key(SCHEDULE.handshake_secrets(SHARED_SECRET, TH1).request)
    right = SCHEDULE.finished_hmac(key, TH1)
    SCHEDULE.verify_finished_hmac(key, TH1, right, "RequesterVerifyData")
    for wrong, th_hash in ((right[:-1], TH1), (right[::-1], TH1), (right, TH2)):
        with pytest.raises(VerificationError, match="RequesterVerifyData does not verify") as caught:
            SCHEDULE.verify_finished_hmac(key, th_hash, wrong, "RequesterVerifyData")
        assert caught.value.pieces == (th_hash,)


def test_no_secret_in_any_text() -> None:
    secret = SCHEDULE.handshake_secret(SHARED_SECRET)
    secrets = SCHEDULE.handshake_secrets(secret, TH1)
    texts = [repr(thing) for thing in (secret, secrets, SCHEDULE.data_secrets(secret, TH2))]
    texts.append(repr(SCHEDULE.record_keys(secrets.request)))
    for text in texts:
        assert "bytes>" in text
        assert secrets.request.reveal().hex() not in text
        assert repr(secrets.request.reveal()) not in text
    assert repr(SCHEDULE).startswith("KeySchedule(version=0x12, ")


# --- recorded sessions -------------------------------------------------------------------------------------------

TRANSCRIPT_VALUES = {
    "cert_chain_hash",
    "measurement_summary_hash",
    "m1m2 hash",
    "l1l2 hash",
    "il1il2 hash",
    "th_curr hash",
    "th1 hash",
    "th2 hash",
}
"""Logged digests of messages; the sessions' bytes are needed for them, not the key schedule."""

HASHES = {"SHA_256": HashAlgorithm.SHA_256, "SHA_384": HashAlgorithm.SHA_384}
VERSIONS = {"1.0": 0x10, "1.1": 0x11, "1.2": 0x12, "1.3": 0x13, "1.4": 0x14}


class Checker:
    """Walks one recorded log from top to bottom and derives each value from those before it."""

    def __init__(self, name: str) -> None:
        """Read a recording; the emulators' defaults stand for options that its command line leaves out."""
        recording = json.loads((SESSIONS / f"{name}.json").read_text())
        words = recording["requester"].split()
        options = dict(zip(words[1::2], words[2::2], strict=True))
        self.schedule = KeySchedule(
            VERSIONS[options["--ver"]],
            HASHES[options.get("--hash", "SHA_384")],
            AeadAlgorithm[options.get("--aead", "AES_256_GCM")],
        )
        self.log = deque((key, value) for key, value in recording["key_schedule"])
        self.dhe_secrets = deque(bytes.fromhex(secret) for secret in recording["dhe_secret"])
        self.psks = [bytes.fromhex(secret) for secret in recording["psk"]]
        self.data_secrets: dict[str, list[Secret]] = {}
        """Request and response direction, by session id."""
        self.checked = 0

    def run(self) -> None:
        """Check the whole log; an entry that nothing here derives fails."""
        while self.log:
            name, value = self.log.popleft()
            if name == "# session":
                session_id, phase = value.split()
                assert phase == "handshake"
                self.session(session_id)
            elif name.endswith("DataSecretUpdate"):
                self.update(0 if name.startswith("Request") else 1, of(value))
            else:
                assert name in TRANSCRIPT_VALUES

    def expect(self, name: str, derived: Secret | bytes) -> None:
        """Check that the next entry has this name and value."""
        octets = derived.reveal() if isinstance(derived, Secret) else derived
        assert self.log.popleft() == (name, octets.hex())
        self.checked += 1

    def session(self, session_id: str) -> None:
        """Check one session, from TH1 to its data keys. Of a PSK session the log omits the secrets."""
        th1_hash = self.transcript_hash("th1 hash")
        is_psk = self.log[0][0] == "finished_key"
        if is_psk:
            handshake_secret = self.psk_handshake_secret(th1_hash)
        else:
            handshake_secret = self.schedule.handshake_secret(self.dhe_secrets.popleft())
        secrets = self.schedule.handshake_secrets(handshake_secret, th1_hash)
        if not is_psk:
            self.expect("handshake_secret", handshake_secret)
            self.expect("request_handshake_secret", secrets.request)
            self.expect("response_handshake_secret", secrets.response)
        self.expect("finished_key", self.schedule.finished_key(secrets.request))
        self.expect("finished_key", self.schedule.finished_key(secrets.response))
        self.expect_keys(secrets.request)
        self.expect_keys(secrets.response)
        if is_psk:  # the ResponderVerifyData of PSK_EXCHANGE_RSP covers TH1, that of a KEY_EXCHANGE session more
            finished_key = self.schedule.finished_key(secrets.response)
            self.expect("th_curr hmac", self.schedule.finished_hmac(finished_key, th1_hash))
        while self.log[0][0] in ("th_curr hash", "th_curr hmac"):
            self.log.popleft()
        assert self.log.popleft() == ("# session", f"{session_id} data")
        self.data_phase(session_id, handshake_secret, is_psk=is_psk)

    def data_phase(self, session_id: str, handshake_secret: Secret, *, is_psk: bool) -> None:
        """Check master secret, data secrets, export secret and data keys."""
        th2_hash = self.transcript_hash("th2 hash")
        master_secret = self.schedule.master_secret(handshake_secret)
        secrets = self.schedule.data_secrets(master_secret, th2_hash)
        if not is_psk:
            self.expect("master_secret", master_secret)
            self.expect("request_data_secret", secrets.request)
            self.expect("response_data_secret", secrets.response)
            self.expect("export_master_secret", secrets.export_master)
        self.expect_keys(secrets.request)
        self.expect_keys(secrets.response)
        self.data_secrets[session_id] = [secrets.request, secrets.response]

    def update(self, direction: int, logged: Secret) -> None:
        """Check a key update, of whichever session it is: the log does not say."""
        for secrets in self.data_secrets.values():
            updated = self.schedule.updated_secret(secrets[direction])
            if updated == logged:
                self.checked += 1
                secrets[direction] = updated
                return self.expect_keys(updated)
        raise AssertionError("this is the update of no session's secret")

    def expect_keys(self, secret: Secret) -> None:
        """Check key and IV of one direction."""
        keys = self.schedule.record_keys(secret)
        self.expect("key", keys.key)
        self.expect("iv", keys.iv)

    def transcript_hash(self, name: str) -> bytes:
        """Return the next entry: a digest that the schedule is given."""
        found, value = self.log.popleft()
        assert found == name
        return bytes.fromhex(value)

    def psk_handshake_secret(self, th1_hash: bytes) -> Secret:
        """Return the secret that comes of the pre-shared key whose finished key is the next entry."""
        for psk in self.psks:
            secret = self.schedule.psk_handshake_secret(psk)
            finished_key = self.schedule.finished_key(self.schedule.handshake_secrets(secret, th1_hash).request)
            if finished_key == of(self.log[0][1]):
                self.psks.remove(psk)
                return secret
        raise AssertionError("no pre-shared key gives this finished key")


COUNTS = {
    "s01-doe12-p384-full": 74,
    "s02-mctp10-rsa3072-onebyone": 0,
    "s03-mctp11-p256-aes128": 63,
    "s04-mctp12-rsapss3072-ffdhe-chacha": 46,
    "s05-mctp12-chunk": 63,
    "s06-doe13-p256-provision": 34,
    "s07-doe14-p384": 57,
    "s08-doe12-psk-only": 28,
    "s09-tcp12-loopback": 46,
}
"""How many values of each recording the schedule has to reproduce."""


@pytest.mark.parametrize("name", COUNTS)
def test_recorded_sessions(name: str) -> None:
    checker = Checker(name)
    checker.run()
    assert checker.checked == COUNTS[name]
    assert not checker.dhe_secrets
    assert not checker.psks


def test_every_recording_is_checked() -> None:
    recordings = {path.stem for path in SESSIONS.glob("s0?-*.json") if "key_schedule" in json.loads(path.read_text())}
    assert recordings == COUNTS.keys()
