"""The unit's bytes: a DOE header, SPDM 1.2 ALGORITHMS with arrays of arrays, and a TDISP interface report."""

from __future__ import annotations

import struct

__all__ = ("DATA",)

_TYPES = ((2, 0x10), (3, 2), (4, 0x80), (5, 1))
_ALGORITHMS = b"".join(struct.pack("<BBHI", kind, 0x21, chosen, 0x11110000 | kind) for kind, chosen in _TYPES)
_EXTENDED = struct.pack("<3I", 0xAABBCC01, 0x01020304, 0x05060708)
_BODY = struct.pack("<BBIII12sBBH", 1, 2, 4, 0x80, 2, bytes(12), 1, 2, 0) + _EXTENDED + _ALGORITHMS
_SPDM = struct.pack("<BBBBH", 0x12, 0x63, 4, 0, 6 + len(_BODY)) + _BODY
_RANGES = b"".join(struct.pack("<QIHH", 0x1000 * i, 16 + i, 4, i) for i in range(4))
_REPORT = struct.pack("<HHHHII", 3, 0, 0x8001, 0, 0, 4) + _RANGES + struct.pack("<I", 24) + bytes(range(24))

#: 196 bytes.
DATA = struct.pack("<HBBI", 1, 1, 0, (8 + len(_SPDM) + len(_REPORT) + 3) // 4) + _SPDM + _REPORT
