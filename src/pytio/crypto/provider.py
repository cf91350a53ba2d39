"""Where an engine gets everything that is drawn: the one argument through which entropy enters.

This file knows nonces, signatures and key agreements as draws, one after the other. It knows no protocol. The default
draws from the library. A `RecordingProvider` notes what another one drew, and a `RecordedProvider` gives it back, so
that a whole conversation can be repeated byte for byte.
"""

from __future__ import annotations

import json
import os
from enum import Enum
from typing import TYPE_CHECKING, Protocol, Self

import attrs

from pytio.crypto.algorithms import HashAlgorithm, KemAlgorithm
from pytio.crypto.digests import digest
from pytio.crypto.exchange import Encapsulation, Exchange, encapsulate, load_exchange, new_exchange
from pytio.crypto.secret import Secret
from pytio.errors import DecodeError, LocalProtocolError

if TYPE_CHECKING:
    from pytio.crypto.exchange import Agreement
    from pytio.crypto.signatures import SignatureParameters, SigningKey

__all__ = ("Draw", "DrawKind", "LibraryProvider", "Provider", "RecordedProvider", "Recording", "RecordingProvider")


class Provider(Protocol):
    """A source of everything random, and of everything that depends on it.

    Guarantees nothing about time. Two calls never depend on one another.
    """

    def nonce(self, size: int) -> bytes:
        """Return ``size`` unpredictable bytes: a nonce, a tag, padding."""

    def sign(self, key: SigningKey, message: bytes, parameters: SignatureParameters) -> bytes:
        """Return a signature in wire encoding. Raises what ``key.sign`` raises."""

    def new_exchange(self, algorithm: Agreement) -> Exchange:
        """Start an agreement on a secret. Raises UnsupportedAlgorithmError if the library lacks the algorithm."""

    def encapsulate(self, algorithm: Agreement, request: bytes) -> Encapsulation:
        """Answer the request field of an agreement, by KEM or Diffie-Hellman.

        Raises VerificationError if the field is no valid one, UnsupportedAlgorithmError if the library lacks the
        algorithm.
        """


class LibraryProvider:
    """The default: nonces from the operating system, the rest from the library."""

    def nonce(self, size: int) -> bytes:
        """Return ``size`` bytes from the operating system."""
        return os.urandom(size)

    def sign(self, key: SigningKey, message: bytes, parameters: SignatureParameters) -> bytes:
        """Return what the key signs. Raises what ``key.sign`` raises."""
        return key.sign(message, parameters)

    def new_exchange(self, algorithm: Agreement) -> Exchange:
        """Draw a key pair. Raises UnsupportedAlgorithmError if the library lacks the algorithm."""
        return new_exchange(algorithm)

    def encapsulate(self, algorithm: Agreement, request: bytes) -> Encapsulation:
        """Answer with a new key pair or ciphertext. Raises VerificationError, UnsupportedAlgorithmError."""
        return encapsulate(algorithm, request)


class DrawKind(Enum):
    """What was asked of a provider."""

    NONCE = "nonce"
    SIGNATURE = "signature"
    EXCHANGE = "exchange"
    ENCAPSULATION = "encapsulation"


@attrs.frozen
class Draw:
    """One question to a provider and what it answered."""

    kind: DrawKind
    subject: str
    """What exactly: the algorithm by name, or the number of bytes."""
    value: Secret
    """The nonce, the signature, the private value of an exchange, or the shared secret of a KEM."""
    public: bytes = b""
    """The SHA-256 digest of the signed message, or the ciphertext of a KEM; else nothing."""

    def __str__(self) -> str:
        """Say what was asked."""
        return f"{self.kind.value} {self.subject}"


