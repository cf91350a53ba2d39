"""A whole TLP: prefixes, header, OHC, payload, trailers, in both modes.

Document: PCIe Base 6.x, 2.2 "Packet Definition" and chapter 6, "IDE TLP". Outside of flit mode the order on the wire is
local prefixes, IDE prefix, other end-end prefixes, header, payload, PCRC, MAC; a TLP without IDE may end with an ECRC.
In flit mode OHC stands inside the header, and the header's TS says what follows the payload.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Self, TypeVar

import attrs

from pytio.errors import EncodeError, IdeDecodeError
from pytio.ide.codes import BYTES_PER_DW, MAC_BYTES, PCRC_BYTES, FlitType, Trailer
from pytio.ide.flit import FlitHeader, flit_header_class
from pytio.ide.header import AnyHeader, TlpHeader, parse_header
from pytio.ide.ohc import NO_IDE, OHC_OFFSET, AnyOhc, OhcB, OhcC, OhcE, ohc_a_of
from pytio.ide.prefix import AnyPrefix, IdePrefix, parse_prefixes

__all__ = ("Tlp",)

T = TypeVar("T")

_ECRC_BYTES: Final = 4
_OHC_DW: Final = BYTES_PER_DW
_SIZES: Final = {"pcrc": PCRC_BYTES, "mac": MAC_BYTES, "ecrc": _ECRC_BYTES}
_TRAILERS: Final = {Trailer.ECRC: ("ecrc",), Trailer.MAC: ("mac",), Trailer.MAC_AND_PCRC: ("pcrc", "mac")}


@attrs.frozen(kw_only=True)
class Tlp:
    """One TLP, as it is on the wire: in an IDE TLP ``payload`` and ``pcrc`` may be ciphertext."""

    header: AnyHeader
    """A `TlpHeader`, or a `FlitHeader` in flit mode."""
    payload: bytes = attrs.field(default=b"", repr=lambda payload: f"<{len(payload)} bytes>")
    """As many bytes as the header's Length says, where the type carries data."""
    prefixes: tuple[AnyPrefix, ...] = ()
    """In the order of the wire."""
    ohc: tuple[AnyOhc, ...] = ()
    """In flit mode: A, B, C and E, as far as the header announces them."""
    ecrc: bytes = b""
    """4 bytes where the header announces them, and the TLP is no IDE TLP."""
    pcrc: bytes = b""
    """4 bytes where the IDE prefix has P, or the trailer says so."""
    mac: bytes = b""
    """12 bytes where the IDE prefix has M, or the trailer says so."""

    @property
    def is_flit(self) -> bool:
        """Whether this is a TLP of flit mode."""
        return isinstance(self.header, FlitHeader)

    @property
    def ide(self) -> IdePrefix | OhcC | None:
        """What makes this an IDE TLP: the IDE prefix, in flit mode OHC-C; None for a TLP without IDE."""
        found = (*self.prefixes, *self.ohc)
        return next(
            (
                part
                for part in found
                if isinstance(part, IdePrefix) or (isinstance(part, OhcC) and part.sub_stream != NO_IDE)
            ),
            None,
        )

    @classmethod
    def parse(cls, data: bytes | bytearray | memoryview, *, flit_mode: bool = False) -> Self:
        """Parse ``data``, all of it.

        Raises:
            IdeDecodeError: the type is not known, a part is cut, or bytes are left over.
        """
        raw = bytes(data)
        parsed, size = cls.parse_prefix(raw, flit_mode=flit_mode)
        if size != len(raw):
            raise IdeDecodeError(f"{len(raw) - size} bytes left over", raw, size, "Tlp")
        return parsed

    @classmethod
    def parse_prefix(cls, data: bytes, *, flit_mode: bool = False) -> tuple[Self, int]:
        """Parse the TLP at the start of ``data``; return it and its size in bytes.

        Raises:
            IdeDecodeError: the type is not known, or a part is cut.
        """
        reader = _Reader(data)
        prefixes = reader.take_parsed(parse_prefixes)
        header, ohc = _flit_parts(reader) if flit_mode else (reader.take_parsed(parse_header), ())
        payload = reader.take(header.payload_bytes, "payload")
        bare = cls(header=header, payload=payload, prefixes=prefixes, ohc=ohc)
        trailers = {name: reader.take(size, name) for name, size in bare.trailer_sizes().items() if size}
        return (bare.replace(**trailers) if trailers else bare), reader.at

    def trailer_sizes(self) -> dict[str, int]:
        """Return how many bytes of each trailer header and prefix announce, in the order of the wire."""
        announced = self._announced_trailers()
        return {name: size if name in announced else 0 for name, size in _SIZES.items()}

    def _announced_trailers(self) -> tuple[str, ...]:
        header, ide = self.header, self.ide
        if isinstance(header, FlitHeader):
            return _TRAILERS.get(header.trailer, ())
        if isinstance(ide, IdePrefix):  # whose TD says nothing: PCIE_A20
            return ("pcrc",) * ide.p + ("mac",) * ide.m
        return ("ecrc",) if isinstance(header, TlpHeader) and header.digest else ()

    def build(self) -> bytes:
        """Return the bytes.

        Raises:
            EncodeError: a value does not fit its field, or payload, OHC or trailers are not what the header announces.
        """
        self._check()
        return b"".join((*(part.build() for part in self.prefixes), self.header_bytes(), self.payload, *self._ends()))

    def header_bytes(self) -> bytes:
        """Return the header with its OHC, without prefixes."""
        raw = self.header.build()
        ohc = b"".join(part.build() for part in self.ohc)
        return raw[:OHC_OFFSET] + ohc + raw[OHC_OFFSET:]

    def _ends(self) -> tuple[bytes, ...]:
        return self.pcrc, self.mac, self.ecrc

    def _check(self) -> None:
        if len(self.payload) != self.header.payload_bytes:
            raise EncodeError(
                f"{len(self.payload)} bytes, the header announces {self.header.payload_bytes}", "Tlp", "payload"
            )
        for name, size in self.trailer_sizes().items():
            if len(getattr(self, name)) != size:
                raise EncodeError(f"{len(getattr(self, name))} bytes, header and prefix announce {size}", "Tlp", name)
        if isinstance(self.header, FlitHeader) and [type(part) for part in self.ohc] != _announced(self.header):
            raise EncodeError("not the OHC that the header announces", "Tlp", "ohc")

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other parts."""
        return attrs.evolve(self, **changes)

    def show(self) -> str:
        """Return the grid of prefixes and header as the specification draws it, and what each field means."""
        from pytio.ide.grid import tlp_text  # noqa: PLC0415  most programs never show a TLP

        return tlp_text(self)

    def _repr_html_(self) -> str:
        import html  # noqa: PLC0415

        return f"<pre>{html.escape(self.show())}</pre>"


class _Reader:
    """Walks the parts of one TLP; errors count from its first byte."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int, what: str) -> bytes:
        """Take ``size`` bytes."""
        left = len(self.data) - self.at
        if size > left:
            raise IdeDecodeError(f"needs {size} bytes, {left} left", self.data, self.at, f"Tlp.{what}")
        self.at += size
        return self.data[self.at - size : self.at]

    def take_parsed(self, parse: Callable[[bytes], tuple[T, int]]) -> T:
        """Take what ``parse`` makes of the rest."""
        try:
            found, size = parse(self.data[self.at :])
        except IdeDecodeError as error:
            raise IdeDecodeError(error.reason, self.data, self.at + error.offset, error.path) from None
        self.at += size
        return found


