"""Make NAME.reference.json from what a reference decoder printed of NAME.pcap.

The decoder is DMTF's ``spdm_dump``. Two of its outputs are read: the fields of every message (``-a -d``) and, where
given, the hex of every message (``-x -d``), for digests of the messages, decrypted and put together::

    python tests/sessions/make_reference.py NAME.dump.txt [NAME.hex.txt.gz]

This script uses nothing of pytio, so nothing here can share its mistakes. One row is one record::

    [direction, [transport numbers], session id, sequence number, [digest of a message, ...], [layer, ...]]

and a layer is ``[protocol, code, {field: value}]``, with the version before the code in SPDM's. Fields keep the names
that the decoder prints. Values are integers; bytes are ``"<length>:<first 8 hex digits of their SHA-256>"``.

The decoder misreads vendor-defined messages in their large form (1.4): it takes the payload 4 bytes too early. Those
are laid out here from the hex, by `LargeForm`; on every message in the small form that has to agree with the decoder.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

Fields = dict[str, Any]
Item = tuple[str, list[str]]
"""A word, and the groups in parentheses after it."""

HEAD: Final = re.compile(r"^(\d+) \(\d+\) (.*)$")
NUMBER: Final = re.compile(r"^(0x)?([0-9a-f]+)")
SKIPPED_FIELDS: Final = {"KeySet", "RxTx", "SubStream", "Flags()", "ExtFlags()"}
CXL_TSP: Final = 1


# --- text ----------------------------------------------------------------------------------------------------------


def items(text: str) -> list[Item]:
    """Cut text into words and the balanced groups that follow them."""
    found: list[Item] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif text[at] == "(":
            end = closing(text, at)
            found[-1][1].append(text[at + 1 : end])
            at = end + 1
        else:
            match = re.compile(r"[^\s(]+").match(text, at)
            assert match
            found.append((match[0], []))
            at = match.end()
    return found


def closing(text: str, start: int) -> int:
    """Return where the parenthesis at ``start`` closes; the end of the text if it never does."""
    depth = 0
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return at
    return len(text)


def parts(text: str) -> list[str]:
    """Cut at the commas that no bracket encloses."""
    found, depth = [""], 0
    for letter in text:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return [part.strip() for part in found if part.strip()]


def number(text: str) -> int:
    """Return the number that a value begins with; all are hexadecimal."""
    match = NUMBER.match(text)
    assert match, text
    return int(match[2], 16)


def digest(raw: bytes) -> str:
    """Return what stands for bytes in the reference."""
    return f"{len(raw)}:{hashlib.sha256(raw).hexdigest()[:8]}"


def hex_bytes(text: str) -> bytes:
    """Return the bytes of hex text, with or without the offsets of a dump."""
    return bytes.fromhex(re.sub(r"\b[0-9a-f]{4,}:", "", text))


# --- fields of a line ----------------------------------------------------------------------------------------------

HEX_VALUES: Final = {"PSKHint", "nonce", "msg_cap"}
LISTS: Final = {"KeyPairId", "CertInfo", "KeyUsage"}


def arguments(group: str) -> Fields:
    """Return the fields of one group, such as ``SlotID=0x00, Attr=0x01(DEVICE)``."""
    fields: Fields = {}
    last = ""
    for part in parts(group):
        name, equals, value = part.partition("=")
        if not equals or "(" in name:
            if last in LISTS:
                fields[last].append(number(part))
            elif "(" in part:
                fields |= nested(part)
        elif name in HEX_VALUES:
            fields[name] = digest(bytes.fromhex(value.strip("[]")))
        else:
            last = name
            fields[name] = [number(value)] if name in LISTS else number(value)
    return fields


def nested(part: str) -> Fields:
    """Return a field that says its length: ``PubKeyInfo(Len=0x000f, 30 0d …)``, ``PqcAsymCap(Len=0x04, 0x7(…))``."""
    [(name, groups)] = items(part)
    size, *rest = parts(groups[0])
    length = number(size.removeprefix("Len="))
    [value] = rest
    raw = number(value).to_bytes(length, "little") if value.startswith("0x") else bytes.fromhex(value)
    assert len(raw) == length
    return {name: digest(raw)}


def versions(group: str) -> Fields:
    """Return the list that VERSION shows instead of fields."""
    return {"Versions": parts(group)}


# --- what follows a line -------------------------------------------------------------------------------------------

BYTES: Final = {
    "Nonce",
    "CertChainHash",
    "MeasurementSummaryHash",
    "OpaqueData",
    "Signature",
    "RandomData",
    "ExchangeData",
    "VerifyData",
    "Context",
    "RequesterInfo",
    "CSR",
    "ReqContext",
    "EndpointInfo",
    "RootHash",
    "CertChain",
    "MeasurementRecord",
}
NUMBERS: Final = {"SpdmCertChainSize", "SpdmMelNumber", "SpdmMelTotalLen", "ext_hash_count", "ext_asym_count"} | {
    "ExtHashCount",
    "ExtAsymCount",
}


def details(text: str) -> Fields:
    """Return the fields below a line."""
    fields: Fields = {}
    for name, groups in items(text):
        plain = re.sub(r"_?\d+$", "", name)
        if plain in BYTES and name == plain:
            fields[name] = digest(hex_bytes(groups[0]))
        elif name in NUMBERS:
            fields[name] = number(groups[0])
        elif plain == "Digest":
            fields.setdefault("Digests", []).append(digest(hex_bytes(groups[0])))
        elif plain == "MeasurementRecord":
            fields.setdefault("Blocks", []).append(block(groups[0]))
        elif plain == "MelEntry":
            fields.setdefault("MelEntries", []).append(mel_entry(groups[0]))
        elif name in ("SUPPORTED_VERSION", "VERSION_SELECTION"):
            fields[name] = parts(groups[0])
        elif name == "InterfaceReport":
            fields["Report"] = report(groups[0])
    return fields


def block(text: str) -> Fields:
    """Return a measurement block."""
    fields: Fields = {}
    for name, groups in items(text):
        if name == "Value":
            fields["Value"] = digest(hex_bytes(groups[0]))
        elif name == "Svn":
            fields["Svn"] = number(groups[0])
        else:
            fields |= {f"{name}.{key}": value for key, value in arguments(groups[0]).items()}
    return fields


def mel_entry(text: str) -> Fields:
    """Return an entry of the measurement extension log."""
    head, value = text.split("Value")
    return {**arguments(head), "Value": digest(hex_bytes(value.strip().strip("()")))}


def report(text: str) -> Fields:
    """Return the interface report."""
    ranges = re.findall(r"mmio_range\(\d+\)=\(([^)]*)\)", text)
    data = re.findall(r"data=\(([^)]*)\)", text)[0]
    return {
        **arguments(text[: text.index("mmio_range(")]),
        "ranges": [arguments(found) for found in ranges],
        "dev_info": digest(bytes.fromhex(data.replace(",", ""))),
    }


# --- lines ---------------------------------------------------------------------------------------------------------


class Line:
    """One record's line, and the text below it."""

    def __init__(self, text: str, below: str) -> None:
        if ")), PqcAsymCap(" in text:  # the decoder closes KEY_PAIR_INFO one field too early
            text = text.replace(")), PqcAsymCap(", "), PqcAsymCap(") + ")"
        self.items = items(text)
        self.below = below
        self.direction = {"REQ->RSP": "request", "RSP->REQ": "response"}[self.items[1][0]]
        self.transport = [int(part) for part in parts(self.items[0][1][0])]
        self.session: int | None = None
        self.sequence: int | None = None
        self.layers: list[list[Any]] = []
        for name, groups in self.items[2:]:
            handler = getattr(self, f"on_{name.lower()}", None)
            if handler is not None:
                handler(groups)
            elif name.startswith("SPDM_"):
                self.message(name, groups)
            elif groups and self.layers[-1][0] != "cxl":
                self.inner(name, groups)
        if self.layers[-1][0] != "cxl":
            self.layers[-1][-1].update(details(below))

    def on_securedspdm(self, groups: list[str]) -> None:
        """Take the session id, and the sequence number where the record carries it."""
        session, *sequence = parts(groups[0])
        self.session = number(session)
        self.sequence = number(sequence[0].removeprefix("Seq=")) if sequence else None

    def on_spdm(self, groups: list[str]) -> None:
        """Begin an SPDM layer."""
        version, code = parts(groups[0])
        self.layers.append(["spdm", number(version), number(code), {}])

    def message(self, name: str, groups: list[str]) -> None:
        """Take the fields of an SPDM message."""
        fields = self.layers[-1][-1]
        for group in groups:
            fields |= versions(group) if name == "SPDM_VERSION" else arguments(group) if group != "Done" else {}

    def on_mctp(self, groups: list[str]) -> None:
        """The message type inside a record: told by the layer that follows."""

    def on_doe_discovery(self, groups: list[str]) -> None:
        """Take a discovery message: a request has an index, a response three numbers."""
        values = [number(part.partition("=")[2] or part) for part in parts(groups[0])]
        names = ["index"] if len(values) == 1 else ["vendor", "type", "next_index"]
        self.layers.append(["doe", dict(zip(names, values, strict=True))])

    def on_pci(self, groups: list[str]) -> None:
        """Take vendor and protocol of a vendor-defined message."""
        fields = {**arguments(groups[0]), **arguments(groups[1])}
        self.layers[-1][-1]["vendor_id"] = fields["vendor_id"]
        if fields["vendor_id"] != 1 and "LargeReq" not in self.layers[-1][-1]:
            self.layers.append(["cxl", fields["ProtID"], None])

    def on_pldm(self, groups: list[str]) -> None:
        """Take what a PLDM message begins with: instance, type, command, and of a response the completion code."""
        self.layers.append(["pldm", [number(part) for part in parts(groups[0])], {}])

    def on_controldiscovery(self, groups: list[str]) -> None:
        """PLDM's own name for what the bytes have said."""

    on_gettid_req = on_gettid_rsp = on_controldiscovery

    def inner(self, name: str, groups: list[str]) -> None:
        """Take IDE_KM and TDISP, and of CXL's protocols the code."""
        if name in ("IDE_KM", "TDISP"):
            self.layers.append([name.lower().replace("_", ""), number(groups[0]), {}])
        elif name.startswith("CXL_"):
            raise AssertionError(name)
        elif self.layers[-1][0] == "tdisp":
            fields = self.layers[-1][-1]
            fields["interface"] = number(groups[0])
            for group in groups[1:]:
                fields |= {"tdisp_versions": parts(group)} if name == "VERSION" else arguments(group)
        else:
            fields = arguments(groups[0])
            self.layers[-1][-1].update({key: value for key, value in fields.items() if key not in SKIPPED_FIELDS})

    def on_cxl_ide_km(self, groups: list[str]) -> None:
        """Take the code of a CXL IDE_KM object."""
        self.layers[-1][2] = number(groups[0])

    on_cxl_tsp = on_cxl_ide_km


