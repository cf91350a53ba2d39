"""Algorithms and codes: every bit once, and every bit an algorithm."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from pytio.crypto.algorithms import (
    AeadAlgorithm,
    ExchangeAlgorithm,
    HashAlgorithm,
    KemAlgorithm,
    SignatureAlgorithm,
)
from pytio.spdm import algorithms, capabilities, codes
from pytio.spdm.algorithms import (
    AeadSuite,
    BaseAsymAlgo,
    BaseHashAlgo,
    DheGroup,
    KemAlgo,
    MeasurementHashAlgo,
    PqcAsymAlgo,
    aead_algorithm,
    digest_size,
    exchange_algorithm,
    exchange_sizes,
    hash_algorithm,
    measurement_digest_size,
    signature_algorithm,
    signature_size,
)
from pytio.wire import OpenEnum, WireFlag


def test_every_bit_is_an_algorithm() -> None:
    assert {hash_algorithm(bit) for bit in BaseHashAlgo} == set(HashAlgorithm)
    assert {signature_algorithm(bit) for bit in [*BaseAsymAlgo, *PqcAsymAlgo]} == set(SignatureAlgorithm)
    assert {exchange_algorithm(bit) for bit in [*DheGroup, *KemAlgo]} == {*ExchangeAlgorithm, *KemAlgorithm}
    assert {aead_algorithm(bit) for bit in AeadSuite} == set(AeadAlgorithm)


def test_measurement_hashes_are_one_bit_higher() -> None:
    for bit in BaseHashAlgo:
        assert measurement_digest_size(MeasurementHashAlgo(bit << 1)) == digest_size(bit)
    assert measurement_digest_size(MeasurementHashAlgo.RAW_BIT_STREAM_ONLY) is None


@pytest.mark.parametrize(
    ("bit", "size"),
    [
        (BaseAsymAlgo(1 << 1), 256),
        (BaseAsymAlgo(1 << 3), 384),
        (BaseAsymAlgo(1 << 4), 64),
        (BaseAsymAlgo(1 << 5), 512),
        (BaseAsymAlgo(1 << 7), 96),
        (BaseAsymAlgo(1 << 8), 132),
        (BaseAsymAlgo(1 << 11), 114),
        (PqcAsymAlgo(1 << 2), 4627),
        (PqcAsymAlgo(1 << 7), 16224),
        (PqcAsymAlgo(1 << 14), 49856),
    ],
)
def test_signatures_have_the_size_of_the_specification(bit: BaseAsymAlgo | PqcAsymAlgo, size: int) -> None:
    assert signature_size(bit) == size


@pytest.mark.parametrize(
    ("bit", "sizes"),
    [
        (DheGroup(1 << 1), (384, 384)),
        (DheGroup(1 << 4), (96, 96)),
        (DheGroup(1 << 5), (132, 132)),
        (KemAlgo(1 << 0), (800, 768)),
        (KemAlgo(1 << 1), (1184, 1088)),
    ],
)
def test_exchange_data_have_the_sizes_of_the_specification(bit: DheGroup | KemAlgo, sizes: tuple[int, int]) -> None:
    assert exchange_sizes(bit) == sizes


@pytest.mark.parametrize("selected", [BaseHashAlgo(0), BaseHashAlgo(3), BaseHashAlgo(1 << 31)])
def test_a_selection_is_one_bit_with_a_name(selected: BaseHashAlgo) -> None:
    with pytest.raises(ValueError, match="is not a selection of one algorithm"):
        digest_size(selected)


def enumerations(base: type) -> list[type]:
    """Return the enumerations of the layer."""
    values = [value for module in (algorithms, capabilities, codes) for value in vars(module).values()]
    return [value for value in values if isinstance(value, type) and issubclass(value, base) and value is not base]


def test_no_two_flags_share_a_bit() -> None:
    for flags in enumerations(WireFlag):
        members = list(flags.__members__.values())  # type: ignore[attr-defined]
        assert all(member.bit_count() == 1 for member in members), flags
        assert len(set(members)) == len(members), flags


def test_hostile_values_are_not_remembered() -> None:
    seeded = random.Random(5)
    for enumeration in [*enumerations(WireFlag), *enumerations(OpenEnum)]:
        before = len(enumeration._value2member_map_)  # type: ignore[attr-defined]
        values = [seeded.getrandbits(32) for _ in range(200)]
        assert [int(enumeration(value)) for value in values] == values
        assert len(enumeration._value2member_map_) == before  # type: ignore[attr-defined]


def test_naming_an_algorithm_imports_no_cryptography() -> None:
    code = "from pytio.spdm.algorithms import *; import sys; digest_size(BaseHashAlgo(1)); print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "cryptography" not in said.split()
