"""The secrets a reader of a capture may hold, and which of them belongs to which session.

Nobody has to say which: a secret is tried where the capture can prove it, by an HMAC or by a record that opens. What is
proven is used up, except for a pre-shared key, which may make many sessions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum

from pytio.crypto import KeyMaterial, Secret

__all__ = ("SecretKind", "SecretStore")


class SecretKind(Enum):
    """Where a session's first secret comes from."""

    PSK = "psk"
    DHE = "dhe"
    KEM = "kem"


class SecretStore:
    """Secrets by kind, in the order in which sessions are expected to start."""

    def __init__(
        self,
        *,
        psk: Iterable[KeyMaterial] = (),
        dhe: Iterable[KeyMaterial] = (),
        kem: Iterable[KeyMaterial] = (),
    ) -> None:
        """Keep the secrets; the store copies the bytes."""
        self._secrets = {
            SecretKind.PSK: [Secret(secret) for secret in psk],
            SecretKind.DHE: [Secret(secret) for secret in dhe],
            SecretKind.KEM: [Secret(secret) for secret in kem],
        }
        self._used: dict[SecretKind, list[Secret]] = {kind: [] for kind in SecretKind}

    def __bool__(self) -> bool:
        """Say whether there is any secret at all."""
        return any(self._secrets.values())

    def candidates(self, kind: SecretKind) -> Iterator[Secret]:
        """Yield what a new session may have: the unused first, in order, then what other sessions have proven."""
        yield from self._secrets[kind]
        yield from self._used[kind]

    def claim(self, kind: SecretKind, secret: Secret) -> None:
        """Note that a session has proven a secret: other sessions try it last."""
        for position, unused in enumerate(self._secrets[kind]):
            if unused is secret:
                self._used[kind].append(self._secrets[kind].pop(position))
                return

    def __repr__(self) -> str:
        """Say how many there are, and nothing of what they are."""
        counts = ", ".join(f"{len(self._secrets[kind]) + len(self._used[kind])} {kind.value}" for kind in SecretKind)
        return f"<SecretStore {counts}>"