def _announced(header: FlitHeader) -> list[type[AnyOhc]]:
    """Return which OHC a header of flit mode announces, in the order of the wire."""
    first: list[type[AnyOhc]] = [ohc_a_of(FlitType(header.tlp_type))] if header.ohc_a else []
    return first + [OhcB] * header.ohc_b + [OhcC] * header.ohc_c + [OhcE] * header.ohc_e


def _flit_parts(reader: _Reader) -> tuple[FlitHeader, tuple[AnyOhc, ...]]:
    rest = reader.data[reader.at :]
    cls = flit_header_class(rest)
    first = reader.take_parsed(FlitHeader.parse_prefix)
    reader.at -= BYTES_PER_DW
    wanted = _announced(first)
    size = cls.minimum_size()
    inside = min(OHC_OFFSET, size)
    start = reader.at
    raw = reader.take(size + _OHC_DW * len(wanted), "header")
    ends = inside + _OHC_DW * len(wanted)
    places = range(inside, ends, _OHC_DW)
    ohc = tuple(each.parse(raw[at : at + _OHC_DW]) for each, at in zip(wanted, places, strict=True))
    base = raw[:inside] + raw[ends:]
    try:
        return cls.parse(base), ohc
    except IdeDecodeError as error:
        raise IdeDecodeError(error.reason, reader.data, start + error.offset, error.path) from None
