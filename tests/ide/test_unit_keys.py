"""Providers: published vectors, agreement with one another, misuse, and which one is chosen."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pytio.crypto import Aead, AeadAlgorithm
from pytio.errors import VerificationError
from pytio.ide import unit_keys
from pytio.ide.unit_keys import PROVIDERS, Provider, UnitKey, new_key

KEY = bytes.fromhex("df254152056e02e0ef8b7feb9739d4d96a4eb80103241df7cd5e24b49ccd2720")
FIXED = bytes.fromhex("10000000")
AVAILABLE = [each for each in unit_keys.providers() if each.is_available]
WYCHEPROOF = "PYTIO_WYCHEPROOF"


def nist(name: str) -> Iterator[dict[str, str]]:
    """Yield the cases of a NIST CAVP file that have a key of 256, an IV of 96 and a tag of 96 bits."""
    package = pytest.importorskip("cryptography_vectors", reason="the package cryptography_vectors is not installed")
    path = Path(package.__file__).parent / "ciphers" / "AES" / "GCM" / name
    sizes: dict[str, str] = {}
    case: dict[str, str] = {}
    for line in [*path.read_text().splitlines(), ""]:
        if line.startswith("["):
            name, _, value = line.strip("[]").partition(" = ")
            sizes[name] = value
        elif line.strip():
            name, _, value = line.partition(" = ")
            case[name.strip()] = value.strip()
        elif case:
            if "Key" in case and (sizes["IVlen"], sizes["Taglen"]) == ("96", "96"):
                yield case
            case = {}


def octets(case: dict[str, str], *names: str) -> list[bytes]:
    return [bytes.fromhex(case.get(name, "")) for name in names]


@pytest.mark.parametrize(("file", "least"), [("gcmEncryptExtIV256.rsp", 375), ("gcmDecrypt256.rsp", 375)])
def test_nist_vectors_with_a_tag_of_96_bits(file: str, least: int, on_provider: Provider) -> None:
    count = 0
    for case in nist(file):
        key, iv, aad, plaintext, ciphertext, tag = octets(case, "Key", "IV", "AAD", "PT", "CT", "Tag")
        unit = new_key(key, iv[:4])
        invocation = int.from_bytes(iv[4:], "big")
        if "FAIL" in case:
            with pytest.raises(VerificationError):
                unit.open(invocation, ciphertext + tag, aad)
        else:
            assert unit.open(invocation, ciphertext + tag, aad) == plaintext
            assert unit.seal(invocation, plaintext, aad) == ciphertext + tag
        count += 1
    assert count >= least, "the file has fewer such cases than it should"


def test_wycheproof(on_provider: Provider) -> None:
    """Tags of 128 bits, cut to 96 where they hold; flipped ones have to fail."""
    folder = os.environ.get(WYCHEPROOF)
    if not folder:
        pytest.skip(f"{WYCHEPROOF} names no folder with Wycheproof's aes_gcm_test.json")
    groups = json.loads((Path(folder) / "aes_gcm_test.json").read_text())["testGroups"]
    wanted = [group for group in groups if (group["keySize"], group["ivSize"], group["tagSize"]) == (256, 96, 128)]
    cases = [case for group in wanted for case in group["tests"]]
    assert cases
    for case in cases:
        key, iv, aad, plaintext, ciphertext, tag = octets(case, "key", "iv", "aad", "msg", "ct", "tag")
        unit, invocation = new_key(key, iv[:4]), int.from_bytes(iv[4:], "big")
        if case["result"] == "valid":
            assert unit.seal(invocation, plaintext, aad) == ciphertext + tag[:12]
            assert unit.open(invocation, ciphertext + tag[:12], aad) == plaintext
        elif tag[:12] != new_key(key, iv[:4]).seal(invocation, plaintext, aad)[-12:]:
            with pytest.raises(VerificationError):
                unit.open(invocation, ciphertext + tag[:12], aad)


@pytest.mark.parametrize(
    "rounds", [500, pytest.param(100 * int(os.environ.get("PYTIO_SOAK", "10000")), marks=pytest.mark.soak)]
)
def test_providers_agree(rounds: int) -> None:
    """On random units of every size; the soak takes a million of them at the default PYTIO_SOAK."""
    random = Random(6)
    for _ in range(rounds):
        key, fixed = random.randbytes(32), random.randbytes(4)
        text, aad = random.randbytes(random.choice((0, 4, 64, 300, 4096))), random.randbytes(random.randint(0, 96))
        invocation = random.getrandbits(random.choice((1, 8, 32, 64)))
        iv = fixed + invocation.to_bytes(8, "big")
        expected = Aead(AeadAlgorithm.AES_256_GCM, key, 12).seal(iv, text, aad)
        for each in AVAILABLE:
            assert each.make is not None
            unit = each.make(key, fixed)
            assert unit.seal(invocation, text, aad) == expected
            assert unit.open(invocation, expected, aad) == text
            assert unit.crypt(invocation, text) == expected[:-12]
            unit.close()


@pytest.fixture
def unit(on_provider: Provider) -> UnitKey:
    return new_key(KEY, FIXED)


def test_a_number_is_used_once(unit: UnitKey) -> None:
    unit.seal(5, b"text", b"")
    assert unit.next_invocation == 6
    for again in (5, 4, 0):
        with pytest.raises(ValueError, match=f"invocation {again} was used: the next one is 6"):
            unit.seal(again, b"other", b"")
    sealed = unit.seal(7, b"text", b"")
    assert unit.open(7, sealed, b"") == unit.open(7, sealed, b"") == b"text"


@pytest.mark.parametrize("fixed", [bytes(4), FIXED])
def test_the_first_and_the_last_numbers_follow_one_another(fixed: bytes, on_provider: Provider) -> None:
    """Numbers that follow one another may be made otherwise than the first: also at a carry, and at both ends."""
    for first in (0, 254, (1 << 32) - 2, (1 << 64) - 3):
        unit = new_key(KEY, fixed)
        for invocation in range(first, first + 3):
            iv = fixed + invocation.to_bytes(8, "big")
            assert unit.seal(invocation, b"text", b"aad") == Aead(AeadAlgorithm.AES_256_GCM, KEY, 12).seal(
                iv, b"text", b"aad"
            )


@pytest.mark.parametrize("invocation", [-1, 1 << 64])
def test_a_number_has_64_bits(unit: UnitKey, invocation: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        unit.seal(invocation, b"", b"")
    with pytest.raises(ValueError, match="64 bits"):
        unit.open(invocation, bytes(12), b"")
    with pytest.raises(ValueError, match="64 bits"):
        unit.crypt(invocation, b"")


def test_a_closed_key_does_nothing(unit: UnitKey) -> None:
    sealed = unit.seal(1, b"text", b"aad")
    assert not unit.is_closed
    unit.close()
    unit.close()
    assert repr(unit) == "<UnitKey, closed>"
    with pytest.raises(ValueError, match="closed"):
        unit.seal(2, b"", b"")
    with pytest.raises(ValueError, match="closed"):
        unit.open(1, sealed, b"aad")
    with pytest.raises(ValueError, match="closed"):
        unit.crypt(1, b"")


@pytest.mark.parametrize("place", range(20))
def test_a_changed_unit_does_not_open(unit: UnitKey, place: int) -> None:
    sealed = bytearray(unit.seal(1, b"8 octets", b"aad"))
    sealed[place] ^= 1
    with pytest.raises(VerificationError, match="IDE MAC"):
        unit.open(1, bytes(sealed), b"aad")
    with pytest.raises(VerificationError):
        unit.open(1, bytes(sealed[:place]), b"aad")


@pytest.mark.parametrize(("key", "fixed"), [(KEY[:31], FIXED), (KEY + b"1", FIXED), (KEY, b"123"), (KEY, b"12345")])
def test_keys_of_another_size_are_refused(on_provider: Provider, key: bytes, fixed: bytes) -> None:
    with pytest.raises(ValueError, match="bytes, not"):
        new_key(key, fixed)


@pytest.mark.parametrize("wrong", ["text", 5, None])
def test_what_is_no_bytes_is_refused(unit: UnitKey, wrong: Any) -> None:
    with pytest.raises(TypeError):
        unit.seal(1, wrong, b"")


def test_a_key_is_not_pickled_and_shows_nothing(unit: UnitKey) -> None:
    assert repr(unit) == "<UnitKey>"
    with pytest.raises(TypeError):
        pickle.dumps(unit)


# which one


def chosen(**environment: str) -> str:
    """Return what a fresh interpreter chooses."""
    code = """from pytio.ide import provider
