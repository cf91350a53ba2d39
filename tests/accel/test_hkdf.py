"""HMAC and HKDF-Expand, compiled, beside those of `pytio.crypto`, which have published vectors."""

from __future__ import annotations

import random
from typing import Any

import pytest

from pytio import _accel
from pytio.capture.derivation import CompiledSchedule, heard_schedule, opener_maker
from pytio.crypto import AeadAlgorithm, HashAlgorithm, Secret
from pytio.crypto.kdf import hkdf_expand, hmac
from pytio.errors import VerificationError
from pytio.spdm.key_schedule import KeySchedule, Label
from pytio.spdm.records import Protection, SequenceOrder

DIGESTS = {
    HashAlgorithm.SHA_256: "SHA256",
    HashAlgorithm.SHA_384: "SHA384",
    HashAlgorithm.SHA_512: "SHA512",
    HashAlgorithm.SHA3_256: "SHA3-256",
    HashAlgorithm.SHA3_384: "SHA3-384",
    HashAlgorithm.SHA3_512: "SHA3-512",
}
SECRET = Secret(bytes(range(48)))


def hkdf(algorithm: HashAlgorithm) -> Any:
    """Return the compiled one."""
    module = pytest.importorskip("pytio._accel.hkdf", reason="hkdf is not compiled here")
    return module.Hkdf(DIGESTS[algorithm])


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_agrees_with_the_library(algorithm: HashAlgorithm) -> None:
    """Keys and data of any size, none among them; what one call leaves behind does not show in the next."""
    dice, compiled = random.Random(str(algorithm)), hkdf(algorithm)
    assert compiled.digest_size == algorithm.digest_size
    for key_bytes in (0, 1, 32, 48, 64, 128, 129, 144, 200, 1000):
        key, data = dice.randbytes(key_bytes), dice.randbytes(dice.choice((0, 1, 66, 500)))
        assert compiled.hmac(key, data) == hmac(algorithm, key, data)
        most = 255 * algorithm.digest_size
        for size in (0, 1, 12, algorithm.digest_size, algorithm.digest_size + 1, 300, most):
            assert compiled.expand(key, data, size) == hkdf_expand(algorithm, key, data, size).reveal()


def test_refuses_what_hkdf_cannot() -> None:
    compiled = hkdf(HashAlgorithm.SHA_256)
    for size in (-1, 255 * 32 + 1):
        with pytest.raises(ValueError, match="HKDF expands to no"):
            compiled.expand(b"secret", b"info", size)
    for bad in ((None, b"", 1), (b"", None, 1), ("text", b"", 1), (bytearray(3), b"", 1)):
        with pytest.raises(TypeError):
            compiled.expand(*bad)
        with pytest.raises(TypeError):
            compiled.hmac(*bad[:2])
    with pytest.raises(NotImplementedError, match="no digest called MD6"):
        type(compiled)("MD6")
    with pytest.raises(TypeError):
        type(compiled)(None)


@pytest.mark.parametrize("algorithm", DIGESTS)
@pytest.mark.parametrize("aead", [AeadAlgorithm.AES_128_GCM, AeadAlgorithm.CHACHA20_POLY1305])
def test_a_heard_schedule_is_the_same_schedule(twins: str, algorithm: HashAlgorithm, aead: AeadAlgorithm) -> None:
    plain = KeySchedule(0x12, algorithm, aead)
    heard = heard_schedule(plain)
    assert isinstance(heard, CompiledSchedule) is (twins == "compiled")
    handshake = plain.handshake_secret(SECRET)
    assert heard.handshake_secret(SECRET) == handshake
    assert heard.psk_handshake_secret(SECRET) == plain.psk_handshake_secret(SECRET)
    assert heard.handshake_secrets(handshake, b"TH1") == plain.handshake_secrets(handshake, b"TH1")
    assert heard.master_secret(handshake) == plain.master_secret(handshake)
    assert heard.data_secrets(SECRET, b"TH2") == plain.data_secrets(SECRET, b"TH2")
    assert heard.updated_secret(SECRET) == plain.updated_secret(SECRET)
    assert heard.record_keys(SECRET) == plain.record_keys(SECRET)
    assert heard.derive(SECRET, Label.IV, 12) == plain.derive(SECRET, Label.IV, 12)
    made = heard.finished_hmac(SECRET, b"TH")
    assert made == plain.finished_hmac(SECRET, b"TH")
    heard.verify_finished_hmac(SECRET, b"TH", made, "verify data")
    with pytest.raises(VerificationError, match="verify data"):
        heard.verify_finished_hmac(SECRET, b"TH", made[:-1] + bytes([made[-1] ^ 1]), "verify data")


def test_shows_nothing_of_its_keys() -> None:
    heard = heard_schedule(KeySchedule(0x12, HashAlgorithm.SHA_384, AeadAlgorithm.AES_256_GCM))
    assert "Hkdf" not in repr(heard)


@pytest.mark.parametrize("lacks", ["digest", "AEAD"])
def test_does_without_what_openssl_lacks(lacks: str, twins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A digest or an AEAD that was left out of an OpenSSL costs speed, and nothing else."""

    def refuse(*_: object) -> None:
        raise NotImplementedError

    chosen = _accel.chosen
    if twins == "compiled":
        assert chosen.hkdf is not None
        assert chosen.openers is not None
        module, name = (chosen.hkdf, "Hkdf") if lacks == "digest" else (chosen.openers, "RecordOpener")
        monkeypatch.setattr(module, name, refuse)
    plain = KeySchedule(0x13, HashAlgorithm.SHA_256, AeadAlgorithm.AES_256_GCM)
    heard = heard_schedule(plain)
    assert heard.handshake_secrets(SECRET, b"TH1") == plain.handshake_secrets(SECRET, b"TH1")
    opener = opener_maker(heard, Protection.ENCRYPT_AND_MAC, (SequenceOrder.LITTLE,))(SECRET)
    assert opener.open(b"h", bytes(20)) is None
