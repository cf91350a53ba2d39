"""The secrets a reader of a capture may hold, and which of them belongs to which session.

Nobody has to say which: a secret is tried where the capture can prove it, by an HMAC or by a record that opens. What is
proven is used up, except for a pre-shared key, which may make many sessions. A key log says which session a secret is
for; it is tried there first and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final

import attrs

from pytio.capture.keylog import ANY_SESSION, IDE_KIND, VMPCK_KIND, KeyLog
from pytio.crypto import KeyMaterial, Secret

__all__ = ("LoggedSecrets", "SecretKind", "SecretStore")


class SecretKind(Enum):
    """Where a session's first secret comes from."""

    PSK = "psk"
    DHE = "dhe"
    KEM = "kem"

    @property
    def logged_as(self) -> str:
        """The kind of a key log's line."""
        return f"SPDM_{self.name}"


@attrs.define
class LoggedSecrets:
    """What a key log says of one session beside its first secret: what follows from that, for whoever has only this."""

    handshake: Secret | None = None
    request_handshake: Secret | None = None
    response_handshake: Secret | None = None
    master: Secret | None = None
    request_data: Secret | None = None
    response_data: Secret | None = None


_IDE_KEY_BYTES: Final = 32
_VMPCK_BYTES: Final = 32
_FIRST: Final = {kind.logged_as: kind for kind in SecretKind}
_DERIVED: Final = {f"SPDM_{field.name.upper()}": field.name for field in attrs.fields(LoggedSecrets)}


class SecretStore:
    """Secrets by kind, in the order in which sessions are expected to start, and those of key logs by session."""

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
        self._of_session: dict[tuple[SecretKind, str], list[Secret]] = {}
        self._derived: dict[str, LoggedSecrets] = {}
        self._ide: dict[str, list[Secret]] = {}
        self._vmpck: dict[str, list[Secret]] = {}
        self._key_log = KeyLog()
        self.proven = KeyLog()
        """What sessions have proven so far, each secret with its session."""

    def __bool__(self) -> bool:
        """Say whether there is any secret at all."""
        return any(self._secrets.values()) or any(self._used.values()) or len(self._key_log) > 0

    def add(self, log: KeyLog) -> None:
        """Take the secrets of a key log that are SPDM's, IDE's or guests'; sessions that start later may use them."""
        known = len(self._key_log)
        for entry in log:
            self._key_log.extend([entry])
            if len(self._key_log) == known:
                continue  # said before
            known += 1
            if entry.kind == IDE_KIND and len(entry.secret) == _IDE_KEY_BYTES:
                self._ide.setdefault(entry.key, []).append(entry.secret)
            if entry.kind == VMPCK_KIND and len(entry.secret) == _VMPCK_BYTES:
                self._vmpck.setdefault(entry.key.rpartition("/")[2], []).append(entry.secret)
            kind, derived = _FIRST.get(entry.kind), _DERIVED.get(entry.kind)
            if kind is not None and entry.key == ANY_SESSION:
                self._secrets[kind].append(entry.secret)
            elif kind is not None:
                self._of_session.setdefault((kind, entry.key), []).append(entry.secret)
            elif derived is not None:
                setattr(self._derived.setdefault(entry.key, LoggedSecrets()), derived, entry.secret)

    def candidates(self, kind: SecretKind, key: str) -> Iterator[Secret]:
        """Yield what a new session may have.

        First what a key log says of it, then the unused, in order, then what other sessions have proven.
        """
        yield from self._of_session.get((kind, key), ())
        yield from self._secrets[kind]
        yield from self._used[kind]

    def ide_keys(self, key: str) -> list[Secret]:
        """Return what a key log has of a place in an IDE stream, in its order: a refresh uses a place again."""
        return self._ide.get(key, [])

    def vmpcks(self, number: int) -> list[Secret]:
        """Return the guest message keys of a number that key logs have, of whatever guest, the latest first."""
        return [*self._vmpck.get(str(number), ()), *self._vmpck.get(ANY_SESSION, ())][::-1]

    def derived(self, key: str) -> LoggedSecrets | None:
        """Return what a key log says of the later secrets of a session."""
        return self._derived.get(key)

    def claim(self, kind: SecretKind, key: str, secret: Secret) -> None:
        """Note that a session has proven a secret: other sessions try it last."""
        self.proven.add(kind.logged_as, key, secret)
        for position, unused in enumerate(self._secrets[kind]):
            if unused is secret:
                self._used[kind].append(self._secrets[kind].pop(position))
                return

    def claim_derived(self, key: str) -> None:
        """Note that a session has proven what a key log says of its later secrets."""
        for kind, name in _DERIVED.items():
            secret = getattr(self._derived[key], name)
            if secret is not None:
                self.proven.add(kind, key, secret)

    def __repr__(self) -> str:
        """Say how many there are, and nothing of what they are."""
        counts = ", ".join(f"{len(self._secrets[kind]) + len(self._used[kind])} {kind.value}" for kind in SecretKind)
        return f"<SecretStore {counts}, {self._key_log!r}>"