try: print(provider().name)
except Exception as error: print(type(error).__name__, error)
"""
    clean = {name: value for name, value in os.environ.items() if name != "PYTIO_IDE_PROVIDER"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_first_that_works_is_chosen() -> None:
    assert chosen() == AVAILABLE[0].name
    assert [each.name for each in unit_keys.providers()] == list(PROVIDERS)
    assert unit_keys.providers()[-1].is_available, "plain Python is always there"


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_environment_chooses(name: str) -> None:
    said = chosen(PYTIO_IDE_PROVIDER=name)
    if name in [each.name for each in AVAILABLE]:
        assert said == name
    else:
        assert said.startswith(f"BackendUnavailableError {name}: ")


def test_the_environment_may_ask_for_too_much() -> None:
    assert chosen(PYTIO_IDE_PROVIDER="quantum").startswith("BackendUnavailableError quantum: no such provider")
    assert chosen(PYTIO_PURE="1") == "pure"
    assert "PYTIO_PURE is set" in chosen(PYTIO_PURE="1", PYTIO_IDE_PROVIDER="ipsec_mb")


def test_a_missing_library_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the headers were there at the build, and the library is not there now."""

    def missing(name: str) -> object:
        if name.endswith("ipsec_mb"):
            raise ImportError("libIPSec_MB.so.1: cannot open shared object file")
        return object()

    monkeypatch.setattr(unit_keys, "import_module", missing)
    found = unit_keys._compiled("ipsec_mb")
    assert not found.is_available
    assert found.reason in ("libIPSec_MB.so.1: cannot open shared object file", "PYTIO_PURE is set")
