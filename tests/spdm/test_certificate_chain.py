"""Certificate chains: the structure, and where one certificate ends."""

from __future__ import annotations

import hashlib

import pytest

from pytio.errors import SpdmDecodeError
from pytio.spdm.certificate_chain import CertificateChain, split_certificates
from pytio.spdm.messages.certificate import Certificate
from tests.checks import check_wire
from tests.spdm.corpus import recorded

SMALL = bytes.fromhex("3003020105")


def der(size: int) -> bytes:
    """Return a DER sequence with so many bytes of content."""
    if size < 0x80:
        return bytes([0x30, size]) + bytes(size)
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x30, 0x80 | len(length)]) + length + bytes(size)


def test_a_chain_measures_itself() -> None:
    chain = CertificateChain(root_hash=bytes(48), certificate_list=SMALL + der(200))
    check_wire(CertificateChain, chain.build(), chain, digest=48)
    assert chain.length == 4 + 48 + 5 + 203
    assert chain.certificates() == (SMALL, der(200))


def test_a_chain_of_200_kilobytes() -> None:
    certificates = tuple(der(size) for size in (0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x10000, 70_000))
    chain = CertificateChain(root_hash=bytes(64), certificate_list=b"".join(certificates))
    assert chain.length > 200_000
    assert CertificateChain.parse(chain.build(), digest=64).certificates() == certificates


def test_recorded_chains_begin_with_their_root() -> None:
    chains = 0
    for source, cls, given, raw in recorded("connection_messages.txt", "Certificate"):
        part, _ = cls.parse_prefix(raw, **given)
        assert isinstance(part, Certificate)
        for size, function in ((32, hashlib.sha256), (48, hashlib.sha384)):
            chain = CertificateChain.parse(part.cert_chain, digest=size)
            if chain.root_hash == function(split_first(chain.certificate_list)).digest():
                assert len(chain.certificates()) == 3, source
                chains += 1
    assert chains == 21


def split_first(data: bytes) -> bytes:
    """Return the first certificate, with the long form of a length in two bytes that all recorded ones have."""
    return data[: 4 + int.from_bytes(data[2:4], "big")]


@pytest.mark.parametrize(
    ("data", "offset", "reason"),
    [
        (SMALL + b"\x31\x00", 5, "0x31 does not start a DER sequence"),
        (SMALL + b"\x30", 5, "needs 2 bytes, 1 left"),
        (SMALL + b"\x30\x80\x00\x00", 5, "no indefinite length"),
        (SMALL + b"\x30\x82\x01", 5, "needs 5 bytes, 3 left"),
        (b"\x30\x04abc", 0, "needs 6 bytes, 5 left"),
        (b"\x30\xff" + b"\xff" * 127, 0, "left"),
        (b"\x00" * 4, 0, "0x0 does not start"),
    ],
)
def test_what_is_no_certificate_is_refused_where_it_stands(data: bytes, offset: int, reason: str) -> None:
    with pytest.raises(SpdmDecodeError, match=reason) as caught:
        split_certificates(data)
    assert caught.value.offset == offset
    with pytest.raises(SpdmDecodeError, match=reason) as caught:
        CertificateChain(root_hash=bytes(32), certificate_list=data).certificates()
    assert caught.value.offset == 36 + offset
    assert caught.value.path == f"CertificateChain.certificate_list[{1 if offset else 0}]"


def test_no_certificate_at_all_is_an_empty_list() -> None:
    assert split_certificates(b"") == ()
