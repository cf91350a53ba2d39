"""What one captured frame turned out to be: its layers, outermost first, and what was remarkable about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final, Protocol

import attrs

from pytio.capture.frames import Problem
from pytio.spdm.transcript import Piece, Pieces
from pytio.wire import WireStruct

__all__ = ("CARRIED_FIELDS", "Check", "Direction", "Layer", "Provable", "Record", "layer_of")


class Direction(Enum):
    """Who sent a record; a record whose bytes do not tell has None."""

    REQUEST = "request"
    RESPONSE = "response"


@attrs.frozen
class Layer:
    """One layer of a record.

    Attributes:
        name: ``doe``, ``mctp``, ``secured``, ``spdm``, ``idekm``, ``tdisp`` and so on.
        data: the layer's own bytes, decrypted where they travelled in a secured record, without padding.
        message: the message, or None where the bytes did not decode or the layer is opaque.
        facts: what the layer says beside its message: version, code, session id.
        title: the message's specification name, known even where the rest did not decode.
        secret: whether the bytes may hold key material although no field of ``message`` says so.
        told: of a record's first layer, where titles do not tell the record in one line: what it is, and its fields.
    """

    name: str
    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    message: WireStruct | None = attrs.field(default=None, repr=lambda message: f"<{type(message).__name__}>")
    facts: Mapping[str, Any] = attrs.field(factory=dict)
    title: str | None = None
    secret: bool = False
    told: tuple[str, str] | None = None

    @property
    def has_secrets(self) -> bool:
        """Whether the bytes hold key material, or may."""
        return self.secret or (self.message is not None and self.message.HAS_SECRETS)

    def to_dict(self, *, carries_secrets: bool = False) -> dict[str, Any]:
        """Return the layer as plain data, as the JSON contract lays it out.

        ``carries_secrets`` leaves out the bytes of what the layer carries, since a layer further in holds key material.
        """
        plain: dict[str, Any] = {"layer": self.name, **self.facts}
        if self.title is not None:
            plain["message"] = self.title
        if self.message is not None:
            said = _SAID_FIELDS.get(self.name, ())
            carried = CARRIED_FIELDS if carries_secrets else ()
            plain["fields"] = {
                name: f"({len(getattr(self.message, name))} secret bytes)" if name in carried else value
                for name, value in self.message.to_dict().items()
                if name not in said
            }
        return plain


class _MakingLayer(Layer):
    """The same slots, open to assignment: a layer is one of these until it is complete."""

    __slots__ = ()
    __init__ = object.__init__
    __setattr__ = object.__setattr__


def layer_of(
    name: str,
    data: bytes,
    message: WireStruct | None,
    facts: Mapping[str, Any],
    title: str | None = None,
    *,
    secret: bool = False,
) -> Layer:
    """Return a layer; past its frozen ``__init__``, since captures have millions of them."""
    made: Any = _MakingLayer()
    made.name, made.data, made.message, made.facts, made.title, made.secret = name, data, message, facts, title, secret
    made.told = None
    made.__class__ = Layer
    layer: Layer = made
    return layer


_SAID_FIELDS: Final = {
    "spdm": ("version", "code"),
    "tdisp": ("message_type",),
    "idekm": ("object_id",),
}
"""Fields that ``facts`` and ``title`` already say."""

CARRIED_FIELDS: Final = frozenset(
    {"payload", "message", "spdm_chunk", "encapsulated_request", "encapsulated_response", "response_to_large_request"}
)
"""Fields that hold the bytes of the layer inside."""


class Provable(Protocol):
    """What a check is of: a `pytio.spdm.proofs.Proof`, or a `pytio.capture.proven.SimpleProof`."""

    @property
    def what(self) -> str:
        """What was checked."""

    @property
    def pieces(self) -> Pieces:
        """What it covers, in order."""

    def explain(self) -> str:
        """Return what it covers and whether it holds."""


@attrs.frozen
class Check:
    """A signature, an HMAC, a tag or a digest that was checked.

    Attributes:
        proof: what was checked, with its pieces.
        ok: whether it holds.
    """

    proof: Provable
    ok: bool

    @property
    def check(self) -> str:
        """What was checked, as in ``CHALLENGE_AUTH signature``."""
        return self.proof.what

    @property
    def pieces(self) -> Pieces:
        """What was covered, in order."""
        return self.proof.pieces

    def explain(self) -> str:
        """Return what was covered and, if it does not hold, which known mistake would explain it."""
        return self.proof.explain()

    def to_dict(self) -> dict[str, Any]:
        """Return the check as plain data; one that failed with the pieces that were hashed."""
        plain: dict[str, Any] = {"check": self.check, "ok": self.ok}
        return plain if self.ok else plain | {"pieces": [_plain_piece(piece) for piece in self.pieces]}


def _plain_piece(piece: Piece) -> dict[str, Any]:
    return {"what": piece.what, "rule": piece.rule, "record": piece.source, "bytes": piece.data.hex()}


_CARRIERS: Final = frozenset({"doe", "mctp", "tcp", "socket", "secured"})
"""Layers that only carry others, where there are any inside them."""


@attrs.frozen(eq=False)
class Record:
    """One entry of a trace.

    Attributes:
        number: position in the capture, from 1.
        time_ns: time of capture in nanoseconds since 1970.
        interface: the capture's name for where it was taken, if it has one.
        transport: ``pci-doe``, ``mctp``, ``tcp``, ``none`` for a bare message on a socket, or None for foreign traffic.
        direction: who sent it, or None where the bytes do not tell.
        layers: what it is made of, outermost first.
        notes: remarks, such as reserved bits that are set.
        problems: bytes that did not decode.
        checks: what was verified.
    """

    number: int
    time_ns: int
    interface: str | None
    transport: str | None
    direction: Direction | None
    layers: tuple[Layer, ...]
    data: bytes = attrs.field(repr=False)
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    checks: tuple[Check, ...] = ()

    def __eq__(self, other: object) -> bool:
        """Compare everything; how a record came to be makes no difference."""
        if not isinstance(other, Record):
            return NotImplemented
        return attrs.astuple(self, recurse=False) == attrs.astuple(other, recurse=False)

    __hash__ = None  # type: ignore[assignment]  # what layers say is in dictionaries

    @property
    def message(self) -> WireStruct | None:
        """The innermost message that decoded."""
        return next((layer.message for layer in reversed(self.layers) if layer.message is not None), None)

    @property
    def session_id(self) -> int | None:
        """The id of the session that the record travelled in."""
        return next((layer.facts["session_id"] for layer in self.layers if "session_id" in layer.facts), None)

    @property
    def is_decrypted(self) -> bool | None:
        """Whether a secured record was opened; None for a record in the clear."""
        return next((layer.facts["decrypted"] for layer in self.layers if "decrypted" in layer.facts), None)

    @property
    def inner_layers(self) -> Sequence[Layer]:
        """The layers inside transport and record."""
        return [layer for layer in self.layers if layer.name not in _CARRIERS]

    def carries_secrets(self, layer: Layer) -> bool:
        """Whether ``layer`` carries, in clear, what holds key material: a layer further in, or part of a message."""
        inner = self.layers[self.layers.index(layer) + 1 :]
        record = next((other for other in inner if other.name == "secured"), None)
        secrets = [other for other in inner if other.has_secrets]
        if record is not None:  # its bytes may be encrypted, or only authenticated
            secrets = [other for other in secrets if other.data in record.data]
        return layer.secret or bool(secrets)

    @property
    def bytes_hold_secrets(self) -> bool:
        """Whether the captured bytes hold key material in clear."""
        return any(layer.has_secrets and layer.data in self.data for layer in self.layers)

    def layer(self, name: str) -> Layer | None:
        """Return the innermost layer of that name."""
        return next((layer for layer in reversed(self.layers) if layer.name == name), None)

    def summary(self) -> str:
        """Return one line: number, transport, direction, session, and what was said."""
        from pytio.capture.render import summary_line  # noqa: PLC0415  rendering needs records

        return summary_line(self)

    def show(self) -> str:
        """Return every layer as a text tree."""
        from pytio.capture.render import record_tree  # noqa: PLC0415  rendering needs records

        return record_tree(self)

    def _repr_html_(self) -> str:
        from pytio.capture.record_card import record_html  # noqa: PLC0415  rendering needs records

        return record_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain data, as the JSON contract lays it out."""
        return {
            "record": self.number,
            "time_ns": self.time_ns,
            "interface": self.interface,
            "transport": self.transport,
            "direction": self.direction.value if self.direction else None,
            "layers": [layer.to_dict(carries_secrets=self.carries_secrets(layer)) for layer in self.layers],
            "notes": list(self.notes),
            "problems": [{"offset": problem.offset, "reason": problem.reason} for problem in self.problems],
            "checks": [check.to_dict() for check in self.checks],
        }
