"""The unit as a user of construct writes it: integers and bytes, no classes, no names for codes, no checks."""

from __future__ import annotations

from construct import Array, BitsInteger, BitStruct, Bytes, Int8ul, Int16ul, Int32ul, Int64ul, Struct, this

__all__ = ("UNIT",)

_ALGORITHM = Struct(
    "alg_type" / Int8ul,
    "alg_count" / BitStruct("fixed" / BitsInteger(4), "ext" / BitsInteger(4)),
    "alg_supported" / Int16ul,
    "ext" / Array(this.alg_count.ext, Int32ul),
)
_RANGE = Struct("first_page" / Int64ul, "num_pages" / Int32ul, "attr" / Int16ul, "range_id" / Int16ul)

#: ``UNIT.parse(data)`` and ``UNIT.build(parsed)``.
UNIT = Struct(
    "doe" / Struct("vendor" / Int16ul, "type" / Int8ul, "rsvd" / Int8ul, "length" / Int32ul),
    "alg"
    / Struct(
        "version" / Int8ul,
        "code" / Int8ul,
        "param1" / Int8ul,
        "param2" / Int8ul,
        "length" / Int16ul,
        "meas_spec" / Int8ul,
        "other" / Int8ul,
        "meas_hash" / Int32ul,
        "asym" / Int32ul,
        "hash" / Int32ul,
        "rsvd" / Bytes(12),
        "ext_asym_n" / Int8ul,
        "ext_hash_n" / Int8ul,
        "rsvd2" / Int16ul,
        "ext_asym" / Array(this.ext_asym_n, Int32ul),
        "ext_hash" / Array(this.ext_hash_n, Int32ul),
        "algs" / Array(this.param1, _ALGORITHM),
    ),
    "report"
    / Struct(
        "info" / Int16ul,
        "rsvd" / Int16ul,
        "msix" / Int16ul,
        "lnr" / Int16ul,
        "tph" / Int32ul,
        "mmio_n" / Int32ul,
        "mmio" / Array(this.mmio_n, _RANGE),
        "dev_n" / Int32ul,
        "dev" / Bytes(this.dev_n),
    ),
)
