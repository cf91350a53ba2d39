"""The SPDM key schedule: from a shared secret and two transcript hashes to every key of a session (DSP0274).

This file knows labels, salts and the order of derivations for SPDM 1.0 to 1.4. It does not know what goes into a
transcript, when keys are installed, or how records are protected.

::

    DHE, KEM or PSK ──extract, Salt_0──▶ handshake secret ──TH1──▶ two handshake direction secrets ──▶ finished keys
                                                │                                               └────▶ record keys
                                             Salt_1
                                                ▼
                                          master secret ──TH2──▶ two data direction secrets ──▶ record keys
                                                  └──────TH2──▶ export master secret

*Request direction* is what the requester sends, *response direction* what the responder sends. Secrets and transcript
hashes may have any length; where the specification fixes one, it is that of the negotiated base hash, called H below.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import Final

import attrs

from pytio.crypto import AEAD_NONCE_SIZE, AeadAlgorithm, HashAlgorithm, KeyMaterial, Secret
from pytio.crypto.kdf import hkdf_expand, hkdf_extract, hmac, verify_hmac
from pytio.spdm.codes import SpdmVersion

__all__ = ("DataSecrets", "HandshakeSecrets", "KeySchedule", "Label", "RecordKeys", "bin_concat")

_VERSIONS: Final = frozenset(SpdmVersion)
_MINOR_VERSION_MASK: Final = 0x0F
_LENGTH_FIELD_BYTES: Final = 2
_ZERO: Final = b"\x00"
_ONES: Final = b"\xff"


class Label(Enum):
    """What a derived secret is for, as the label that is hashed into it."""

    DERIVED = b"derived"
    REQUEST_HANDSHAKE = b"req hs data"
    RESPONSE_HANDSHAKE = b"rsp hs data"
    REQUEST_DATA = b"req app data"
    RESPONSE_DATA = b"rsp app data"
    KEY = b"key"
    IV = b"iv"
    FINISHED = b"finished"
    EXPORT_MASTER = b"exp master"
    TRAFFIC_UPDATE = b"traffic upd"


@attrs.frozen
class RecordKeys:
    """What protects the records of one direction: the derived "encryption key" and "salt" of DSP0274."""

    aead: AeadAlgorithm
    key: Secret
    """``aead.key_size`` bytes."""
    iv: Secret
    """``AEAD_NONCE_SIZE`` bytes, to be combined with the sequence number."""


@attrs.frozen
class HandshakeSecrets:
    """The direction secrets of the handshake phase, H bytes each."""

    request: Secret
    response: Secret


@attrs.frozen
class DataSecrets:
    """The direction secrets of the data phase, and what applications may derive from; H bytes each."""

    request: Secret
    response: Secret
    export_master: Secret


def _known(version: int) -> int:
    if version not in _VERSIONS:
        raise ValueError(f"the key schedule of SPDM version {version:#x} is not known")
    return version


def _check_version(_schedule: object, _field: object, version: int) -> None:
    _known(version)


def bin_concat(version: int, size: int, label: Label, context: bytes = b"") -> bytes:
    """Return the info of one derivation: size (2 bytes, little endian), ``spdm1.X ``, label, context.

    ``size`` is the number of bytes to derive. Raises ValueError if it does not fit, or if ``version`` is none of
    0x10 to 0x14.
    """
    return _prefix(version, size, label) + context


@lru_cache(maxsize=256)
def _prefix(version: int, size: int, label: Label) -> bytes:
    minor = _known(version) & _MINOR_VERSION_MASK
    try:
        length = size.to_bytes(_LENGTH_FIELD_BYTES, "little")
    except OverflowError as error:
        raise ValueError(f"{size} bytes cannot be asked for in {_LENGTH_FIELD_BYTES} bytes of length") from error
    return length + f"spdm1.{minor} ".encode() + label.value


@attrs.frozen
class KeySchedule:
    """The derivations of one session.

    Raises ValueError if ``version`` is none of 0x10 to 0x14. Each method raises UnsupportedAlgorithmError if the
    library lacks the hash.
    """

    version: int = attrs.field(validator=_check_version, repr=hex)
    """The negotiated SPDM version, major and minor in one byte."""
    hash_algorithm: HashAlgorithm
    """The negotiated base hash."""
    aead: AeadAlgorithm
    """The negotiated AEAD."""

    def derive(self, secret: KeyMaterial, label: Label, size: int | None = None, context: bytes = b"") -> Secret:
        """Return ``size`` bytes (H unless told) expanded from a secret for the purpose that the label names."""
        size = self.hash_algorithm.digest_size if size is None else size
        return hkdf_expand(self.hash_algorithm, secret, bin_concat(self.version, size, label, context), size)

    def handshake_secret(self, shared_secret: KeyMaterial) -> Secret:
        """Return the handshake secret of a session made by KEY_EXCHANGE, from its DHE or KEM secret."""
        return self._extract(self._constant(_ZERO), shared_secret)

    def psk_handshake_secret(self, psk: KeyMaterial) -> Secret:
        """Return the handshake secret of a session made by PSK_EXCHANGE; from 1.3 on its salt is all ones."""
        salt = _ONES if self.version >= SpdmVersion.V1_3 else _ZERO
        return self._extract(self._constant(salt), psk)

    def handshake_secrets(self, handshake_secret: KeyMaterial, th1_hash: bytes) -> HandshakeSecrets:
        """Return both directions' handshake secrets, given Hash(TH1)."""
        return HandshakeSecrets(
            request=self.derive(handshake_secret, Label.REQUEST_HANDSHAKE, context=th1_hash),
            response=self.derive(handshake_secret, Label.RESPONSE_HANDSHAKE, context=th1_hash),
        )

    def salt_1(self, handshake_secret: KeyMaterial) -> Secret:
        """Return Salt_1, the salt of the master secret."""
        return self.derive(handshake_secret, Label.DERIVED)

    def master_secret(self, handshake_secret: KeyMaterial) -> Secret:
        """Return the master secret."""
        return self._extract(self.salt_1(handshake_secret), self._constant(_ZERO))

    def data_secrets(self, master_secret: KeyMaterial, th2_hash: bytes) -> DataSecrets:
        """Return both directions' data secrets and the export master secret, given Hash(TH2)."""
        return DataSecrets(
            request=self.derive(master_secret, Label.REQUEST_DATA, context=th2_hash),
            response=self.derive(master_secret, Label.RESPONSE_DATA, context=th2_hash),
            export_master=self.derive(master_secret, Label.EXPORT_MASTER, context=th2_hash),
        )

    def updated_secret(self, data_secret: KeyMaterial) -> Secret:
        """Return the data secret that follows this one in its direction, as KEY_UPDATE asks."""
        return self.derive(data_secret, Label.TRAFFIC_UPDATE)

    def record_keys(self, direction_secret: KeyMaterial) -> RecordKeys:
        """Return key and IV of one direction, from its handshake or data secret."""
        return RecordKeys(
            aead=self.aead,
            key=self.derive(direction_secret, Label.KEY, self.aead.key_size),
            iv=self.derive(direction_secret, Label.IV, AEAD_NONCE_SIZE),
        )

    def finished_key(self, handshake_direction_secret: KeyMaterial) -> Secret:
        """Return the key of one direction's verify data, H bytes."""
        return self.derive(handshake_direction_secret, Label.FINISHED)

    def finished_hmac(self, finished_key: KeyMaterial, th_hash: bytes) -> bytes:
        """Return the field RequesterVerifyData or ResponderVerifyData, H bytes: the HMAC of Hash(TH), not of TH."""
        return hmac(self.hash_algorithm, finished_key, th_hash)

    def verify_finished_hmac(self, finished_key: KeyMaterial, th_hash: bytes, received: bytes, what: str) -> None:
        """Raise VerificationError, naming ``what``, unless the received field is the HMAC of Hash(TH)."""
        verify_hmac(self.hash_algorithm, finished_key, received, th_hash, what=what)

    def _extract(self, salt: KeyMaterial, key_material: KeyMaterial) -> Secret:
        return hkdf_extract(self.hash_algorithm, salt, key_material)

    def _constant(self, octet: bytes) -> bytes:
        return octet * self.hash_algorithm.digest_size
