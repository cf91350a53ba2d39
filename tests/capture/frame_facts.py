"""What a data frame is to say of each record, out of the record's JSON; and the comparison."""

from __future__ import annotations

from typing import Any

import pytest

from pytio.capture import Record, Trace

pandas = pytest.importorskip("pandas", reason="pandas is not installed, as without the notebook extra")


def facts(record: Record) -> dict[str, Any]:
    """Return what the frame is to say of a record."""
    layers = record.to_dict()["layers"]
    secured: dict[str, Any] = next((layer for layer in layers if "session_id" in layer), {})
    at = next((at for at, layer in enumerate(layers) if layer["layer"] == "spdm"), len(layers))
    spdm, carried = [*layers[at : at + 2], {}, {}][:2]
    is_said = "code" in spdm
    is_discovery = record.direction is not None and bool(layers) and layers[-1]["layer"] == "doe"
    return {
        "time": record.time_ns,
        "interface": record.interface,
        "transport": record.transport,
        "type": "secured" if secured else "spdm" if is_said else "discovery" if is_discovery else None,
        "direction": record.direction.value if record.direction else None,
        "session_id": secured.get("session_id"),
        "decrypted": secured.get("decrypted"),
        "version": spdm.get("version"),
        "code": spdm.get("code"),
        "message": spdm["message"] if is_said else None,
        "carried": carried.get("layer"),
        "carried_code": carried.get("code"),
        "carried_message": carried.get("message"),
        "size": len(record.data),
    }


def rows(trace: Trace) -> list[dict[str, Any]]:
    """Return the rows of the frame as plain data."""
    frame = trace.to_dataframe()
    assert [*frame.index] == [*range(1, len(frame) + 1)]
    frame = frame.drop(columns="offset")
    frame["time"] = frame["time"].astype("int64")
    return [
        {name: None if pandas.isna(value) else value for name, value in row.items()}
        for row in frame.astype(object).to_dict("records")
    ]


def check(trace: Trace) -> None:
    """Compare; what differs shows with the record's number and the column's name."""
    expected = [facts(record) for record in trace]
    found = rows(trace)
    assert len(found) == len(expected)
    assert [*differences(expected, found)] == []


def differences(expected: list[dict[str, Any]], found: list[dict[str, Any]]) -> Any:
    """Yield number, column and both values where two lists of facts differ."""
    for number, (said, row) in enumerate(zip(expected, found, strict=True), start=1):
        for name, value in said.items():
            is_named_by_code = name == "carried_message" and value is None and row["carried_code"] is not None
            if row[name] != value and not is_named_by_code:  # a body that does not decode leaves a layer without title
                yield number, name, value, row[name]
