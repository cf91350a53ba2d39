"""Hex as people copy it from logs: with spaces, offsets, ``0x``, commas, a column of characters at the right."""

from __future__ import annotations

import re
from typing import Final

__all__ = ("parse_hex_text",)

_OFFSET: Final = re.compile(r"\s*(?:0x)?([0-9a-fA-F]{2,16}):\s|\s*([0-9a-fA-F]{7,8})\s{2}")
"""An offset: digits with a colon behind them, or the seven or eight digits of hexdump."""

_SEPARATORS: Final = re.compile(r"[\s,;:]+")
_DIGITS: Final = re.compile(r"(?:[0-9a-fA-F]{2})+")
_MARK: Final = re.compile(r"^(?:0[xX]|\\x|#)")
_ROW_BYTES: Final = 32
"""The most bytes that a dump has in a row with an offset; what follows them is its character column."""


def parse_hex_text(text: str) -> bytes:
    """Return the bytes that a piece of text shows.

    Raises:
        ValueError: there are no bytes in it, or something that is neither hex nor a part of a dump.
    """
    data = b"".join(_row(line, number) for number, line in enumerate(text.splitlines(), 1))
    if not data:
        raise ValueError("no hex digits found")
    return data


def _row(line: str, number: int) -> bytes:
    line = line.partition("|")[0]  # hexdump's characters
    offset = _OFFSET.match(line)
    rest = line[offset.end() :] if offset else line
    if offset:
        # the characters stand behind a wide gap, once the row has its bytes
        rest = re.split(r"\s{2,}(?=\S*[^\s0-9a-fA-F])", rest.rstrip())[0]
    row = b"".join(_token(token, number) for token in _SEPARATORS.split(rest) if token)
    return row[:_ROW_BYTES] if offset else row


def _token(token: str, number: int) -> bytes:
    digits = _MARK.sub("", token.replace("\\x", ""))
    digits = f"0{digits}" if len(digits) == 1 else digits
    if not _DIGITS.fullmatch(digits):
        raise ValueError(f"line {number}: {token!r} is not hex")
    return bytes.fromhex(digits)
