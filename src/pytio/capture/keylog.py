"""The key log: one line for each secret, in any order, as a file of its own or inside a pcapng capture.

::

    # comment
    SPDM_DHE  <RandomData of KEY_EXCHANGE>      <secret>
    SPDM_PSK  <RequesterContext of PSK_EXCHANGE>  <secret>
    SPDM_PSK  *                                   <secret>
    IDE       0000:e1:00.0/bc/K0/PR/up            <key>
    VMPCK     200000/0                            <key>

A line is a kind, a key and a secret, separated by blanks; key and secret are hex digits. The key is what the session's
request says in clear, as both peers and every listener know it, so that no order is needed; ``*`` is for a secret whose
session is not known. This file knows lines; what a secret opens is `pytio.capture.session_keys`' to find out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import attrs

from pytio.crypto import KeyMaterial, Secret
from pytio.errors import CaptureError

__all__ = (
    "ANY_SESSION",
    "IDE_KIND",
    "KINDS",
    "SECRETS_TYPE",
    "VMPCK_KIND",
    "KeyLog",
    "KeyLogEntry",
    "ide_key_of",
    "session_key",
    "vmpck_key_of",
)

SECRETS_TYPE: Final = int.from_bytes(b"PTIO", "big")
"""The type of a Decryption Secrets Block that holds a key log: 0x5054494F."""

ANY_SESSION: Final = "*"
"""The key of a secret whose session is not known."""

IDE_KIND: Final = "IDE"
"""The kind of a key of an IDE stream; `ide_key_of` makes its key."""

VMPCK_KIND: Final = "VMPCK"
"""The kind of a guest message key; `vmpck_key_of` makes its key."""

KINDS: Final = {
    "SPDM_DHE": "shared secret of a Diffie-Hellman KEY_EXCHANGE",
    "SPDM_KEM": "shared secret of a KEY_EXCHANGE by key encapsulation",
    "SPDM_PSK": "pre-shared key",
    "SPDM_HANDSHAKE": "handshake secret",
    "SPDM_REQUEST_HANDSHAKE": "request direction's handshake secret",
    "SPDM_RESPONSE_HANDSHAKE": "response direction's handshake secret",
    "SPDM_MASTER": "master secret",
    "SPDM_REQUEST_DATA": "request direction's data secret, before any key update",
    "SPDM_RESPONSE_DATA": "response direction's data secret, before any key update",
    "IDE": "key of one sub-stream of an IDE stream, in one direction, in the byte order of AES",
    "VMPCK": "guest message key of one number",
}
"""Kinds of secrets, and what they are. Other kinds are kept and left alone, unless they begin with ``SPDM_``."""

_SPDM: Final = "SPDM_"
_COLUMNS: Final = 3
_OWNER_ONLY: Final = 0o600


@attrs.frozen
class KeyLogEntry:
    """One secret.

    Attributes:
        kind: what it is, one of `KINDS` or a kind that is not known here.
        key: what it belongs to: lower-case hex digits, or `ANY_SESSION`.
        secret: the secret.
    """

    kind: str
    key: str
    secret: Secret


def session_key(said: bytes) -> str:
    """Return the key of a session: RandomData of its KEY_EXCHANGE, or RequesterContext of its PSK_EXCHANGE."""
    return said.hex() or ANY_SESSION


def ide_key_of(place: str, stream_id: int, key_set: int, sub_stream: str, way: str) -> str:
    """Return the key of an IDE key: ``0000:e1:00.0/bc/K0/PR/up``.

    Args:
        place: the address of the function at the lower end of the link.
        stream_id: the stream.
        key_set: 0 or 1.
        sub_stream: ``PR``, ``NPR`` or ``CPL``.
        way: ``up`` for what the device sends, ``down`` for what it receives.
    """
    return f"{place}/{stream_id:02x}/K{key_set}/{sub_stream}/{way}"


def vmpck_key_of(guest: str, number: int) -> str:
    """Return the key of a guest message key: ``200000/0``.

    Args:
        guest: a name for the guest, without blanks, such as the address of its context page; it is for people, since
            the tag of a message tells whose key is the right one.
        number: MSG_VMPCK, 0 to 3.
    """
    return f"{guest}/{number}"


class KeyLog:
    """Secrets, each said once, in the order in which they came."""

    def __init__(self, entries: Iterable[KeyLogEntry] = ()) -> None:
        """Take entries."""
        self._entries: dict[tuple[str, str, bytes], KeyLogEntry] = {}
        self.extend(entries)

    @classmethod
    def parse(cls, data: bytes | str) -> KeyLog:
        """Return the key log that a text holds.

        Raises:
            CaptureError: a line is malformed; the error says which, and shows nothing of it.
        """
        log, problems = cls.parse_what_is_there(data)
        if problems:
            raise problems[0]
        return log

    @classmethod
    def parse_what_is_there(cls, data: bytes | str) -> tuple[KeyLog, list[CaptureError]]:
        """Return what the good lines of a text hold, and an error for each of the others."""
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        log, problems, offset = cls(), [], 0
        for number, line in enumerate(text.splitlines(keepends=True), start=1):
            said = line.split("#", maxsplit=1)[0].split()
            try:
                log.extend([_entry(said)] if said else [])
            except ValueError as error:  # whose cause would show the secret
                problems.append(CaptureError(str(error), b"", offset, f"line {number}"))
            offset += len(line.encode())
        return log, problems

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> KeyLog:
        """Return the key log in a file.

        Raises:
            CaptureError: a line is malformed.
            OSError: the file cannot be read.
        """
        return cls.parse(Path(path).read_bytes())

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write a file that only its owner can read; raises OSError if it cannot be written."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as stream:
            os.chmod(path, _OWNER_ONLY)  # noqa: PTH101  of a file that was there before, too
            stream.write(self.build())

    def build(self) -> bytes:
        """Return the text, with the secrets in it."""
        lines = (f"{entry.kind} {entry.key} {entry.secret.reveal().hex()}\n" for entry in self)
        return "".join(lines).encode()

    def add(self, kind: str, key: str, secret: KeyMaterial) -> None:
        """Add a secret; one that is there already is not added again."""
        self.extend([KeyLogEntry(kind, key, Secret(secret))])

    def extend(self, entries: Iterable[KeyLogEntry]) -> None:
        """Add entries."""
        for entry in entries:
            self._entries.setdefault((entry.kind, entry.key, entry.secret.reveal()), entry)

    def __iter__(self) -> Iterator[KeyLogEntry]:
        """Yield the entries."""
        return iter(self._entries.values())

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)

    def __repr__(self) -> str:
        """Say how many there are, and nothing of what they are."""
        return f"<KeyLog of {len(self)} secrets>"


def _entry(said: list[str]) -> KeyLogEntry:
    """Return the entry of a line's words; raises ValueError with a text that shows none of them but the kind."""
    if len(said) != _COLUMNS:
        raise ValueError(f"a line has a kind, a key and a secret, not {len(said)} words")
    kind, key, secret = said
    if kind.startswith(_SPDM):
        if kind not in KINDS:
            raise ValueError("this kind of SPDM secret is not known")
        if key != ANY_SESSION:
            key = _octets(key, "key").hex()
    return KeyLogEntry(kind, key, Secret(_octets(secret, "secret")))


def _octets(text: str, what: str) -> bytes:
    try:
        octets = bytes.fromhex(text)
    except ValueError:
        octets = b""
    if not octets:
        raise ValueError(f"the {what} is not an even number of hex digits")
    return octets