# --- the large form ------------------------------------------------------------------------------------------------


class LargeForm:
    """Vendor-defined messages from their bytes, with the dump's names of fields; keeps reports until they are whole."""

    def __init__(self) -> None:
        self.portions = b""

    def layers(self, raw: bytes) -> list[list[Any]]:
        """Return the layers of a VENDOR_DEFINED_REQUEST or _RESPONSE."""
        is_large = bool(raw[2] & 0x80)
        vendor = raw[7:9]
        start = 15 if is_large else 11
        size = int.from_bytes(raw[11:15] if is_large else raw[9:11], "little")
        payload = raw[start : start + size]
        assert raw[6] == len(vendor)
        assert start + size == len(raw)
        fields: Fields = {"LargeReq": 0x80} if is_large else {}
        fields |= {"StandID": int.from_bytes(raw[4:6], "little"), "vendor_id": int.from_bytes(vendor, "little")}
        outer = ["spdm", raw[0], raw[1], fields]
        if fields["vendor_id"] != 1:
            return [outer, ["cxl", payload[0], payload[2 if payload[0] == CXL_TSP else 1]]]
        return [outer, self.tdisp(payload[1:]) if payload[0] else ide_km(payload[1:])]

    def tdisp(self, raw: bytes) -> list[Any]:
        """Return the layer of a TDISP message."""
        code, body = raw[1], raw[16:]
        fields: Fields = {"interface": word(raw, 4, 4)}
        for name, offset, size in TDISP_WORDS.get(code, ()):
            fields[name] = word(body, offset, size)
        if code in TDISP_NONCES:
            fields["nonce"] = digest(body[:32])
        if code == 0x01:
            fields["tdisp_versions"] = [f"{entry >> 4}.{entry & 15}" for entry in body[1 : 1 + body[0]]]
        if code == 0x02:
            fields["msg_cap"] = digest(body[4:20][::-1])
        if code == 0x84 and fields["offset"] == 0:
            self.portions = b""
        if code == 0x04:
            self.portions += body[4 : 4 + fields["port_len"]]
            if not fields["rem_len"]:
                fields["Report"] = plain_report(self.portions)
        return ["tdisp", code, fields]


