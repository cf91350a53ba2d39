"""The key schedule of an overheard session: that of `pytio.spdm`, with compiled derivations where there are some.

A capture may hold thousands of sessions, and each takes twenty derivations, so that these are worth compiling. Labels
and order of the derivations stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, Final

import attrs

from pytio import _accel
from pytio._accel.pure_openers import RecordOpener as PureRecordOpener
from pytio.crypto import AEAD_NONCE_SIZE, AeadAlgorithm, HashAlgorithm, KeyMaterial, Secret
from pytio.crypto.aead import Aead
from pytio.crypto.secret import equal_in_constant_time, octets_of
from pytio.errors import VerificationError
from pytio.spdm.key_schedule import KeySchedule, Label, RecordKeys, bin_concat
from pytio.spdm.records import Protection, SequenceOrder

__all__ = ("CompiledSchedule", "heard_schedule", "opener_maker", "record_opener")

_DIGESTS: Final = {
    HashAlgorithm.SHA_256: "SHA256",
    HashAlgorithm.SHA_384: "SHA384",
    HashAlgorithm.SHA_512: "SHA512",
    HashAlgorithm.SHA3_256: "SHA3-256",
    HashAlgorithm.SHA3_384: "SHA3-384",
    HashAlgorithm.SHA3_512: "SHA3-512",
    HashAlgorithm.SM3_256: "SM3",
}
"""What OpenSSL calls them."""
_REMEMBERED: Final = 64
_ORDERS: Final = {SequenceOrder.LITTLE: _accel.LITTLE, SequenceOrder.BIG: _accel.BIG}


def record_opener(
    keys: RecordKeys, protection: Protection, orders: tuple[SequenceOrder, ...]
) -> _accel.AnyRecordOpener:
    """Return what opens the records under one key: compiled, where the algorithm is in reach of what was compiled.

    Raises UnsupportedAlgorithmError if the library lacks the AEAD.
    """
    is_encrypted, bits = protection is Protection.ENCRYPT_AND_MAC, sum(_ORDERS[order] for order in orders)
    compiled = _accel.chosen.openers
    if compiled is not None:
        with suppress(NotImplementedError):
            opener: _accel.AnyRecordOpener = compiled.RecordOpener(
                _cipher(keys.aead), keys.key.reveal(), keys.iv.reveal(), is_encrypted, bits
            )
            return opener
    return PureRecordOpener(Aead(keys.aead, keys.key), keys.iv.reveal(), is_encrypted, bits)


def opener_maker(
    schedule: KeySchedule, protection: Protection, orders: tuple[SequenceOrder, ...]
) -> Callable[[Secret], _accel.AnyRecordOpener]:
    """Return what makes openers of one direction each, given its handshake or data secret.

    It raises UnsupportedAlgorithmError if the library lacks the AEAD.
    """
    if isinstance(schedule, CompiledSchedule) and schedule.record_opener is not None:
        bits = sum([_ORDERS[order] for order in orders])
        return partial(schedule.opener, is_encrypted=protection is Protection.ENCRYPT_AND_MAC, orders=bits)
    return lambda secret: record_opener(schedule.record_keys(secret), protection, orders)


def heard_schedule(schedule: KeySchedule) -> KeySchedule:
    """Return a key schedule with the same results, compiled if it can be."""
    return _compiled(schedule, _accel.chosen) or schedule


@lru_cache(maxsize=_REMEMBERED)
def _compiled(schedule: KeySchedule, twins: _accel.Twins) -> KeySchedule | None:
    if twins.hkdf is None or twins.openers is None:
        return None
    version, aead, cipher = schedule.version, schedule.aead, _cipher(schedule.aead)
    try:
        hkdf = twins.hkdf.Hkdf(_DIGESTS[schedule.hash_algorithm])
    except NotImplementedError:
        return None
    try:
        twins.openers.RecordOpener(cipher, bytes(aead.key_size), bytes(AEAD_NONCE_SIZE), True, _accel.LITTLE)
        record_opener = partial(twins.openers.RecordOpener, cipher)
    except NotImplementedError:
        record_opener = None
    infos = (bin_concat(version, aead.key_size, Label.KEY), bin_concat(version, AEAD_NONCE_SIZE, Label.IV))
    return CompiledSchedule(version, schedule.hash_algorithm, aead, hkdf, record_opener, *infos)


def _cipher(aead: AeadAlgorithm) -> str:
    """Return what OpenSSL calls an AEAD."""
    return aead.name.replace("_", "-")


@attrs.frozen
class CompiledSchedule(KeySchedule):
    """A key schedule whose derivations are compiled."""

    hkdf: Any = attrs.field(repr=False)
    record_opener: Any = attrs.field(repr=False)
    """Opens records under a key of the AEAD; None where this OpenSSL lacks that."""
    key_info: bytes = attrs.field(repr=False)
    iv_info: bytes = attrs.field(repr=False)

    def derive(self, secret: KeyMaterial, label: Label, size: int | None = None, context: bytes = b"") -> Secret:
        """Return ``size`` bytes (H unless told) expanded from a secret for the purpose that the label names."""
        size = self.hkdf.digest_size if size is None else size
        return Secret(self.hkdf.expand(octets_of(secret), bin_concat(self.version, size, label, context), size))

    def finished_hmac(self, finished_key: KeyMaterial, th_hash: bytes) -> bytes:
        """Return the field RequesterVerifyData or ResponderVerifyData, H bytes: the HMAC of Hash(TH), not of TH."""
        made: bytes = self.hkdf.hmac(octets_of(finished_key), th_hash)
        return made

    def verify_finished_hmac(self, finished_key: KeyMaterial, th_hash: bytes, received: bytes, what: str) -> None:
        """Raise VerificationError, naming ``what``, unless the received field is the HMAC of Hash(TH)."""
        if not equal_in_constant_time(self.finished_hmac(finished_key, th_hash), received):
            raise VerificationError(what, (th_hash,))

    def _extract(self, salt: KeyMaterial, key_material: KeyMaterial) -> Secret:
        return Secret(self.hkdf.hmac(octets_of(salt), octets_of(key_material)))

    def opener(self, secret: Secret, is_encrypted: bool, orders: int) -> _accel.AnyRecordOpener:
        """Return what opens the records of one direction."""
        octets, expand = secret.reveal(), self.hkdf.expand
        key, iv = expand(octets, self.key_info, self.aead.key_size), expand(octets, self.iv_info, AEAD_NONCE_SIZE)
        made: _accel.AnyRecordOpener = self.record_opener(key, iv, is_encrypted, orders)
        return made
