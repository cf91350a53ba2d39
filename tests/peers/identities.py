"""Who we are towards live peers: fixed chains and keys, so that recorded sessions replay.

identities.json was made by this module: ``python -m tests.peers.identities``. The keys guard nothing.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from functools import cache
from pathlib import Path
from typing import Final

from pytio.crypto import ChainRole, PrivateKey, SignatureAlgorithm
from pytio.crypto.issuing import IssuedChain, issue_chain

__all__ = ("identity",)

FILE: Final = Path(__file__).parents[1] / "sessions" / "peers" / "identities.json"
_KINDS: Final = (
    *(SignatureAlgorithm.ECDSA_P256, SignatureAlgorithm.ECDSA_P384, SignatureAlgorithm.ECDSA_P521),
    *(SignatureAlgorithm.RSASSA_2048, SignatureAlgorithm.RSASSA_3072, SignatureAlgorithm.RSASSA_4096),
    SignatureAlgorithm.ED25519,
    *(SignatureAlgorithm.ML_DSA_44, SignatureAlgorithm.ML_DSA_65, SignatureAlgorithm.ML_DSA_87),
)
_SAME_KEY: Final = {f"RSAPSS_{size}": f"RSASSA_{size}" for size in (2048, 3072, 4096)}


@cache
def _stored() -> dict[str, dict[str, list[str]]]:
    stored: dict[str, dict[str, list[str]]] = json.loads(FILE.read_text())
    return stored


@cache
def identity(algorithm: str, role: ChainRole = ChainRole.RESPONDER) -> IssuedChain:
    """Return the chain and the key for a signature algorithm, by its name, and a role."""
    key, *certificates = _stored()[_SAME_KEY.get(algorithm, algorithm)][role.name]
    return IssuedChain(tuple(map(b64decode, certificates)), PrivateKey.from_pkcs8(b64decode(key)))


def _make() -> None:
    made: dict[str, dict[str, list[str]]] = {}
    for algorithm in _KINDS:
        is_large = algorithm.name.startswith("ML_DSA")  # so only what is needed, and no issuer between
        for role in (ChainRole.RESPONDER,) if is_large else ChainRole:
            chain = issue_chain(algorithm, role=role, issuers=0 if is_large else 1)
            octets = [chain.key.to_pkcs8().reveal(), *chain.certificates]
            made.setdefault(algorithm.name, {})[role.name] = [b64encode(one).decode() for one in octets]
    FILE.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    _make()
