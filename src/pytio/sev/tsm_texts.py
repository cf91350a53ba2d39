"""Texts that the kernel's TSM prints for people, of both RFC shapes: what can be read back from them.

Document: the first and second patches of the kernel's TSM, ``tsm_certs``, ``tsm_meas``, ``tsm_report``,
``tsm_dev_status``, ``tsm_tdi_status``, ``tsm_tdi_bind`` and ``tsm_sel_stream``; upstream's ``tsm/connect``, ``tsm/dsm``
and stream links, which hold a name each. The patches' texts are no interface, and not whole: hex runs are cut at 32
bytes, so digests and most measurements are not in them. The words ``digest`` and ``raw`` of a
measurement are the wrong way round, and are left out: the type says it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from pytio.errors import SevDecodeError

__all__ = ("TsmText", "parse_tsm_text")

_DECIMAL: Final = re.compile(r"-?[0-9]{1,20}")
_MARKED: Final = re.compile(r"0x[0-9a-f]+")
_PAIR: Final = re.compile(r"([a-z_0-9]+)=(\S.*?)\s*$")
_CHAIN: Final = re.compile(r"\[([0-9]{1,9})\] len=([0-9]{1,9}):\s*$")
_HEX: Final = re.compile(r"((?:[0-9a-f]{2} ){0,31}[0-9a-f]{2})(?:\s|$)")
_BLOCK: Final = re.compile(r"#([0-9]{1,9}) \(([0-9]{1,9})\) (?:([0-9a-f]+)=\[[^\]]*\]|spec=([0-9a-f]+)): ?(.*)$")
_RANGE: Final = re.compile(
    r"\[([0-9]{1,9})\] #([0-9]{1,9}) (0x[0-9a-f]+) \+(0x[0-9a-f]+) MSIX([+-]) PBA([+-]) NonTEE([+-]) Upd([+-])\s*$"
)
_WARNING: Final = re.compile(r"\[([0-9]{1,9})\] WARN: reserved=(0x[0-9a-f]+|0)")
_SPECIFIC: Final = re.compile(r"DevSp len=([0-9]{1,9})(?:\s+(.*))?$")
_DIGEST: Final = re.compile(r"(Certs|Measurements|Interface report) digest: ((?:[0-9a-f]{2} ?)*)")
_STATE: Final = re.compile(r"state=([0-9]{1,9}):(\S.*?)\s*$")
_ALGORITHMS: Final = re.compile(r"algos=(0x[0-9a-f]+|0):(.*)$")
_BOUND: Final = re.compile(r"VM=(\S+)(?: ASID=([0-9]{1,9}))? BDFn=([0-9a-f]+):([0-9a-f]+)\.([0-9])\s*$")
_STREAM: Final = re.compile(r"([0-9]{1,9}): ([0-9]{1,9})( DEF)?(?: (.*))?$")
_NAMES: Final = {
    "tsm": re.compile(r"(?P<tsm>tsm[0-9]{1,9})\s*$"),
    "dsm": re.compile(r"(?P<dsm>[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])\s*$"),
    "stream": re.compile(r"stream(?P<host_bridge>[0-9]{1,9})\.(?P<root_port>[0-9]{1,9})\.(?P<endpoint>[0-9]{1,9})\s*$"),
}
_NONE: Final = "none"
_RAW: Final = 0x80
_CHAIN_HEADER_BYTES: Final = 4  # counted by the length, and not printed
_VALUE_HEADER_BYTES: Final = 3  # of a DMTF measurement, likewise
_DEVICE_MODE: Final = 5
_MODES: Final = (
    "operational_mode_capabilities",
    "operational_mode_state",
    "device_mode_capabilities",
    "device_mode_state",
)


@attrs.frozen
class TsmText:
    """What a text says.

    Attributes:
        kind: the attribute that prints such texts, such as ``tsm_dev_status``.
        fields: what it says, as plain data.
        is_cut: whether hex runs of it are cut.
    """

    kind: str
    fields: Mapping[str, Any]
    is_cut: bool = False


def parse_tsm_text(text: str) -> TsmText:
    """Return what a text says; which it is, its lines tell.

    Raises:
        SevDecodeError: it is none of these texts, or a line of it is of another kind.
    """
    lines = [(number, line.rstrip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if [line for _, line in lines] == [_NONE]:
        return TsmText(_NONE, {})
    for begins, parse in _KINDS.items():
        if lines and begins.match(lines[0][1].strip()):
            return parse(lines)
    raise SevDecodeError("no text of a TSM", text.encode(), 0)


_Lines = list[tuple[int, str]]


def _refuse(number: int, line: str, what: str) -> SevDecodeError:
    return SevDecodeError(f"line {number} is not part of {what}", line.encode(), 0, f"line {number}")


def _number(text: str) -> int | str:
    """Return a number in hex or decimal as C prints them with a mark; other text as it is."""
    return int(text, 16) if _MARKED.fullmatch(text) else int(text) if _DECIMAL.fullmatch(text) else text


def _dev_status(lines: _Lines) -> TsmText:
    fields: dict[str, Any] = {}
    for number, line in lines:
        pair = _PAIR.match(line.strip())
        if pair is None:
            raise _refuse(number, line, "tsm_dev_status")
        name, value = pair.groups()
        # everything is hex, with or without its mark, but the kernel's own result and R2's address of the device
        is_text = name == "ret" or ":" in value
        fields[name] = _number(value) if is_text else int(value, 16) if _is_hex(value) else value
    return TsmText("tsm_dev_status", fields)


def _is_hex(text: str) -> bool:
    return re.fullmatch(r"(?:0x)?[0-9a-f]+", text) is not None


def _tdi_status(lines: _Lines) -> TsmText:
    fields: dict[str, Any] = {}
    for number, line in lines:
        said = line.strip()
        if found := _DIGEST.match(said):
            name = f"{found[1].lower().replace(' ', '_')}_digest_first_bytes"
            fields[name] = found[2].replace(" ", "")
        elif found := _STATE.match(said):
            fields |= {"state_number": int(found[1]), "state": found[2]}
        elif found := _ALGORITHMS.match(said):
            fields |= {"algos": int(found[1], 16), "algorithms": found[2].split()}
        elif found := _PAIR.match(said):
            fields[found[1]] = _number(found[2])
        elif said == "TDISP state unavailable":
            fields["state"] = said
        else:
            raise _refuse(number, line, "tsm_tdi_status")
    return TsmText("tsm_tdi_status", fields, is_cut="certs_digest_first_bytes" in fields)


def _certificates(lines: _Lines) -> TsmText:
    chains: list[dict[str, Any]] = []
    for number, line in lines:
        if found := _CHAIN.match(line.strip()):
            chains.append({"index": int(found[1]), "length": int(found[2]), "bytes": ""})
        elif (found := _HEX.match(line.strip())) and chains:
            chains[-1]["bytes"] += found[1].replace(" ", "")
        else:
            raise _refuse(number, line, "tsm_certs")
    is_cut = any(len(chain["bytes"]) != 2 * (chain["length"] - _CHAIN_HEADER_BYTES) for chain in chains)
    return TsmText("tsm_certs", {"chains": chains}, is_cut=is_cut)


def _measurements(lines: _Lines) -> TsmText:
    fields: dict[str, Any] = {"blocks": []}
    is_cut = False
    for number, line in lines:
        said = line.strip()
        if said.startswith("Len="):
            length, _, said = said.removeprefix("Len=").partition(" ")
            fields["length"] = _number(length)
        if not said:
            continue
        found = _BLOCK.match(said)
        if found is None:
            raise _refuse(number, line, "tsm_meas")
        block = _block(*found.groups())
        is_cut |= "first_bytes" in block
        fields["blocks"].append(block)
    return TsmText("tsm_meas", fields, is_cut=is_cut)


def _block(index: str, size: str, kind: str | None, specification: str | None, said: str) -> dict[str, Any]:
    """Return a measurement; only the size tells whether its value is whole, dots stand behind every one."""
    block: dict[str, Any] = {"index": int(index), "size": int(size)}
    text, whole = said.removesuffix("...").strip(), int(size)
    if kind is not None:
        block |= {"type": int(kind, 16) & ~_RAW, "is_raw_bit_stream": bool(int(kind, 16) & _RAW)}
        whole -= _VALUE_HEADER_BYTES
    else:
        block["measurement_specification"] = int(str(specification), 16)
    words = text.split()
    if block.get("type") == _DEVICE_MODE and all(map(_is_hex, words)):
        return block | {name: int(word, 16) for name, word in zip(_MODES, words, strict=False)}
    run = _HEX.match(f"{text} ")
    value = run[1].replace(" ", "") if run else ""
    return block | {"value" if len(value) == 2 * whole else "first_bytes": value}


def _report(lines: _Lines) -> TsmText:
    fields: dict[str, Any] = {"mmio_ranges": []}
    is_cut = False
    for number, line in lines:
        said = line.strip()
        if found := _RANGE.match(said):
            names = ("msix_table", "msix_pba", "non_tee_mem", "mem_attr_updatable")
            attributes = [name for name, sign in zip(names, found.groups()[4:], strict=True) if sign == "+"]
            fields["mmio_ranges"].append(
                {
                    "range_id": int(found[2]),
                    "start": int(found[3], 16),
                    "size": int(found[4], 16),
                    "attributes": attributes,
                }
            )
        elif (found := _WARNING.match(said)) and fields["mmio_ranges"]:
            fields["mmio_ranges"][-1]["reserved"] = int(found[2], 16)
        elif found := _SPECIFIC.match(said):
            fields["device_specific_length"] = int(found[1])
            fields["device_specific"] = (found[2] or "").replace("...", "").replace(" ", "")
            is_cut = len(fields["device_specific"]) < 2 * int(found[1])
        elif found := _PAIR.match(said):
            fields[found[1]] = _number(found[2])
        else:
            raise _refuse(number, line, "tsm_report")
    return TsmText("tsm_report", fields, is_cut=is_cut)


def _bound(lines: _Lines) -> TsmText:
    number, line = lines[0]
    if line.strip() == "not bound":
        return TsmText("tsm_tdi_bind", {"is_bound": False})
    found = _BOUND.match(line.strip())
    if found is None or len(lines) > 1:
        raise _refuse(number, line, "tsm_tdi_bind")
    asid = {} if found[2] is None else {"asid": int(found[2])}
    bdf = f"{int(found[3], 16):02x}:{int(found[4], 16):02x}.{found[5]}"
    return TsmText("tsm_tdi_bind", {"is_bound": True, "vm": found[1], **asid, "guest_bdf": bdf})


def _streams(lines: _Lines) -> TsmText:
    streams: list[dict[str, Any]] = []
    for number, line in lines:
        found = _STREAM.match(line.strip())
        if found is None:
            raise _refuse(number, line, "tsm_sel_stream")
        stream: dict[str, Any] = {"block": int(found[1]), "stream_id": int(found[2]), "default": found[3] is not None}
        ends = (found[4] or "").split("<->")
        for name, end in zip(("endpoint", "root_port"), ends, strict=False):
            if end.split():
                stream[name] = _end(end)
        streams.append(stream)
    return TsmText("tsm_sel_stream", {"streams": streams})


def _end(text: str) -> dict[str, Any]:
    status, *words = text.split()
    value = status.partition("=")[0]
    end: dict[str, Any] = {"status": int(value, 16) if _is_hex(value) else value, "is_secure": "SECURE" in status}
    for word in words:
        name, _, port = word.partition(":")
        end |= {"rootport": port} if name == "rootport" else {name: True}
    return end


def _name(lines: _Lines) -> TsmText:
    """Read what the upstream kernel says: names alone, of a TSM, of a DSM, of a stream's link."""
    number, line = lines[0]
    found = next(((kind, name) for kind, pattern in _NAMES.items() if (name := pattern.match(line.strip()))), None)
    if found is None or len(lines) > 1:
        raise _refuse(number, line, "a name")
    kind, name = found
    return TsmText(kind, {key: _number(value) for key, value in name.groupdict().items()})


_KINDS: Final[Mapping[re.Pattern[str], Callable[[_Lines], TsmText]]] = MappingProxyType(
    {
        re.compile(r"not bound$|VM="): _bound,
        re.compile(r"\[[0-9]+\] len="): _certificates,
        re.compile(r"Len=|#[0-9]+ \("): _measurements,
        re.compile(r"no_fw_update=|dma_no_pasid="): _report,
        re.compile(r"ret=\S+$|ctx_state="): lambda lines: (
            _dev_status(lines) if any("ctx_state=" in line for _, line in lines) else _tdi_status(lines)
        ),
        re.compile(r"state=[0-9]+:|TDISP state"): _tdi_status,
        re.compile(r"[0-9]+: [0-9]+"): _streams,
        re.compile(r"tsm[0-9]|[0-9a-f]{4,8}:[0-9a-f]{2}:|stream[0-9]"): _name,
    }
)
"""What reads a text, by how its first line begins."""
