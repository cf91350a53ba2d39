"""Reads the published vectors beside this file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).parent / "vectors"


def cases(name: str) -> list[Any]:
    """Return the cases of one file as pytest parameters, named by their source."""
    rows = tomllib.loads((VECTORS / f"{name}.toml").read_text())["case"]
    return [pytest.param(row, id=f"{row.get('algorithm', '')} {row['source']}".strip()) for row in rows]
