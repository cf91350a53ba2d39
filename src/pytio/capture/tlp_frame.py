"""The headers of captured TLPs as a pandas data frame: whole columns at a time, never an object for each TLP.

pandas and NumPy come with the ``notebook`` extra; they are imported here, and only here. What is in the frame travels
in clear, so it needs no key.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from pytio.capture.frames import Frame, LinkType
from pytio.ide import FlitType, TlpType

if TYPE_CHECKING:
    import pandas as pd

__all__ = ("tlp_frame",)

_HEAD_BYTES: Final = 48  # as many prefixes as there may be, and a header
_MOST_PREFIXES: Final = 8
_IDE_PREFIX: Final = 0x92
_SUB_STREAMS: Final = ("PR", "NPR", "CPL")


def tlp_frame(frames: Iterable[Frame]) -> pd.DataFrame:
    """Return one row for each TLP, as `Trace.to_dataframe` documents it; frames that are no TLPs are left out.

    Raises:
        ImportError: pandas is not installed.
    """
    try:
        import numpy as np  # noqa: PLC0415  of an extra
        import pandas as pd  # noqa: PLC0415  of an extra
    except ImportError as error:
        raise ImportError("a data frame needs pandas: install pytio[notebook]") from error
    names: dict[str | None, int] = {}
    heads, times, sizes, places, numbers = [], array("q"), array("I"), array("I"), array("Q")
    for frame in frames:
        if frame.link_type == LinkType.USER2 and frame.problem is None:
            heads.append(frame.data[:_HEAD_BYTES].ljust(_HEAD_BYTES, b"\0"))
            times.append(frame.time_ns)
            sizes.append(len(frame.data))
            places.append(names.setdefault(frame.interface, len(names)))
            numbers.append(frame.number)
    table = np.frombuffer(b"".join(heads), np.uint8).reshape(-1, _HEAD_BYTES)
    is_flit = np.array([(name or "").endswith(":flit") for name in names] or [False])[places]
    columns = {
        "time": pd.DatetimeIndex(np.array(times, "i8").view("M8[ns]")).tz_localize("UTC"),
        "interface": pd.Categorical.from_codes(
            np.array(places, "i4"), categories=pd.Index([str(name) for name in names], dtype=object)
        ),
        **_Heads(np, pd, table, is_flit).columns(),
        "size": np.array(sizes, "u4"),
    }
    return pd.DataFrame(columns, index=pd.Index(np.array(numbers, "u8"), name="record"), copy=False)


class _Heads:
    """The first bytes of TLPs, and the fields in them."""

    def __init__(self, np: Any, pd: Any, table: Any, is_flit: Any) -> None:
        self._np, self._pd, self._table, self._is_flit = np, pd, table, is_flit
        self._rows = np.arange(len(table))
        self._at = np.zeros(len(table), np.intp)  # where the header begins
        self._ide_at = np.full(len(table), -1)  # where the IDE prefix, or OHC-C, is
        for _ in range(_MOST_PREFIXES):
            first = table[self._rows, self._at]
            is_prefix = first & 0xE0 == 0x80  # noqa: PLR2004  bits 7:5 are 100
            self._ide_at = np.where(is_prefix & (first == _IDE_PREFIX) & (self._ide_at < 0), self._at, self._ide_at)
            self._at = np.where(is_prefix, self._at + 4, self._at)
        flags = self._byte(1)
        ohc_c = self._at + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1)
        self._ide_at = np.where(is_flit & (flags & 4 != 0), ohc_c, self._ide_at)

    def _byte(self, offset: int, base: Any = None) -> Any:
        at = (self._at if base is None else base) + offset
        return self._table[self._rows, self._np.minimum(at, _HEAD_BYTES - 1)].astype("u4")

    def _word(self, offset: int) -> Any:
        return self._byte(offset) << 8 | self._byte(offset + 1)

    def columns(self) -> dict[str, Any]:
        """Return the columns."""
        np, pd = self._np, self._pd
        last = self._byte(3, self._ide_at)
        sub_stream = last >> 4 & 7
        is_ide = (self._ide_at >= 0) & (sub_stream < len(_SUB_STREAMS))
        is_long = self._byte(0) & 0x20 != 0
        is_memory = np.isin(self._byte(0), [each for each in TlpType if _has_address(each.name)])
        low = self._word(8) << 16 | self._word(10)
        high = self._word(12) << 16 | self._word(14)
        address = np.where(is_long, low.astype("u8") << np.uint64(32) | high, low) & ~np.uint64(3)
        length = self._word(2) & 0x3FF
        return {
            "type": self._types(),
            "stream_id": self._masked(self._byte(2, self._ide_at), is_ide),
            "sub_stream": pd.Categorical.from_codes(
                np.where(is_ide, sub_stream, -1).astype("i1"), categories=pd.Index([*_SUB_STREAMS], dtype=object)
            ),
            "pr_sent_counter": self._masked(self._byte(1, self._ide_at), is_ide),
            "k": self._masked(last >> 1 & 1, is_ide),
            "m": pd.arrays.BooleanArray(last & 4 != 0, ~is_ide | self._is_flit),
            "t": pd.arrays.BooleanArray(last & 1 != 0, ~is_ide),
            "traffic_class": np.where(self._is_flit, self._byte(1) >> 5, self._byte(1) >> 4 & 7).astype("u1"),
            "length_dw": np.where(length == 0, 1024, length).astype("u2"),
            "requester_or_completer_id": self._word(4).astype("u2"),
            "address": self._masked(address, is_memory & ~self._is_flit),
        }

    def _types(self) -> Any:
        np, pd = self._np, self._pd
        names: dict[str, int] = {}
        tables = []
        for codes in (TlpType, FlitType):
            table = np.full(256, -1, "i2")
            for each in codes:
                table[each] = names.setdefault(each.name, len(names))
            tables.append(table)
        first = self._byte(0)
        codes_of = np.where(self._is_flit, tables[1][first], tables[0][first])
        return pd.Categorical.from_codes(codes_of, categories=pd.Index([*names], dtype=object))

    def _masked(self, values: Any, is_there: Any) -> Any:
        return self._pd.arrays.IntegerArray(values, ~is_there)


def _has_address(name: str) -> bool:
    return name.startswith(("MRD", "MWR", "DMWR", "FETCHADD", "SWAP", "CAS", "IO"))
