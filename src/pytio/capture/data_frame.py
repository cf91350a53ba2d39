"""The record index as a pandas data frame: whole columns at a time, never a record.

pandas and NumPy come with the ``notebook`` extra; they are imported here, and only here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from pytio import idekm, tdisp
from pytio._accel.pure_rows import (
    KIND_DISCOVERY,
    KIND_SECURED,
    KIND_SPDM,
    LAYER_CXL,
    LAYER_IDEKM,
    LAYER_SPDM,
    LAYER_TDISP,
    ROW_BYTES,
    STATE_CLOSED,
    STATE_OPEN,
)
from pytio.capture.index_rows import KIND_GUEST, KIND_PSP, NO_OFFSET, WITHOUT_CODE
from pytio.capture.places import Places
from pytio.capture.sev_records import RecordedRevision
from pytio.sev.exits import guest_message_type
from pytio.sev.tio_codes import Revision, SevCommand
from pytio.spdm.codes import SpdmCode

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

__all__ = ("data_frame",)

_BYTE: Final = 1 << 8
_NIBBLE_BITS: Final = 4
_NIBBLE: Final = 0xF
_ROW: Final = (
    ("time_ns", "<i8"),
    ("offset", "<u8"),
    ("size", "<u4"),
    ("original", "<u4"),
    ("body", "<u4"),
    ("body_size", "<u4"),
    ("plain", "<u4"),
    ("plain_size", "<u4"),
    ("session", "<u4"),
    ("flow", "<u4"),
    ("place", "<u4"),
    ("kind", "u1"),
    ("state", "u1"),
    ("direction", "u1"),
    ("version", "u1"),
    ("code", "u1"),
    ("layer", "u1"),
    ("layer_code", "u1"),
    ("number_bytes", "u1"),
    ("inner", "u1"),
    ("reserved", "V3"),
)
_KEPT: Final = (
    "time_ns",
    "offset",
    "size",
    "session",
    "place",
    "kind",
    "state",
    "direction",
    "version",
    "code",
    "layer",
    "layer_code",
)
_TYPES: Final = {
    KIND_SPDM: "spdm",
    KIND_SECURED: "secured",
    KIND_DISCOVERY: "discovery",
    KIND_PSP: "psp",
    KIND_GUEST: "guest",
}
_DIRECTIONS: Final = {1: "request", 2: "response"}
_CARRIED: Final = {LAYER_IDEKM: "idekm", LAYER_TDISP: "tdisp", LAYER_CXL: "cxl", LAYER_SPDM: "spdm"}
_CODES: Final[dict[int, Any]] = {
    LAYER_IDEKM: idekm.ObjectId,
    LAYER_TDISP: tdisp.MessageType,
    LAYER_SPDM: SpdmCode,
}


def data_frame(rows: Iterable[tuple[bytes, int]], places: Places) -> pd.DataFrame:
    """Return one row for each record, as `Trace.to_dataframe` documents it.

    Args:
        rows: rows of the record index, and what to add to the offsets in them.
        places: what the numbers of places mean, once all rows are read.

    Raises:
        ImportError: pandas is not installed.
    """
    try:
        import numpy as np  # noqa: PLC0415  of an extra
        import pandas as pd  # noqa: PLC0415  of an extra
    except ImportError as error:
        raise ImportError("a data frame needs pandas: install pytio[notebook]") from error
    return _Columns(np, pd, rows).frame(places)


class _Columns:
    """Columns of numbers, and what is made of them."""

    def __init__(self, np: Any, pd: Any, rows: Iterable[tuple[bytes, int]]) -> None:
        self._np = np
        self._pd = pd
        layout = np.dtype([*_ROW])
        assert layout.itemsize == ROW_BYTES
        parts: dict[str, list[Array]] = {name: [np.empty(0, layout[name])] for name in _KEPT}
        for some, base in rows:
            table = np.frombuffer(some, layout)
            for name in _KEPT:
                parts[name].append(table[name] + table[name].dtype.type(base if name == "offset" else 0))
        self._of = {name: np.concatenate(arrays) for name, arrays in parts.items()}

    def frame(self, places: Places) -> pd.DataFrame:
        """Return the data frame."""
        of, np, pd = self._of, self._np, self._pd
        is_secured = of["kind"] == KIND_SECURED
        is_said = (of["kind"] == KIND_SPDM) | (of["state"] == STATE_OPEN)
        is_sev = (of["kind"] >= KIND_PSP) & (of["version"] > 0)
        carried = of["layer"] & (WITHOUT_CODE - 1)
        has_code = is_said & np.isin(of["layer"], [*_CODES])
        known = [*map(places.__getitem__, range(len(places)))]
        columns = {
            "time": self._times(),
            "interface": self._category(of["place"], {at: name for at, (_, name) in enumerate(known)}),
            "transport": self._category(of["place"], {at: name for at, (name, _) in enumerate(known)}),
            "type": self._category(of["kind"], _TYPES),
            "direction": self._category(of["direction"], _DIRECTIONS),
            "session_id": pd.arrays.IntegerArray(of["session"], ~is_secured),
            "decrypted": pd.arrays.BooleanArray(is_secured & (of["state"] != STATE_CLOSED), ~is_secured),
            "version": self._versions(is_said),
            "code": pd.arrays.IntegerArray(of["code"], ~(is_said | is_sev)),
            "message": self._names(is_said, is_sev),
            "carried": self._category(carried, _CARRIED),
            "carried_code": pd.arrays.IntegerArray(of["layer_code"], ~has_code),
            "carried_message": self._carried_names(has_code),
            "offset": pd.arrays.IntegerArray(of["offset"], of["offset"] == np.uint64(NO_OFFSET)),
            "size": of["size"],
        }
        index = pd.RangeIndex(1, len(of["kind"]) + 1, name="record")
        return pd.DataFrame(columns, index=index, copy=False)

    def _times(self) -> Any:
        return self._pd.DatetimeIndex(self._of["time_ns"].view("M8[ns]")).tz_localize("UTC")

    def _category(self, numbers: Array, names: Mapping[int, str | None]) -> Any:
        """Return a categorical column of names by number; numbers without a name are missing values."""
        np, pd = self._np, self._pd
        present = [name for name in dict.fromkeys(names.values()) if name is not None]
        table = np.full(max(names, default=0) + 2, -1, np.int32)
        for number, name in names.items():
            table[number] = present.index(name) if name is not None else -1
        return pd.Categorical.from_codes(
            table[np.minimum(numbers, len(table) - 1)], categories=pd.Index(present, dtype=object), validate=False
        )

    def _versions(self, is_said: Array) -> Any:
        versions = {
            number + 1: f"{number >> _NIBBLE_BITS}.{number & _NIBBLE}" for number in self._present("version", is_said)
        }
        return self._category(_counted(self._np, is_said, self._of["version"]), versions)

    def _names(self, is_said: Array, is_sev: Array) -> Any:
        np, of = self._np, self._of
        numbers = _counted(np, is_said, of["code"])
        names = {number + 1: SpdmCode(number).name for number in self._present("code", is_said)}
        if is_sev.any():
            sev = of["kind"].astype("u4") << 16 | of["version"].astype("u4") << 8 | of["code"]
            numbers = np.where(is_sev, sev + 1, numbers)
            names |= {number + 1: _sev_name(number) for number in np.unique(sev[is_sev]).tolist()}
        return self._category(numbers, names)

    def _carried_names(self, has_code: Array) -> Any:
        names = {}
        for layer, codes in _CODES.items():
            for number in self._present("layer_code", has_code & (self._of["layer"] == layer)):
                names[layer * _BYTE + number + 1] = _name(codes, number)
        numbers = self._of["layer"].astype("u4") * _BYTE + self._of["layer_code"]
        return self._category(_counted(self._np, has_code, numbers), names)

    def _present(self, name: str, where: Array) -> list[int]:
        """Return the values of a column of bytes, each once."""
        found: list[int] = self._np.flatnonzero(self._np.bincount(self._of[name][where], minlength=_BYTE)).tolist()
        return found


def _counted(np: Any, is_there: Array, numbers: Array) -> Array:
    """Return numbers counted from 1, with 0 for what is not there."""
    counted: Array = np.where(is_there, numbers.astype("u4") + 1, 0)
    return counted


def _sev_name(number: int) -> str:
    """Return the name of a command of the PSP, or of a guest message, whose number depends on the revision."""
    kind, version, code = number.to_bytes(3, "big")
    if kind == KIND_PSP:
        return SevCommand(code).name
    return guest_message_type(RecordedRevision(version).revision or Revision.P2, code).name


def _name(codes: Any, number: int) -> str | None:
    try:
        name: str = codes(number).name
    except ValueError:  # a closed code space
        return None
    return name
