"""Ed448 with a context string (RFC 8032, 5.2), which the library's Ed448 does not take.

This file knows the curve and the encoding of its points, and no protocol. It is plain Python: it takes tens of
milliseconds, and how many depends on the private key. That suits mocks and tests; a key worth stealing belongs behind a
``SigningKey`` of its own. With an empty context the library's implementation gives the same signatures, and is the one
used.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Self

from cryptography.hazmat.primitives import hashes

__all__ = ("MAX_CONTEXT_SIZE", "sign", "verify")

MAX_CONTEXT_SIZE: Final = 255
"""Bytes of the longest context string."""

_KEY_SIZE: Final = 57
_DIGEST_SIZE: Final = 2 * _KEY_SIZE
_PREFIX: Final = b"SigEd448"
_PURE: Final = b"\x00"
_SIGN_BIT: Final = 0x80
_COFACTOR_MASK: Final = 0xFC

_P: Final = 2**448 - 2**224 - 1
_D: Final = -39081 % _P
_ORDER: Final = 2**446 - 13818066809895115352007386748515426880336692474882178609894547503885


class _Point(NamedTuple):
    """A point in projective coordinates: x is X/Z, y is Y/Z (RFC 8032, 5.2.4)."""

    x: int
    y: int
    z: int

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Take the encoding of a point (RFC 8032, 5.2.3). Raises ValueError if it is none."""
        if len(octets) != _KEY_SIZE:
            raise ValueError(f"the encoding of a point has {_KEY_SIZE} bytes, not {len(octets)}")
        sign = octets[-1] & _SIGN_BIT
        y = int.from_bytes(octets, "little") & ~(sign << 8 * (_KEY_SIZE - 1))
        if y >= _P:
            raise ValueError("the coordinate is not reduced")
        numerator, denominator = (y * y - 1) % _P, (_D * y * y - 1) % _P
        candidate = numerator**3 * denominator % _P
        root = candidate * pow(candidate * numerator**2 * denominator**2, (_P - 3) // 4, _P) % _P
        if denominator * root * root % _P != numerator or (not root and sign):
            raise ValueError("not on the curve")
        return cls(root if bool(sign) == bool(root & 1) else _P - root, y, 1)

    def encode(self) -> bytes:
        """Return y, and the parity of x in the last bit (RFC 8032, 5.2.2)."""
        inverse = pow(self.z, -1, _P)
        parity = self.x * inverse % _P & 1
        octets = bytearray((self.y * inverse % _P).to_bytes(_KEY_SIZE, "little"))
        octets[-1] |= parity * _SIGN_BIT
        return bytes(octets)

    def plus(self, other: _Point) -> _Point:
        """Return the sum, complete for all points of the curve."""
        a = self.z * other.z % _P
        b = a * a % _P
        c = self.x * other.x % _P
        d = self.y * other.y % _P
        e = _D * c * d % _P
        f, g = b - e, b + e
        h = (self.x + self.y) * (other.x + other.y) % _P
        return _Point(a * f * (h - c - d) % _P, a * g * (d - c) % _P, f * g % _P)

    def times(self, scalar: int) -> _Point:
        """Return the multiple."""
        total, addend = _NEUTRAL, self
        while scalar:
            if scalar & 1:
                total = total.plus(addend)
            addend = addend.plus(addend)
            scalar >>= 1
        return total

    def negated(self) -> _Point:
        """Return the inverse."""
        return _Point(-self.x % _P, self.y, self.z)


_NEUTRAL: Final = _Point(0, 1, 1)
_BASE: Final = _Point(
    224580040295924300187604334099896036246789641632564134246125461686950415467406032909029192869357953282578032075146446173674602635247710,
    298819210078481492676017930443930673437544040154080242095928241372331506189835876003536878655418784733982303233503462500531545062832660,
    1,
)


def sign(private_key: bytes, message: bytes, context: bytes) -> bytes:
    """Return the signature, 114 bytes, under a private key of 57 bytes.

    Raises ValueError if the context is longer than ``MAX_CONTEXT_SIZE``.
    """
    expanded = _shake(private_key)
    scalar = _clamped(expanded[:_KEY_SIZE])
    public_key = _BASE.times(scalar).encode()
    domain = _domain(context)
    nonce = _reduced(domain, expanded[_KEY_SIZE:], message)
    commitment = _BASE.times(nonce).encode()
    challenge = _reduced(domain, commitment, public_key, message)
    return commitment + ((nonce + challenge * scalar) % _ORDER).to_bytes(_KEY_SIZE, "little")


def verify(public_key: bytes, signature: bytes, message: bytes, context: bytes) -> None:
    """Check a signature under a public key of 57 bytes.

    Raises ValueError if it does not hold, if key or signature have no valid encoding, or if the context is longer than
    ``MAX_CONTEXT_SIZE``.
    """
    if len(signature) != _DIGEST_SIZE:
        raise ValueError(f"a signature has {_DIGEST_SIZE} bytes, not {len(signature)}")
    commitment, response = signature[:_KEY_SIZE], int.from_bytes(signature[_KEY_SIZE:], "little")
    if response >= _ORDER:
        raise ValueError("the scalar is not reduced")
    challenge = _reduced(_domain(context), commitment, public_key, message)
    key = _Point.decode(public_key)
    if _BASE.times(response).plus(key.times(challenge).negated()).encode() != commitment:
        raise ValueError("the signature does not hold")


def _domain(context: bytes) -> bytes:
    if len(context) > MAX_CONTEXT_SIZE:
        raise ValueError(f"a context has at most {MAX_CONTEXT_SIZE} bytes, not {len(context)}")
    return _PREFIX + _PURE + len(context).to_bytes(1, "little") + context


def _shake(*pieces: bytes) -> bytes:
    context = hashes.Hash(hashes.SHAKE256(_DIGEST_SIZE))
    for piece in pieces:
        context.update(piece)
    return context.finalize()


def _reduced(*pieces: bytes) -> int:
    return int.from_bytes(_shake(*pieces), "little") % _ORDER


def _clamped(octets: bytes) -> int:
    """Return the secret scalar of the first half of an expanded private key (RFC 8032, 5.2.5)."""
    scalar = bytearray(octets)
    scalar[0] &= _COFACTOR_MASK
    scalar[-1] = 0
    scalar[-2] |= _SIGN_BIT
    return int.from_bytes(scalar, "little")