@attrs.define
class Recording:
    """Draws in their order."""

    draws: list[Draw] = attrs.field(factory=list)

    def reveal_json(self) -> str:
        """Return the recording as JSON text, with every nonce and private value in it."""
        return json.dumps(
            [
                {
                    "kind": draw.kind.value,
                    "subject": draw.subject,
                    "value": draw.value.reveal().hex(),
                    "public": draw.public.hex(),
                }
                for draw in self.draws
            ],
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the recording that ``reveal_json`` wrote. Raises DecodeError, without the text, if it is none."""
        try:
            return cls([_draw_of(**entry) for entry in json.loads(text)])
        except (ValueError, TypeError):
            raise DecodeError("not a recording of draws") from None


class RecordingProvider:
    """Draws from another provider and notes what came.

    Attributes:
        recording: what came so far.
    """

    def __init__(self, source: Provider) -> None:
        """Draw from ``source``; start with an empty recording."""
        self._source = source
        self.recording = Recording()

    def nonce(self, size: int) -> bytes:
        """Return what the source draws."""
        value = self._source.nonce(size)
        self._note(DrawKind.NONCE, size, value)
        return value

    def sign(self, key: SigningKey, message: bytes, parameters: SignatureParameters) -> bytes:
        """Return what the source signs. Raises what ``key.sign`` raises."""
        signature = self._source.sign(key, message, parameters)
        self._note(DrawKind.SIGNATURE, parameters.algorithm, signature, _message_digest(message))
        return signature

    def new_exchange(self, algorithm: Agreement) -> Exchange:
        """Return what the source draws. Raises UnsupportedAlgorithmError."""
        exchange = self._source.new_exchange(algorithm)
        self._note(DrawKind.EXCHANGE, algorithm, exchange.private_value())
        return exchange

    def encapsulate(self, algorithm: Agreement, request: bytes) -> Encapsulation:
        """Return what the source answers. Raises VerificationError, UnsupportedAlgorithmError."""
        if isinstance(algorithm, KemAlgorithm):
            answer = self._source.encapsulate(algorithm, request)
            self._note(DrawKind.ENCAPSULATION, algorithm, answer.secret, answer.response)
            return answer
        exchange = self.new_exchange(algorithm)
        return Encapsulation(exchange.request, exchange.complete(request))

    def _note(self, kind: DrawKind, subject: object, value: Secret | bytes, public: bytes = b"") -> None:
        self.recording.draws.append(Draw(kind, str(subject), Secret(value), public))


class RecordedProvider:
    """Gives back what was recorded, in order, and refuses every other question.

    A question that differs from the recorded one raises LocalProtocolError, which says both. So does a signature over
    another message than was signed then: signatures are stored, not made again.

    Attributes:
        recording: what is given back.
    """

    def __init__(self, recording: Recording) -> None:
        """Start with the first draw."""
        self.recording = recording
        self._position = 0

    @property
    def remaining(self) -> int:
        """How many draws have not been asked for."""
        return len(self.recording.draws) - self._position

    def nonce(self, size: int) -> bytes:
        """Return the recorded bytes. Raises LocalProtocolError if something else comes next."""
        return self._next(DrawKind.NONCE, size).value.reveal()

    def sign(self, key: SigningKey, message: bytes, parameters: SignatureParameters) -> bytes:
        """Return the recorded signature. Raises LocalProtocolError if something else comes next."""
        return self._next(DrawKind.SIGNATURE, parameters.algorithm, _message_digest(message)).value.reveal()

    def new_exchange(self, algorithm: Agreement) -> Exchange:
        """Return the exchange with the recorded private value. Raises LocalProtocolError, UnsupportedAlgorithmError."""
        return load_exchange(algorithm, self._next(DrawKind.EXCHANGE, algorithm).value)

    def encapsulate(self, algorithm: Agreement, request: bytes) -> Encapsulation:
        """Answer as recorded.

        Raises VerificationError if the field is no valid public value, LocalProtocolError if something else comes
        next, UnsupportedAlgorithmError.
        """
        if isinstance(algorithm, KemAlgorithm):
            draw = self._next(DrawKind.ENCAPSULATION, algorithm)
            return Encapsulation(draw.public, draw.value)
        exchange = self.new_exchange(algorithm)
        return Encapsulation(exchange.request, exchange.complete(request))

    def _next(self, kind: DrawKind, subject: object, public: bytes | None = None) -> Draw:
        asked = f"{kind.value} {subject}"
        if not self.remaining:
            raise LocalProtocolError("end of the recording", asked)
        draw = self.recording.draws[self._position]
        state = f"draw {self._position} of the recording, {draw}"
        if str(draw) != asked:
            raise LocalProtocolError(state, asked)
        if public is not None and draw.public != public:
            raise LocalProtocolError(state, asked, "another message was signed")
        self._position += 1
        return draw


def _draw_of(kind: str, subject: str, value: str, public: str) -> Draw:
    return Draw(DrawKind(kind), subject, Secret(bytes.fromhex(value)), bytes.fromhex(public))


def _message_digest(message: bytes) -> bytes:
    return digest(HashAlgorithm.SHA_256, message)
