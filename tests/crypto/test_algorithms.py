"""Algorithms: names, sizes, and the answer where the library lacks one."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest

from pytio.crypto import (
    AeadAlgorithm,
    Algorithm,
    ExchangeAlgorithm,
    HashAlgorithm,
    KemAlgorithm,
    SignatureAlgorithm,
    UnsupportedAlgorithmError,
)
from pytio.crypto.algorithms import SignatureScheme
from pytio.errors import PytioError

ENUMERATIONS: list[type[Algorithm]] = [
    HashAlgorithm,
    AeadAlgorithm,
    SignatureAlgorithm,
    ExchangeAlgorithm,
    KemAlgorithm,
]
MEMBERS = [member for enumeration in ENUMERATIONS for member in enumeration]


def test_titles_are_unique() -> None:
    assert len({str(member) for member in MEMBERS}) == len(MEMBERS)


def test_counts() -> None:
    assert [len(enumeration) for enumeration in ENUMERATIONS] == [7, 4, 27, 7, 3]


@pytest.mark.parametrize("member", MEMBERS, ids=str)
def test_members_survive_copying_and_pickling(member: Algorithm) -> None:
    assert pickle.loads(pickle.dumps(member)) is member
    assert copy.deepcopy(member) is member
    assert type(member).named(str(member)) is member


@pytest.mark.parametrize("member", MEMBERS, ids=str)
def test_support_is_answered(member: Algorithm) -> None:
    assert member.is_supported() in (True, False)


@pytest.mark.parametrize(
    "member",
    [HashAlgorithm.SHA_256, HashAlgorithm.SHA3_512, AeadAlgorithm.AES_256_GCM, AeadAlgorithm.CHACHA20_POLY1305],
    ids=str,
)
def test_the_common_ones_are_there(member: Algorithm) -> None:
    assert member.is_supported()


def test_sizes_follow_from_the_parameters() -> None:
    for hash_algorithm in HashAlgorithm:
        assert str(hash_algorithm.digest_size * 8) == str(hash_algorithm).rpartition("-")[2]
    for algorithm in SignatureAlgorithm:
        if algorithm.scheme in (SignatureScheme.RSASSA_PKCS1, SignatureScheme.RSASSA_PSS):
            assert algorithm.signature_size * 8 == int(str(algorithm).rpartition("-")[2])
        if algorithm.scheme in (SignatureScheme.RSASSA_PKCS1, SignatureScheme.ECDSA, SignatureScheme.SM2):
            assert algorithm.signature_size == algorithm.public_key_size
    for group in (ExchangeAlgorithm.FFDHE_2048, ExchangeAlgorithm.FFDHE_3072, ExchangeAlgorithm.FFDHE_4096):
        assert group.request_size == group.response_size == group.shared_secret_size
        assert str(group) == f"ffdhe{group.request_size * 8}"
    for curve in (ExchangeAlgorithm.SECP_256_R1, ExchangeAlgorithm.SECP_384_R1, ExchangeAlgorithm.SECP_521_R1):
        assert curve.request_size == curve.response_size == 2 * curve.shared_secret_size


def test_unsupported_algorithm_error() -> None:
    error = UnsupportedAlgorithmError(SignatureAlgorithm.SM2_P256)
    assert isinstance(error, PytioError)
    assert str(error) == "SM2-P256 is not supported by the installed cryptography library"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is UnsupportedAlgorithmError
    assert again.algorithm is SignatureAlgorithm.SM2_P256


def test_naming_an_algorithm_does_not_load_the_library() -> None:
    """Codecs import names only; the library costs as much as the rest of them together."""
    script = "import sys, pytio.crypto; pytio.crypto.HashAlgorithm.SHA_256; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_name_that_is_none() -> None:
    with pytest.raises(ValueError, match="'SHA-1' names no HashAlgorithm"):
        HashAlgorithm.named("SHA-1")
