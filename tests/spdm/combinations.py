"""What two engines are combined over: factors, what excludes what, and a table in which every pair occurs.

``python -m tests.spdm.combinations`` writes the table, one combination a line, to tests/spdm/data/engine_pairs.txt.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import combinations, product
from pathlib import Path
from typing import Final

__all__ = ("FACTORS", "TABLE", "allowed_pairs", "pairs_of", "read_table")

TABLE: Final = Path(__file__).parent / "data" / "engine_pairs.txt"
SEED: Final = 4
Pair = tuple[tuple[str, str], tuple[str, str]]

FACTORS: Final[dict[str, tuple[str, ...]]] = {
    "version": ("1.1", "1.2", "1.3", "1.4"),
    "transport": ("pci-doe", "mctp", "tcp"),
    "hash": ("SHA_256", "SHA_384", "SHA_512", "SHA3_256", "SHA3_384", "SHA3_512"),
    "asym": (
        *("ECDSA_P256", "ECDSA_P384", "ECDSA_P521", "RSASSA_2048", "RSAPSS_2048", "RSASSA_3072", "RSAPSS_3072"),
        *("RSASSA_4096", "RSAPSS_4096", "ED25519", "ML_DSA_44", "ML_DSA_65", "ML_DSA_87"),
    ),
    "exchange": (
        *("SECP_256_R1", "SECP_384_R1", "SECP_521_R1", "FFDHE_2048", "FFDHE_3072", "FFDHE_4096"),
        *("ML_KEM_768", "ML_KEM_1024"),
    ),
    "aead": ("AES_128_GCM", "AES_256_GCM", "CHACHA20_POLY1305"),
    "records": ("encrypted", "authenticated"),
    "session": ("certificate", "psk", "psk-without-context"),
    "mutual": ("none", "known", "encapsulated", "digests"),
    "handshake": ("secured", "clear"),
    "transfer": ("42", "64", "512", "4608"),
    "keys": ("one", "several"),
    "update": ("request", "all", "response"),
}

_FROM: Final = {"ED25519": "1.2", "42": "1.2", "64": "1.2", "512": "1.2", "several": "1.3"}
_FROM_1_4: Final = ("ML_DSA", "ML_KEM")


def _excludes(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Say whether two values cannot be had together."""
    for (factor, value), (with_factor, with_value) in ((one, other), (other, one)):
        since = "1.4" if value.startswith(_FROM_1_4) else _FROM.get(value, "1.1")
        if with_factor == "version" and with_value < since:
            return True
        if factor == "session" and value != "certificate" and with_factor == "mutual" and with_value != "none":
            return True
    return False


def pairs_of(row: dict[str, str]) -> set[Pair]:
    """Return the pairs that a combination holds."""
    return set(combinations(sorted(row.items()), 2))


def allowed_pairs() -> set[Pair]:
    """Return every pair that can be had."""
    found = set()
    for one, other in combinations(sorted(FACTORS), 2):
        for values in product(FACTORS[one], FACTORS[other]):
            pair = (one, values[0]), (other, values[1])
            if not _excludes(*pair):
                found.add(pair)
    return found


def _rows() -> Iterator[dict[str, str]]:
    """Yield combinations, each the best of some that hold a pair which none before held."""
    dice = random.Random(SEED)
    missing = allowed_pairs()
    while missing:
        tries = [row for row in (_row(dice, missing) for _ in range(12)) if row]
        best = max(tries, key=lambda row: len(pairs_of(row) & missing))
        missing -= pairs_of(best)
        yield best


def _row(dice: random.Random, missing: set[Pair]) -> dict[str, str]:
    row = dict(dice.choice(sorted(missing)))
    left = [factor for factor in FACTORS if factor not in row]
    dice.shuffle(left)
    for factor in left:
        fitting = [
            value for value in FACTORS[factor] if not any(_excludes((factor, value), held) for held in row.items())
        ]
        if not fitting:
            return {}
        dice.shuffle(fitting)
        row[factor] = max(fitting, key=lambda value: len(pairs_of(row | {factor: value}) & missing))
    return row


def read_table() -> list[dict[str, str]]:
    """Return the combinations of the table."""
    header, *lines = TABLE.read_text().splitlines()
    names = header.split()
    return [dict(zip(names, line.split(), strict=True)) for line in lines]


def write_table() -> None:
    """Write the table."""
    widths = {factor: max(map(len, (factor, *values))) for factor, values in FACTORS.items()}
    rows = [dict(zip(FACTORS, FACTORS, strict=True)), *_rows()]
    lines = ("  ".join(row[factor].ljust(widths[factor]) for factor in FACTORS).rstrip() for row in rows)
    TABLE.write_text("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    write_table()
