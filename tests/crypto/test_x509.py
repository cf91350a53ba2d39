"""Certificates: what they say, and what is none."""

from __future__ import annotations

import random
import warnings

import pytest
from cryptography import x509

from pytio.crypto import Certificate, PublicKey, SignatureAlgorithm, UnsupportedAlgorithmError, parse_certificates
from pytio.crypto.x509 import OID_DEVICE_INFO, OID_HARDWARE_IDENTITY
from pytio.errors import DecodeError
from tests.crypto.authority import DEVICE_INFO, NOW, YEAR, Chain

CHAIN = Chain().issue()
ROOT, ISSUER, LEAF = CHAIN
BUNDLE = b"".join(certificate.der for certificate in CHAIN)


def test_what_a_leaf_says() -> None:
    assert LEAF.subject == "CN=Device,O=Maker"
    assert LEAF.issuer == "CN=Issuer,O=Maker"
    assert not LEAF.is_self_issued
    assert LEAF.is_version_3
    assert (LEAF.not_before, LEAF.not_after) == (NOW - YEAR, NOW + YEAR)
    assert LEAF.is_ca is False
    assert LEAF.path_length is None
    assert LEAF.key_usages == frozenset({"digitalSignature"})
    assert LEAF.extended_key_usages == frozenset({"1.3.6.1.5.5.7.3.2"})
    assert LEAF.critical_oids == {"2.5.29.19", "2.5.29.15"}
    assert LEAF.device_info == DEVICE_INFO
    assert LEAF.spdm_oids == (OID_HARDWARE_IDENTITY,)
    assert LEAF.public_key.algorithms == {SignatureAlgorithm.ECDSA_P384}
    assert LEAF.name_constraints is None
    assert repr(LEAF) == "<Certificate of CN=Device,O=Maker by CN=Issuer,O=Maker>"


def test_what_a_bare_one_does_not_say() -> None:
    chain = Chain()
    chain.leaf.basic_constraints = chain.leaf.usage = chain.leaf.extended = chain.leaf.spdm = None
    chain.leaf.alternatives = []
    leaf = chain.issue()[-1]
    for absent in ("is_ca", "path_length", "key_usages", "extended_key_usages", "device_info"):
        assert getattr(leaf, absent) is None
    assert leaf.spdm_oids == ()
    assert leaf.critical_oids == frozenset()


def test_issuing() -> None:
    assert ROOT.is_self_issued
    assert ROOT.is_issued_by(ROOT)
    assert LEAF.is_issued_by(ISSUER)
    assert not LEAF.is_issued_by(ROOT)
    assert not ISSUER.is_issued_by(LEAF)


def test_equality_is_that_of_the_bytes() -> None:
    assert Certificate(ROOT.der) == ROOT
    assert hash(Certificate(ROOT.der)) == hash(ROOT)
    assert ROOT != ISSUER
    assert ROOT.der != ROOT


def test_bundles() -> None:
    assert parse_certificates(BUNDLE) == CHAIN
    assert parse_certificates(b"") == ()


@pytest.mark.parametrize("size", range(1, len(BUNDLE), 97))
def test_cut_bundles(size: int) -> None:
    starts = [0, len(ROOT.der), len(ROOT.der) + len(ISSUER.der)]
    if size in starts:
        return
    with pytest.raises(DecodeError) as caught:
        parse_certificates(BUNDLE[:size])
    assert caught.value.offset in {start + step for start in starts for step in (0, 1)}


def test_a_bundle_with_something_else_inside() -> None:
    data = ROOT.der + b"\x30\x03\x02\x01\x00" + LEAF.der
    with pytest.raises(DecodeError, match=r"certificate\[1\] at offset \d+: not an X\.509") as caught:
        parse_certificates(data)
    assert (caught.value.offset, caught.value.path) == (len(ROOT.der), "certificate[1]")
    with pytest.raises(DecodeError, match="not an X"):
        Certificate(ROOT.der + b"\0")


def test_mutated_certificates_parse_or_are_refused() -> None:
    """Whatever a peer sends, nothing but the documented errors leaves, late properties included."""
    chance = random.Random(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library has opinions on odd but legal certificates
        for _ in range(1500):
            octets = bytearray(LEAF.der)
            for _ in range(chance.randint(1, 3)):
                octets[chance.randrange(len(octets))] = chance.randrange(256)
            try:
                certificate = Certificate(bytes(octets))
            except DecodeError:
                continue
            for late in ("public_key", "device_info", "spdm_oids", "subject", "not_after", "names", "name_constraints"):
                try:
                    getattr(certificate, late)
                except (DecodeError, UnsupportedAlgorithmError):
                    assert late in ("public_key", "device_info", "spdm_oids")
            try:
                assert not certificate.is_issued_by(ISSUER) or certificate.der == LEAF.der
            except UnsupportedAlgorithmError:
                continue


def test_malformed_device_info_and_spdm_extension() -> None:
    chain = Chain()
    chain.leaf.alternatives = [x509.OtherName(x509.ObjectIdentifier(OID_DEVICE_INFO), b"\x0c\x00")]
    chain.leaf.spdm = b"\x30\x04\x30\x03\x06\x02"
    leaf = chain.issue()[-1]
    assert leaf.device_info == ""
    with pytest.raises(DecodeError, match="an element of 3 bytes, 2 are left"):
        _ = leaf.spdm_oids
    chain.leaf.spdm = bytes.fromhex("3006 3000 3002 0500")
    assert chain.issue()[-1].spdm_oids == ()


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        ("P-256", SignatureAlgorithm.ECDSA_P256),
        ("P-521", SignatureAlgorithm.ECDSA_P521),
        ("RSA-2048", SignatureAlgorithm.RSAPSS_2048),
        ("Ed25519", SignatureAlgorithm.ED25519),
        ("Ed448", SignatureAlgorithm.ED448),
    ],
)
def test_keys_of_every_kind(kind: str, algorithm: SignatureAlgorithm) -> None:
    _, issuer, leaf = Chain(kind).issue()
    assert algorithm in leaf.public_key.algorithms
    assert PublicKey.from_spki(leaf.public_key.to_spki()) == leaf.public_key
    assert leaf.is_issued_by(issuer)