TDISP_NONCES: Final = {0x03, 0x86}
TDISP_WORDS: Final[dict[int, tuple[tuple[str, int, int], ...]]] = {
    0x82: (("tsm_caps", 0, 4),),
    0x02: (
        ("dsm_caps", 0, 4),
        ("lock_flags", 20, 2),
        ("addr_width", 25, 1),
        ("req_this", 26, 1),
        ("req_all", 27, 1),
    ),
    0x83: (("flags", 0, 2), ("default_stream", 2, 1), ("mmio_offset", 4, 8), ("bind_p2p_mask", 12, 8)),
    0x84: (("offset", 0, 2), ("length", 2, 2)),
    0x04: (("port_len", 0, 2), ("rem_len", 2, 2)),
    0x05: (("tdi_state", 0, 1),),
}
"""Numbers of each TDISP message: name, offset behind the 16-byte header, bytes."""

IDE_KM_WORDS: Final[dict[int, tuple[tuple[str, int, int], ...]]] = {
    0x00: (("port", 2, 1),),
    0x01: (("port", 2, 1), ("DevFunc", 3, 1), ("Bus", 4, 1), ("Seg", 5, 1), ("MaxPort", 6, 1)),
    0x03: (("StreamId", 3, 1), ("Status", 4, 1), ("KeySubStream", 5, 1), ("PortIndex", 6, 1)),
    **dict.fromkeys((0x02, 0x04, 0x05, 0x06), (("StreamId", 3, 1), ("KeySubStream", 5, 1), ("PortIndex", 6, 1))),
}
"""Numbers of each IDE_KM object: name, offset from the object id, bytes."""


