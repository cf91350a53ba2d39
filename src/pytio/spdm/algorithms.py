"""The algorithms that NEGOTIATE_ALGORITHMS and ALGORITHMS speak of: each bit once, and what it means to `pytio.crypto`.

Document: DSP0274, "Algorithm request and response messages". The members carry the names of the algorithms in
`pytio.crypto.algorithms`, without the specification's prefix TPM_ALG, so a bit finds its algorithm, and through it its
sizes, by name. Importing this file imports no cryptography.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pytio.wire import OpenEnum, WireFlag

if TYPE_CHECKING:
    from pytio.crypto.algorithms import (
        AeadAlgorithm,
        Algorithm,
        ExchangeAlgorithm,
        HashAlgorithm,
        KemAlgorithm,
        SignatureAlgorithm,
    )

__all__ = (
    "AeadSuite",
    "AlgorithmType",
    "BaseAsymAlgo",
    "BaseHashAlgo",
    "DheGroup",
    "KemAlgo",
    "KeyPairAsymAlgo",
    "KeySchedule",
    "MeasurementHashAlgo",
    "MeasurementSpecification",
    "MelSpecification",
    "OtherParams",
    "PqcAsymAlgo",
    "aead_algorithm",
    "digest_size",
    "exchange_algorithm",
    "exchange_sizes",
    "hash_algorithm",
    "measurement_digest_size",
    "measurement_hash_algorithm",
    "signature_algorithm",
    "signature_size",
)


class AlgorithmType(OpenEnum):
    """AlgType of an algorithm structure, from 1.1."""

    DHE = 2
    AEAD = 3
    REQ_BASE_ASYM_ALG = 4
    KEY_SCHEDULE = 5
    REQ_PQC_ASYM_ALG = 6
    KEM_ALG = 7


class MeasurementSpecification(WireFlag):
    """MeasurementSpecification: the form of measurement blocks; also the specification byte inside each block."""

    DMTF = 1 << 0


class MelSpecification(WireFlag):
    """MELspecification: the form of the measurement extension log (1.3)."""

    DMTF = 1 << 0


class OtherParams(WireFlag):
    """OtherParamsSupport and OtherParamsSelection, from 1.2: the format of opaque data, and multi-key.

    Either side's bit 4 speaks of the other side: ResponderMultiKeyConn in the request, RequesterMultiKeyConnSel in the
    response (1.3).
    """

    OPAQUE_DATA_FMT0 = 1 << 0
    OPAQUE_DATA_FMT1 = 1 << 1
    MULTI_KEY_CONN = 1 << 4


class BaseAsymAlgo(WireFlag):
    """BaseAsymAlgo and ReqBaseAsymAlg: signatures without post-quantum security."""

    RSASSA_2048 = 1 << 0
    RSAPSS_2048 = 1 << 1
    RSASSA_3072 = 1 << 2
    RSAPSS_3072 = 1 << 3
    ECDSA_P256 = 1 << 4
    RSASSA_4096 = 1 << 5
    RSAPSS_4096 = 1 << 6
    ECDSA_P384 = 1 << 7
    ECDSA_P521 = 1 << 8
    SM2_P256 = 1 << 9
    ED25519 = 1 << 10
    ED448 = 1 << 11


class BaseHashAlgo(WireFlag):
    """BaseHashAlgo: the hash of transcripts, certificate chains and keys."""

    SHA_256 = 1 << 0
    SHA_384 = 1 << 1
    SHA_512 = 1 << 2
    SHA3_256 = 1 << 3
    SHA3_384 = 1 << 4
    SHA3_512 = 1 << 5
    SM3_256 = 1 << 6


class MeasurementHashAlgo(WireFlag):
    """MeasurementHashAlgo: the hash of measurements; one bit higher than in `BaseHashAlgo`."""

    RAW_BIT_STREAM_ONLY = 1 << 0
    SHA_256 = 1 << 1
    SHA_384 = 1 << 2
    SHA_512 = 1 << 3
    SHA3_256 = 1 << 4
    SHA3_384 = 1 << 5
    SHA3_512 = 1 << 6
    SM3_256 = 1 << 7


class PqcAsymAlgo(WireFlag):
    """PqcAsymAlgo and ReqPqcAsymAlg: post-quantum signatures (1.4)."""

    ML_DSA_44 = 1 << 0
    ML_DSA_65 = 1 << 1
    ML_DSA_87 = 1 << 2
    SLH_DSA_SHA2_128S = 1 << 3
    SLH_DSA_SHAKE_128S = 1 << 4
    SLH_DSA_SHA2_128F = 1 << 5
    SLH_DSA_SHAKE_128F = 1 << 6
    SLH_DSA_SHA2_192S = 1 << 7
    SLH_DSA_SHAKE_192S = 1 << 8
    SLH_DSA_SHA2_192F = 1 << 9
    SLH_DSA_SHAKE_192F = 1 << 10
    SLH_DSA_SHA2_256S = 1 << 11
    SLH_DSA_SHAKE_256S = 1 << 12
    SLH_DSA_SHA2_256F = 1 << 13
    SLH_DSA_SHAKE_256F = 1 << 14


class DheGroup(WireFlag):
    """DHE groups, from 1.1."""

    FFDHE_2048 = 1 << 0
    FFDHE_3072 = 1 << 1
    FFDHE_4096 = 1 << 2
    SECP_256_R1 = 1 << 3
    SECP_384_R1 = 1 << 4
    SECP_521_R1 = 1 << 5
    SM2_P256 = 1 << 6


class KemAlgo(WireFlag):
    """Key encapsulation mechanisms (1.4)."""

    ML_KEM_512 = 1 << 0
    ML_KEM_768 = 1 << 1
    ML_KEM_1024 = 1 << 2


class AeadSuite(WireFlag):
    """AEAD cipher suites of sessions, from 1.1."""

    AES_128_GCM = 1 << 0
    AES_256_GCM = 1 << 1
    CHACHA20_POLY1305 = 1 << 2
    SM4_GCM = 1 << 3


class KeySchedule(WireFlag):
    """Key schedules, from 1.1."""

    SPDM = 1 << 0


class KeyPairAsymAlgo(WireFlag):
    """Asymmetric algorithms of KEY_PAIR_INFO, SET_KEY_PAIR_INFO and SLOT_MANAGEMENT; the bits of no other message."""

    RSA2048 = 1 << 0
    RSA3072 = 1 << 1
    RSA4096 = 1 << 2
    ECC256 = 1 << 3
    ECC384 = 1 << 4
    ECC521 = 1 << 5
    SM2 = 1 << 6
    ED25519 = 1 << 7
    ED448 = 1 << 8


A = TypeVar("A", bound="Algorithm")
_REMEMBERED: Final = 64


def _only(selected: WireFlag, algorithms: type[A]) -> A:
    """Return the algorithm of the one bit that is set.

    Raises:
        ValueError: no bit is set, or several, or one without a name.
    """
    try:
        found: A = _named(selected, algorithms)
    except KeyError:
        raise ValueError(f"{selected!r} is not a selection of one algorithm") from None
    return found


@lru_cache(maxsize=_REMEMBERED, typed=True)  # every message whose sizes were negotiated asks
def _named(selected: WireFlag, algorithms: Any) -> Any:
    return algorithms[str(selected.name)]


def hash_algorithm(selected: BaseHashAlgo) -> HashAlgorithm:
    """Return the hash function of a BaseHashSel.

    Raises:
        ValueError: not exactly one bit with a name is set; so for all functions of this module.
    """
    from pytio.crypto.algorithms import HashAlgorithm  # noqa: PLC0415

    return _only(selected, HashAlgorithm)


def measurement_hash_algorithm(selected: MeasurementHashAlgo) -> HashAlgorithm | None:
    """Return the hash function of a MeasurementHashAlgo, None where measurements are raw bit streams only.

    Raises:
        ValueError: not exactly one bit with a name is set.
    """
    from pytio.crypto.algorithms import HashAlgorithm  # noqa: PLC0415

    return None if selected == MeasurementHashAlgo.RAW_BIT_STREAM_ONLY else _only(selected, HashAlgorithm)


def signature_algorithm(selected: BaseAsymAlgo | PqcAsymAlgo) -> SignatureAlgorithm:
    """Return the signature algorithm of a BaseAsymSel, PqcAsymSel, or what is selected for the requester.

    Raises:
        ValueError: not exactly one bit with a name is set.
    """
    from pytio.crypto.algorithms import SignatureAlgorithm  # noqa: PLC0415

    return _only(selected, SignatureAlgorithm)


def exchange_algorithm(selected: DheGroup | KemAlgo) -> ExchangeAlgorithm | KemAlgorithm:
    """Return the key agreement of a selected DHE group or KEM.

    Raises:
        ValueError: not exactly one bit with a name is set.
    """
    from pytio.crypto.algorithms import ExchangeAlgorithm, KemAlgorithm  # noqa: PLC0415

    return _only(selected, KemAlgorithm) if isinstance(selected, KemAlgo) else _only(selected, ExchangeAlgorithm)


def aead_algorithm(selected: AeadSuite) -> AeadAlgorithm:
    """Return the AEAD algorithm of a selected cipher suite.

    Raises:
        ValueError: not exactly one bit with a name is set.
    """
    from pytio.crypto.algorithms import AeadAlgorithm  # noqa: PLC0415

    return _only(selected, AeadAlgorithm)


@lru_cache(maxsize=_REMEMBERED, typed=True)
def digest_size(selected: BaseHashAlgo) -> int:
    """Return the bytes of a digest: ``digest`` for ``parse``."""
    return hash_algorithm(selected).digest_size


def measurement_digest_size(selected: MeasurementHashAlgo) -> int | None:
    """Return the bytes of a digest of a measurement, None where measurements are raw bit streams only."""
    algorithm = measurement_hash_algorithm(selected)
    return algorithm.digest_size if algorithm else None


@lru_cache(maxsize=_REMEMBERED, typed=True)
def signature_size(selected: BaseAsymAlgo | PqcAsymAlgo) -> int:
    """Return the bytes of a signature: ``signature`` for ``parse``."""
    return signature_algorithm(selected).signature_size


@lru_cache(maxsize=_REMEMBERED, typed=True)
def exchange_sizes(selected: DheGroup | KemAlgo) -> tuple[int, int]:
    """Return the bytes of the exchange data of KEY_EXCHANGE and of KEY_EXCHANGE_RSP: ``exchange`` for ``parse``."""
    algorithm = exchange_algorithm(selected)
    return algorithm.request_size, algorithm.response_size
