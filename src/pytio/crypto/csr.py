"""Certificate signing requests, made by a key that only signs (RFC 2986).

The key may sit in a token, and the signature comes from a `Provider`, so the request is put together here and not by
the library. This file knows the layout of requests and the identifiers of signature algorithms. It knows no protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from pytio.crypto import der
from pytio.crypto.algorithms import HashAlgorithm, SignatureAlgorithm, SignatureScheme
from pytio.crypto.signatures import SignatureParameters
from pytio.errors import DecodeError

if TYPE_CHECKING:
    from pytio.crypto.provider import Provider
    from pytio.crypto.signatures import SigningKey

__all__ = ("RequestInfo", "algorithm_identifier", "make_csr", "parse_request_info")

_INTEGER_ZERO: Final = bytes.fromhex("020100")
_NULL: Final = bytes.fromhex("0500")
_ATTRIBUTES: Final = 0xA0
_BIT_STRING: Final = 0x03
_NAME: Final = "a version, a name, a key and attributes"

_ECDSA: Final = MappingProxyType(
    {
        HashAlgorithm.SHA_256: "1.2.840.10045.4.3.2",
        HashAlgorithm.SHA_384: "1.2.840.10045.4.3.3",
        HashAlgorithm.SHA_512: "1.2.840.10045.4.3.4",
    }
)
_RSA: Final = MappingProxyType(
    {
        HashAlgorithm.SHA_256: "1.2.840.113549.1.1.11",
        HashAlgorithm.SHA_384: "1.2.840.113549.1.1.12",
        HashAlgorithm.SHA_512: "1.2.840.113549.1.1.13",
    }
)
_OTHERS: Final[Mapping[SignatureAlgorithm, str]] = MappingProxyType(
    {
        SignatureAlgorithm.ED25519: "1.3.101.112",
        SignatureAlgorithm.ED448: "1.3.101.113",
        SignatureAlgorithm.ML_DSA_44: "2.16.840.1.101.3.4.3.17",
        SignatureAlgorithm.ML_DSA_65: "2.16.840.1.101.3.4.3.18",
        SignatureAlgorithm.ML_DSA_87: "2.16.840.1.101.3.4.3.19",
    }
)
_PKCS1: Final[Mapping[SignatureAlgorithm, SignatureAlgorithm]] = MappingProxyType(
    {
        SignatureAlgorithm.RSAPSS_2048: SignatureAlgorithm.RSASSA_2048,
        SignatureAlgorithm.RSAPSS_3072: SignatureAlgorithm.RSASSA_3072,
        SignatureAlgorithm.RSAPSS_4096: SignatureAlgorithm.RSASSA_4096,
    }
)
"""A request signs by PKCS #1 where the key does: both schemes are the same key's."""


class RequestInfo:
    """What a request is to contain, as the asking side put it (RFC 2986, CertificationRequestInfo).

    Attributes:
        subject: DER of the name.
        attributes: DER of the attributes, their tag included.
    """

    __slots__ = ("attributes", "subject")

    def __init__(self, subject: bytes, attributes: bytes) -> None:
        self.subject = subject
        self.attributes = attributes


def parse_request_info(data: bytes) -> RequestInfo:
    """Return name and attributes of a CertificationRequestInfo. Raises DecodeError if the bytes are none."""
    whole = der.read(data, 0)
    if whole.tag != der.Tag.SEQUENCE or whole.end != len(data):
        raise DecodeError("not one SEQUENCE", data)
    parts = der.children(data, whole)
    tags = [part.tag for part in parts]
    sequence = der.Tag.SEQUENCE
    if tags not in ([2, sequence, sequence, _ATTRIBUTES], [2, sequence, sequence]):
        raise DecodeError(f"not {_NAME}", data, whole.content)
    if data[parts[0].start : parts[0].end] != _INTEGER_ZERO:
        raise DecodeError("a version other than 0", data, parts[0].start)
    for part in parts[1:]:
        der.children(data, part)
    attributes = data[parts[3].start : parts[3].end] if tags[3:] else der.element(_ATTRIBUTES, b"")
    return RequestInfo(data[parts[1].start : parts[1].end], attributes)


def algorithm_identifier(spki: bytes) -> bytes:
    """Return the AlgorithmIdentifier of a SubjectPublicKeyInfo, both in DER. Raises DecodeError if it is none."""
    first = der.children(spki, der.read(spki, 0))[0]
    return spki[first.start : first.end]


def make_csr(
    provider: Provider,
    key: SigningKey,
    info: RequestInfo,
    algorithm: SignatureAlgorithm,
    hash_algorithm: HashAlgorithm = HashAlgorithm.SHA_384,
) -> bytes:
    """Return a DER CertificationRequest for a key, signed by it.

    A hash that requests have no identifier for is replaced by SHA-384. Raises ValueError if the key does not serve the
    algorithm.
    """
    algorithm = _PKCS1.get(algorithm, algorithm)
    hash_algorithm = hash_algorithm if hash_algorithm in _ECDSA else HashAlgorithm.SHA_384
    content = _INTEGER_ZERO + info.subject + key.public_key.to_spki() + info.attributes
    signed = der.element(der.Tag.SEQUENCE, content)
    signature = provider.sign(key, signed, SignatureParameters(algorithm, hash_algorithm))
    if algorithm.scheme is SignatureScheme.ECDSA:
        half = len(signature) // 2
        signature = encode_dss_signature(
            int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
        )
    identifier = _signature_identifier(algorithm, hash_algorithm)
    bits = der.element(_BIT_STRING, b"\x00" + signature)
    return der.element(der.Tag.SEQUENCE, signed + identifier + bits)


def _signature_identifier(algorithm: SignatureAlgorithm, hash_algorithm: HashAlgorithm) -> bytes:
    parameters = b""
    if algorithm.scheme is SignatureScheme.ECDSA:
        dotted = _ECDSA[hash_algorithm]
    elif algorithm.scheme is SignatureScheme.RSASSA_PKCS1:
        dotted, parameters = _RSA[hash_algorithm], _NULL
    else:
        dotted = _OTHERS[algorithm]
    return der.element(der.Tag.SEQUENCE, der.object_identifier(dotted) + parameters)
