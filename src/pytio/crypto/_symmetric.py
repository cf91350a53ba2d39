"""The symmetric algorithms of the installed ``cryptography``: how our names map to its objects.

Absence shows as a missing class in older versions, or as the library's ``UnsupportedAlgorithm`` where the OpenSSL below
lacks it; both leave here as ``UnsupportedAlgorithmError``. This file knows no protocol.
"""

from __future__ import annotations

from functools import cache
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, CipherAlgorithm, aead, algorithms, modes

from pytio.crypto.algorithms import (
    AEAD_NONCE_SIZE,
    AEAD_TAG_SIZE,
    AeadAlgorithm,
    HashAlgorithm,
    UnsupportedAlgorithmError,
)

__all__ = ("AeadBox", "aead_box", "hash_context", "hash_object")

_HASH_CLASSES: Final = {
    HashAlgorithm.SHA_256: "SHA256",
    HashAlgorithm.SHA_384: "SHA384",
    HashAlgorithm.SHA_512: "SHA512",
    HashAlgorithm.SHA3_256: "SHA3_256",
    HashAlgorithm.SHA3_384: "SHA3_384",
    HashAlgorithm.SHA3_512: "SHA3_512",
    HashAlgorithm.SM3_256: "SM3",
}

_ONE_SHOT_AEAD_CLASSES: Final = {
    AeadAlgorithm.AES_128_GCM: "AESGCM",
    AeadAlgorithm.AES_256_GCM: "AESGCM",
    AeadAlgorithm.CHACHA20_POLY1305: "ChaCha20Poly1305",
}

_BLOCK_CIPHER_CLASSES: Final = {
    AeadAlgorithm.AES_128_GCM: "AES",
    AeadAlgorithm.AES_256_GCM: "AES",
    AeadAlgorithm.SM4_GCM: "SM4",
}


class AeadBox(Protocol):
    """One key of one AEAD; what it seals ends with the tag. ``decrypt`` raises the library's ``InvalidTag``."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """Return ciphertext and tag."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """Return the plaintext of ciphertext and tag."""


class _BlockGcm:
    """GCM put together from a block cipher, for ciphers and tag sizes without a one-shot class in the library."""

    __slots__ = ("_cipher", "_tag_size")

    def __init__(self, cipher: CipherAlgorithm, tag_size: int) -> None:
        """Take a keyed block cipher."""
        self._cipher = cipher
        self._tag_size = tag_size

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """Return ciphertext and tag."""
        encryptor = Cipher(self._cipher, modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(associated_data or b"")
        ciphertext = encryptor.update(data) + encryptor.finalize()
        return ciphertext + encryptor.tag[: self._tag_size]

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """Return the plaintext of ciphertext and tag; nothing of it leaves before the tag has been checked."""
        if len(data) < self._tag_size:
            raise InvalidTag
        ciphertext, tag = data[: -self._tag_size], data[-self._tag_size :]
        decryptor = Cipher(self._cipher, modes.GCM(nonce, tag, min_tag_length=self._tag_size)).decryptor()
        decryptor.authenticate_additional_data(associated_data or b"")
        return decryptor.update(ciphertext) + decryptor.finalize()


@cache
def hash_object(algorithm: HashAlgorithm) -> hashes.HashAlgorithm:
    """Return the library's object for a hash; it is stateless. Raises UnsupportedAlgorithmError."""
    try:
        found: hashes.HashAlgorithm = getattr(hashes, _HASH_CLASSES[algorithm])()
        hashes.Hash(found)
    except (AttributeError, UnsupportedAlgorithm) as error:
        raise UnsupportedAlgorithmError(algorithm) from error
    return found


def hash_context(algorithm: HashAlgorithm) -> hashes.HashContext:
    """Return a fresh digest context. Raises UnsupportedAlgorithmError."""
    return hashes.Hash(hash_object(algorithm))


def aead_box(algorithm: AeadAlgorithm, key: bytes, tag_size: int = AEAD_TAG_SIZE) -> AeadBox:
    """Return the library's object for one key. Raises UnsupportedAlgorithmError."""
    try:
        if algorithm in _ONE_SHOT_AEAD_CLASSES and tag_size == AEAD_TAG_SIZE:
            one_shot: AeadBox = getattr(aead, _ONE_SHOT_AEAD_CLASSES[algorithm])(key)
            return one_shot
        cipher: CipherAlgorithm = getattr(algorithms, _BLOCK_CIPHER_CLASSES[algorithm])(key)
        Cipher(cipher, modes.GCM(bytes(AEAD_NONCE_SIZE))).encryptor()
    except (AttributeError, UnsupportedAlgorithm) as error:
        raise UnsupportedAlgorithmError(algorithm) from error
    return _BlockGcm(cipher, tag_size)
