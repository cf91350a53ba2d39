"""What an engine's event says, as plain data and as text for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final

import attrs

from pytio.crypto import Secret
from pytio.spdm.checks import HmacCheck, SignatureCheck
from pytio.spdm.negotiated import Negotiated
from pytio.tdisp import InterfaceReport, InterfaceReported
from pytio.wire import WireStruct

__all__ = ("facts_of", "text_of")

_MOST_HEX: Final = 64


def facts_of(event: Any) -> dict[str, Any]:
    """Return the fields of an event, or of any attrs object, as data that JSON can hold; nothing secret is in it."""
    if isinstance(event, InterfaceReported):
        return {"interface_id": str(event.interface_id), "report": InterfaceReport.parse(event.report).to_dict()}
    return {field.name: _plain(getattr(event, field.name)) for field in attrs.fields(type(event)) if field.repr}


def text_of(event: Any) -> str:
    """Return what an event says: its name, and its facts behind it or, where there are many, below it."""
    if isinstance(event, WireStruct):
        return event.show()
    name = type(event).__name__
    negotiated = getattr(event, "negotiated", None)
    if isinstance(negotiated, Negotiated):
        return f"{name}\n{_indented(negotiated.describe())}"
    messages = [
        value for field in attrs.fields(type(event)) if isinstance(value := getattr(event, field.name), WireStruct)
    ]
    inline = [
        f"{key}={_short(value)}"
        for key, value in facts_of(event).items()
        if not isinstance(getattr(event, key), WireStruct) and value not in (None, "", [], {})
    ]
    below = [_indented(message.show()) for message in messages if not message.HAS_SECRETS]
    return "\n".join([" ".join([name, *inline]), *below])


def _plain(value: Any) -> Any:
    """Return data that JSON can hold."""
    if isinstance(value, SignatureCheck | HmacCheck):
        return f"{value.what}: {'made' if value.is_ours else 'holds'}"
    if isinstance(value, Negotiated):
        return dict(re.split(r"\s{2,}", line, maxsplit=1) for line in value.describe().splitlines())
    if isinstance(value, WireStruct):
        return value.to_dict()
    if isinstance(value, Enum):
        return value.name
    return _plain_builtin(value)


def _plain_builtin(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Secret):
        return repr(value)
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(one) for key, one in value.items()}
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, Iterable):
        return [_plain(one) for one in value]
    return str(value)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= _MOST_HEX else f"{text[:_MOST_HEX]}… ({len(text)} characters)"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