def word(raw: bytes, offset: int, size: int) -> int:
    """Return a little-endian number."""
    return int.from_bytes(raw[offset : offset + size], "little")


def ide_km(raw: bytes) -> list[Any]:
    """Return the layer of an IDE_KM object."""
    return ["idekm", raw[0], {name: word(raw, offset, size) for name, offset, size in IDE_KM_WORDS[raw[0]]}]


def plain_report(raw: bytes) -> Fields:
    """Return a whole interface report under the names of the dump."""
    names = (("if_info", 0, 2), ("msix_ctrl", 4, 2), ("lnr_ctrl", 6, 2), ("tph_ctrl", 8, 4), ("mmio_count", 12, 4))
    fields: Fields = {name: word(raw, offset, size) for name, offset, size in names}
    end = 16 + 16 * fields["mmio_count"]
    of_range = (("first", 0, 8), ("num_pg", 8, 4), ("attr", 12, 2), ("rang_id", 14, 2))
    fields["ranges"] = [
        {name: word(raw, start + offset, size) for name, offset, size in of_range} for start in range(16, end, 16)
    ]
    fields["dev_info"] = digest(raw[end + 4 : end + 4 + word(raw, end, 4)])
    return fields


# --- files ---------------------------------------------------------------------------------------------------------


def entries(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Yield each record's line without its number and time, and the text below it."""
    head, below = "", ""
    for line in lines:
        if match := HEAD.match(line):
            if head:
                yield head, below
            head, below = match[2], ""
        elif head:
            below += line
    yield head, below


def plain_messages(below: str) -> list[bytes]:
    """Return the messages of a record in clear, outermost first; PLDM has its MCTP message type before it."""
    rows = re.findall(r"^  ([\w ]+ [mM]essage):\n((?:\s+[0-9a-f]{4,}: [0-9a-f ]+\n)+)", below, re.MULTILINE)
    found = [hex_bytes(text) for title, text in rows if title.endswith("SPDM Message") or title == "MCTP message"]
    return found[::-1]


def reference(dump: Path, hexed: Path | None) -> list[list[Any]]:
    """Return one entry for each record."""
    lines = [Line(head, below) for head, below in entries(iter(dump.read_text().splitlines(keepends=True)))]
    plain: list[list[bytes]] = [[] for _ in lines]
    if hexed is not None:
        with gzip.open(hexed, "rt") as text:
            plain = [plain_messages(below) for _, below in entries(text)]
    large_form = LargeForm()
    return [entry(line, messages, large_form) for line, messages in zip(lines, plain, strict=True)]


def entry(line: Line, messages: list[bytes], large_form: LargeForm) -> list[Any]:
    """Return the entry of one record."""
    layers = line.layers
    if layers[0][0] == "spdm" and "StandID" in layers[0][-1]:
        from_bytes = large_form.layers(messages[0])
        if "LargeReq" not in layers[0][-1]:
            assert from_bytes == layers, (from_bytes, layers)
        layers = from_bytes
    return [line.direction, line.transport, line.session, line.sequence, [digest(raw) for raw in messages], layers]


def main(dump: str, hexed: str | None = None) -> None:
    """Write the reference beside this script."""
    source = Path(dump)
    made = reference(source, Path(hexed) if hexed else None)
    target = Path(__file__).parent / f"{source.name.removesuffix('.dump.txt')}.reference.json"
    rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in made)
    target.write_text(f"[\n{rows}\n]\n")
    print(f"{target.name}: {len(made)} records")


if __name__ == "__main__":
    main(*sys.argv[1:])
