"""The unit in dissect.cstruct and in scapy, for a look beside; neither is a dependency, and each row needs its own."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ("CODECS",)

Codec = tuple[Callable[[bytes], Any], Callable[[Any], bytes]]

_DEFINITION = """
struct alg { uint8 alg_type; uint8 alg_count; uint16 alg_supported; uint32 ext[alg_count & 15]; };
struct mmio { uint64 first_page; uint32 num_pages; uint16 attr; uint16 range_id; };
struct unit {
  uint16 vendor; uint8 type; uint8 rsvd; uint32 doe_length;
  uint8 version; uint8 code; uint8 param1; uint8 param2; uint16 length; uint8 meas_spec; uint8 other;
  uint32 meas_hash; uint32 asym; uint32 hash; char rsvd3[12]; uint8 ext_asym_n; uint8 ext_hash_n; uint16 rsvd2;
  uint32 ext_asym[ext_asym_n]; uint32 ext_hash[ext_hash_n]; alg algs[param1];
  uint16 info; uint16 rsvd4; uint16 msix; uint16 lnr; uint32 tph; uint32 mmio_n; mmio mmios[mmio_n];
  uint32 dev_n; char dev[dev_n];
};
"""


def cstruct() -> Codec:
    """Return the compiled codec of dissect.cstruct."""
    definitions: Any = import_module("dissect.cstruct").cstruct(endian="<")
    definitions.load(_DEFINITION, compiled=True)
    return definitions.unit, lambda unit: bytes(unit.dumps())


def scapy() -> Codec:
    """Return a scapy Packet; its caches are dropped, so that it really builds."""
    fields: Any = import_module("scapy.fields")
    packet: Any = import_module("scapy.packet").Packet
    byte, short, word, long = fields.ByteField, fields.LEShortField, fields.LEIntField, fields.LELongField

    def count(name: str, of: str, form: str) -> Any:
        return fields.FieldLenField(name, None, count_of=of, fmt=form)

    def numbers(name: str, by: str) -> Any:
        return fields.FieldListField(name, [], word("", 0), count_from=lambda unit: getattr(unit, by))

    bare = {"extract_padding": lambda self, rest: (b"", rest), "__module__": __name__}
    algorithm_fields = [
        byte("alg_type", 0),
        fields.BitField("fixed", 2, 4),
        fields.BitFieldLenField("ext_n", None, 4, count_of="ext"),
        short("alg_supported", 0),
        numbers("ext", "ext_n"),
    ]
    range_fields = [long("first_page", 0), word("num_pages", 0), short("attr", 0), short("range_id", 0)]
    algorithm = type("Algorithm", (packet,), {**bare, "fields_desc": algorithm_fields})
    mmio = type("Range", (packet,), {**bare, "fields_desc": range_fields})
    unit_fields = [
        *(short("vendor", 1), byte("type", 1), byte("rsvd", 0), word("doe_length", 0)),
        *(byte(name, 0) for name in ("version", "code", "param1", "param2")),
        *(short("length", 0), byte("meas_spec", 0), byte("other", 0)),
        *(word("meas_hash", 0), word("asym", 0), word("hash", 0), fields.StrFixedLenField("rsvd3", b"", 12)),
        *(count("ext_asym_n", "ext_asym", "B"), count("ext_hash_n", "ext_hash", "B"), short("rsvd2", 0)),
        *(numbers("ext_asym", "ext_asym_n"), numbers("ext_hash", "ext_hash_n")),
        fields.PacketListField("algs", [], algorithm, count_from=lambda unit: unit.param1),
        *(short(name, 0) for name in ("info", "rsvd4", "msix", "lnr")),
        *(word("tph", 0), count("mmio_n", "mmio", "<I")),
        fields.PacketListField("mmio", [], mmio, count_from=lambda unit: unit.mmio_n),
        fields.FieldLenField("dev_n", None, length_of="dev", fmt="<I"),
        fields.StrLenField("dev", b"", length_from=lambda unit: unit.dev_n),
    ]
    unit: Any = type("Unit", (packet,), {"__module__": __name__, "fields_desc": unit_fields})

    def encode(message: Any) -> bytes:
        fresh = message.copy()
        fresh.clear_cache()
        for part in (fresh, *fresh.algs, *fresh.mmio):
            part.raw_packet_cache = None
        return bytes(fresh)

    return unit, encode


CODECS: dict[str, Callable[[], Codec]] = {"dissect.cstruct": cstruct, "scapy": scapy}
"""Makers of decode and encode, by the package they need."""
