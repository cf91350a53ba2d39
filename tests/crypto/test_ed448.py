"""Our Ed448 against the library's, which takes no context but is an oracle for everything else."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from pytio.crypto import ed448

ORDER = 2**446 - 13818066809895115352007386748515426880336692474882178609894547503885
PRIVATE = bytes(range(57))
PUBLIC = Ed448PrivateKey.from_private_bytes(PRIVATE).public_key().public_bytes_raw()
SIGNATURE = ed448.sign(PRIVATE, b"message", b"context")


@settings(max_examples=8, deadline=None)
@given(private=st.binary(min_size=57, max_size=57), message=st.binary(max_size=300))
def test_without_context_it_is_the_library_s(private: bytes, message: bytes) -> None:
    key = Ed448PrivateKey.from_private_bytes(private)
    signature = ed448.sign(private, message, b"")
    assert signature == key.sign(message)
    ed448.verify(key.public_key().public_bytes_raw(), signature, message, b"")


@settings(max_examples=4, deadline=None)
@given(message=st.binary(max_size=50), context=st.binary(min_size=1, max_size=255))
def test_contexts_separate(message: bytes, context: bytes) -> None:
    signature = ed448.sign(PRIVATE, message, context)
    ed448.verify(PUBLIC, signature, message, context)
    for other in (b"", context + b"\0", context[:-1]):
        if len(other) <= ed448.MAX_CONTEXT_SIZE:
            with pytest.raises(ValueError, match=r"does not hold|not reduced"):
                ed448.verify(PUBLIC, signature, message, other)


def test_scalars_are_reduced() -> None:
    """Adding the group's order would give a second signature for the same message (RFC 8032, 8.4)."""
    commitment, response = SIGNATURE[:57], int.from_bytes(SIGNATURE[57:], "little")
    again = commitment + (response + ORDER).to_bytes(57, "little")
    with pytest.raises(ValueError, match="the scalar is not reduced"):
        ed448.verify(PUBLIC, again, b"message", b"context")


@pytest.mark.parametrize(
    "public",
    [
        b"",
        bytes(56),
        bytes(58),
        b"\xff" * 57,
        (2**448 - 2**224 - 1).to_bytes(57, "little"),  # y = p
        b"\x02" + bytes(56),  # no x belongs to this y
        b"\x01" + bytes(55) + b"\x80",  # x = 0 has no negative
    ],
    ids=["empty", "short", "long", "ones", "unreduced", "off the curve", "negative zero"],
)
def test_public_keys_that_are_none(public: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        ed448.verify(public, SIGNATURE, b"message", b"context")


@pytest.mark.parametrize("size", [0, 113, 115])
def test_signature_sizes(size: int) -> None:
    with pytest.raises(ValueError, match="a signature has 114 bytes"):
        ed448.verify(PUBLIC, SIGNATURE.ljust(size, b"\0")[:size], b"message", b"context")


def test_context_sizes() -> None:
    for use in (lambda: ed448.sign(PRIVATE, b"", bytes(256)), lambda: ed448.verify(PUBLIC, SIGNATURE, b"", bytes(256))):
        with pytest.raises(ValueError, match="at most 255 bytes"):
            use()
