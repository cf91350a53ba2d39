"""``pytio decode --hex``: one message of one layer, from hex text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from pytio import doe, idekm, tdisp
from pytio.errors import SpdmDecodeError
from pytio.spdm.codes import SpdmCode
from pytio.spdm.messages import MESSAGES
from pytio.spdm.secured import RecordHeader
from pytio.tdisp import InterfaceReport
from pytio.transports.mctp import MctpMessage
from pytio.transports.platform_socket import PlatformFrame
from pytio.transports.tcp import TcpFrame
from pytio.wire import WireStruct

__all__ = ("LAYERS", "decode_one")

_Given = Mapping[str, int]
_Parser = Callable[[bytes, _Given], tuple[WireStruct, int]]


def decode_one(layer: str, raw: bytes, given: _Given) -> tuple[WireStruct, int]:
    """Return the message at the start of ``raw``, and its size in bytes.

    Raises:
        DecodeError: the layer's own.
        ValueError: the message needs facts that were not given.
    """
    return LAYERS[layer](raw, given)


def _of(cls: type[WireStruct]) -> _Parser:
    def parse(raw: bytes, given: _Given) -> tuple[WireStruct, int]:
        missing = sorted(cls.GIVEN - given.keys())
        if missing:
            wanted = " ".join(f"--given {name}=N" for name in missing)
            raise ValueError(f"{cls.NAME} needs what only the connection knows: {wanted}")
        return cls.parse_prefix(raw, **{name: given[name] for name in cls.GIVEN})

    return parse


def _spdm(raw: bytes, given: _Given) -> tuple[WireStruct, int]:
    cls = MESSAGES.get(SpdmCode(raw[1])) if len(raw) > 1 else None
    if cls is None:
        raise SpdmDecodeError(
            "no SPDM message has this code" if len(raw) > 1 else "needs 4 bytes", raw, min(1, len(raw))
        )
    return _of(cls)(raw, given)


def _whole(parse: Callable[[bytes], WireStruct]) -> _Parser:
    def parse_whole(raw: bytes, given: _Given) -> tuple[WireStruct, int]:
        return parse(raw), len(raw)

    return parse_whole


LAYERS: Final[Mapping[str, _Parser]] = {
    "doe": _of(doe.DataObject),
    "discovery-request": _of(doe.DiscoveryRequest),
    "discovery-response": _of(doe.DiscoveryResponse),
    "mctp": _of(MctpMessage),
    "tcp": _of(TcpFrame),
    "socket": _of(PlatformFrame),
    "secured": _of(RecordHeader),
    "spdm": _spdm,
    "idekm": _whole(idekm.parse),
    "tdisp": _whole(tdisp.parse),
    "report": _of(InterfaceReport),
}
"""The layers that a message can be of, outermost first."""
