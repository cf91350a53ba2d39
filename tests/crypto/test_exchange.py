"""Agreeing on a secret: published values, padding, peers that send nonsense."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import pytest

from pytio.crypto import (
    Agreement,
    ExchangeAlgorithm,
    KemAlgorithm,
    Secret,
    UnsupportedAlgorithmError,
    encapsulate,
    ffdhe,
    load_exchange,
    new_exchange,
)
from pytio.errors import VerificationError
from tests.crypto.published import cases

ALGORITHMS: list[Agreement] = [*ExchangeAlgorithm, *KemAlgorithm]
SUPPORTED = [algorithm for algorithm in ALGORITHMS if algorithm.is_supported()]
UNSUPPORTED = [algorithm for algorithm in ALGORITHMS if not algorithm.is_supported()]
GROUPS = [algorithm for algorithm in ExchangeAlgorithm if algorithm.is_finite_field]
CURVES = [ExchangeAlgorithm.SECP_256_R1, ExchangeAlgorithm.SECP_384_R1, ExchangeAlgorithm.SECP_521_R1]


@pytest.mark.parametrize("case", cases("ecdh"))
def test_curves(case: Any) -> None:
    algorithm = ExchangeAlgorithm.named(case["algorithm"])
    ours, peers = (load_exchange(algorithm, bytes.fromhex(case[name])) for name in ("private", "peer_private"))
    assert ours.request.hex() == case["public"]
    assert peers.request.hex() == case["peer_public"]
    assert ours.complete(peers.request) == peers.complete(ours.request) == Secret(bytes.fromhex(case["secret"]))


@pytest.mark.parametrize("algorithm", SUPPORTED, ids=str)
def test_both_sides_agree(algorithm: Agreement) -> None:
    exchange = new_exchange(algorithm)
    answer = encapsulate(algorithm, exchange.request)
    secret = exchange.complete(answer.response)
    assert secret == answer.secret
    assert len(exchange.request) == algorithm.request_size
    assert len(answer.response) == algorithm.response_size
    assert len(secret) == algorithm.shared_secret_size
    restored = load_exchange(algorithm, exchange.private_value())
    assert restored.request == exchange.request
    assert restored.complete(answer.response) == secret
    assert repr(exchange) == f"<Exchange by {algorithm}>"
    assert secret.reveal().hex() not in repr(answer)


@pytest.mark.parametrize("algorithm", SUPPORTED, ids=str)
def test_fields_of_the_wrong_size(algorithm: Agreement) -> None:
    exchange = new_exchange(algorithm)
    answer = encapsulate(algorithm, exchange.request)
    for field in (b"", answer.response[:-1], answer.response + b"\0"):
        with pytest.raises(VerificationError, match=f"{algorithm} field of {len(field)} instead of"):
            exchange.complete(field)
    for field in (b"", exchange.request[:-1], exchange.request + b"\0"):
        with pytest.raises(VerificationError, match=f"{algorithm} field of {len(field)} instead of"):
            encapsulate(algorithm, field)


@pytest.mark.parametrize("algorithm", CURVES, ids=str)
def test_points_off_the_curve(algorithm: ExchangeAlgorithm) -> None:
    exchange = new_exchange(algorithm)
    width = algorithm.shared_secret_size
    request = exchange.request
    for field in (
        bytes(2 * width),
        b"\xff" * (2 * width),
        request[:-1] + bytes([request[-1] ^ 1]),
        request[width:] + request[:width],
    ):
        for use in (exchange.complete, lambda field: encapsulate(algorithm, field)):
            with pytest.raises(VerificationError, match=f"{algorithm} public value"):
                use(field)


@pytest.mark.parametrize("group", GROUPS, ids=str)
def test_public_values_out_of_range(group: ExchangeAlgorithm) -> None:
    exchange, prime = new_exchange(group), ffdhe.prime(group)
    for value in (0, 1, prime - 1, prime, prime + 1, 2 ** (8 * group.request_size) - 1):
        with pytest.raises(VerificationError, match=f"{group} public value"):
            exchange.complete(value.to_bytes(group.response_size, "big"))
    exchange.complete((2).to_bytes(group.response_size, "big"))
    with suppress(VerificationError):  # outside the subgroup: some versions of OpenSSL mind
        exchange.complete((prime - 2).to_bytes(group.response_size, "big"))


@pytest.mark.parametrize("group", GROUPS, ids=str)
def test_groups_are_those_of_rfc_7919(group: ExchangeAlgorithm) -> None:
    """The first and last digits are those printed there; p and (p - 1) / 2 are (probably) prime; X is the least."""
    prime = ffdhe.prime(group)
    last = {"ffdhe2048": "886b423861285c97", "ffdhe3072": "25e41d2b66c62e37", "ffdhe4096": "c68a007e5e655f6a"}
    text = f"{prime:x}"
    assert text.startswith("ffffffffffffffffadf85458a2bb4a9aafdc5620273d3cf1d8b9c583ce2d3695")
    assert text.endswith(last[str(group)] + "ffffffffffffffff")
    assert prime.bit_length() == 8 * group.request_size
    for number in (prime, (prime - 1) // 2):
        assert all(pow(base, number - 1, number) == 1 for base in (2, 3))
    assert pow(ffdhe.GENERATOR, (prime - 1) // 2, prime) == 1


def test_the_series_of_e() -> None:
    assert ffdhe._scaled_e(50) == math.floor(math.e * 2**50)


def test_no_group() -> None:
    with pytest.raises(UnsupportedAlgorithmError, match="secp256r1"):
        ffdhe.prime(ExchangeAlgorithm.SECP_256_R1)


def test_finite_field_secrets_are_padded() -> None:
    """One secret in 256 starts with a zero byte; it keeps its place."""
    group = ExchangeAlgorithm.FFDHE_2048
    prime = ffdhe.prime(group)
    exponent = next(x for x in range(2, 5000) if pow(ffdhe.GENERATOR, 2048 * x, prime) >> (2048 - 8) == 0)
    ours, peer = load_exchange(group, exponent.to_bytes(2, "big")), (2048).to_bytes(2, "big")
    secret = ours.complete(load_exchange(group, peer).request)
    assert len(secret) == group.shared_secret_size
    assert secret.reveal() == pow(2, 2048 * exponent, prime).to_bytes(256, "big")
    assert secret.reveal()[0] == 0


@pytest.mark.parametrize("algorithm", [kem for kem in KemAlgorithm if kem.is_supported()], ids=str)
def test_encapsulation_keys_that_are_none(algorithm: KemAlgorithm) -> None:
    with pytest.raises(VerificationError, match=f"{algorithm} encapsulation key"):
        encapsulate(algorithm, b"\xff" * algorithm.request_size)


@pytest.mark.parametrize("algorithm", [kem for kem in KemAlgorithm if kem.is_supported()], ids=str)
def test_a_changed_ciphertext_gives_another_secret(algorithm: KemAlgorithm) -> None:
    """Implicit rejection (FIPS 203, 6.3): it shows in the HMACs."""
    exchange = new_exchange(algorithm)
    answer = encapsulate(algorithm, exchange.request)
    changed = bytes([answer.response[0] ^ 1]) + answer.response[1:]
    assert exchange.complete(changed) != answer.secret


@pytest.mark.parametrize("algorithm", UNSUPPORTED, ids=str)
def test_what_the_library_lacks_is_named(algorithm: Agreement) -> None:
    for use in (
        lambda: new_exchange(algorithm),
        lambda: load_exchange(algorithm, b"\1"),
        lambda: encapsulate(algorithm, bytes(algorithm.request_size)),
    ):
        with pytest.raises(UnsupportedAlgorithmError, match=str(algorithm)):
            use()


@pytest.mark.parametrize("algorithm", SUPPORTED, ids=str)
def test_private_values_out_of_range(algorithm: Agreement) -> None:
    with pytest.raises(ValueError, match=r"."):
        load_exchange(algorithm, b"")
