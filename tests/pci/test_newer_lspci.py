"""Agreement with a newer lspci on what Debian 12's does not decode: IDE, DOE version 2, TEE-IO.

`data/newer-lspci.json` records what it printed for a function with these capabilities, and what changed with each bit.
The decoded fields are compared with that, always; with the folder of a newer pciutils in PYTIO_PCIUTILS, so is what it
prints.

Known faults of that version: the PCRC of a link stream is printed from its enable bit, and address associations are
called RID.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytio.ids import Bdf
from pytio.pci import CapabilityId, ExtendedCapabilityId, decode, format_dump
from pytio.pci.capabilities.data_object_exchange import DataObjectExchange
from pytio.pci.capabilities.ide import IntegrityDataEncryption
from pytio.pci.capabilities.pci_express import PciExpress
from tests.pci.corpus import ENDPOINT, placed, space
from tests.pci.lspci_header import flags
from tests.pci.test_agreement import printed

RECORD = Path(__file__).parent / "data" / "newer-lspci.json"
BASE = space(
    ENDPOINT,
    [
        placed(PciExpress(capability_id=CapabilityId.PCI_EXPRESS, version=2)),
        placed(DataObjectExchange(capability_id=ExtendedCapabilityId.DATA_OBJECT_EXCHANGE, capability_version=2)),
        placed(
            IntegrityDataEncryption.parse(
                bytes.fromhex("30000100 03000000 00000000" + "00" * 8 + "01000000" + "00" * 28)
            )
        ),
    ],
    0x180,
)
EXPRESS, DOE, IDE = 0x40, 0x100, 0x118
STATES = ("insecure", "reserved", "secure")
HEADERS = ("no", "17:2", "25:2", "33:2", "41:2")
AGGREGATION = ("-", "=2", "=4", "=8")
KEPT = {(IDE + 4, bit) for bit in (0, 1, *range(13, 24))} | {(IDE + 20, bit) for bit in range(4)}
"""Support bits and counts, which say how long the capability is: other layouts."""


def functions() -> Iterator[tuple[str, bytes]]:
    """Yield the base, and a function for each bit of the three capabilities' registers."""
    yield "", BASE
    places = [(EXPRESS + 4, 32)] + [(at, 32) for at in (*range(DOE + 4, DOE + 0x18, 4), *range(IDE + 4, IDE + 52, 4))]
    for at, width in places:
        for bit in range(width):
            if (at, bit) not in KEPT:
                changed = bytearray(BASE)
                changed[at + bit // 8] ^= 1 << bit % 8
                yield f"{at:x}.{bit}", bytes(changed)


def ours(data: bytes) -> list[str]:
    """Return the lines about IDE, DOE and TEE-IO, from decoded fields."""
    function = decode(data)
    express: Any = function.find(CapabilityId.PCI_EXPRESS)
    doe: Any = function.find(ExtendedCapabilityId.DATA_OBJECT_EXCHANGE)
    ide: Any = function.find(ExtendedCapabilityId.INTEGRITY_DATA_ENCRYPTION)
    lines = [flags(express.device_capabilities, "TEE-IO=tee_io_supported")]
    lines.append(f"DOECap: {flags(doe.capabilities, 'IntSup=interrupt_support')}")
    if doe.capabilities.interrupt_support:
        lines.append(f"IntMsgNum {doe.capabilities.interrupt_message_number}")
    lines.append(f"DOECtl: {flags(doe.control, 'IntEn=interrupt_enable')}")
    lines.append(
        f"DOESta: {flags(doe.status, 'Busy=busy IntSta=interrupt_status Error=error ObjectReady=data_object_ready')}"
    )
    return [*lines, *_ide(ide)]


def _ide(ide: Any) -> Iterator[str]:
    c = ide.capability
    algorithm = "AES-GCM-256-96b" if c.supported_algorithms == 0 else "reserved"
    supported = (
        "FlowThru=flow_through_ide_stream_supported PartHdr=partial_header_encryption_supported "
        "Aggr=aggregation_supported PCPC=pcrc_supported IDE_KM=ide_km_protocol_supported "
        "SelCfg=selective_ide_for_configuration_requests_supported"
    )
    more = flags(c, "TeeLim=tee_limited_stream_supported XT=xt_supported")
    yield (
        f"IDECap: Lnk={c.link_stream_count} Sel={c.selective_stream_count} {flags(c, supported)} Alg='{algorithm}' "
        f"TCs={c.link_tcs_minus_1 + 1} {more}"
    )
    yield f"IDECtl: {flags(ide.control, 'FTEn=flow_through_ide_stream_enabled')}"
    at = IDE + 12
    for index, stream in enumerate(ide.link):
        d = stream.control
        wrong = "+" if d.enable else "-"  # lspci prints Enable here, not PCRC Enable
        yield f"[{at:x}]LinkIDE#{index} Ctl: {_control(d)} PCRC{wrong} {_rest(d)} ID{d.stream_id}"
        yield f"[{at + 4:x}]LinkIDE#{index} Sta: Status={_state(stream.status)}"
        at += 8
    for index, stream in enumerate(ide.selective):
        d, r = stream.control, stream.rid_association
        yield f"[{at:x}]SelectiveIDE#{index} Cap: RID#={stream.address_association_count}"
        extra = flags(d, "PCRC=pcrc_enable CFG=selective_ide_for_configuration_requests_enable")
        limited, default = flags(d, "TeeLim=tee_limited_stream"), " Default" if d.default_stream else ""
        title = f"[{at + 4:x}]SelectiveIDE#{index} Ctl:"
        yield f"{title} {_control(d)} {extra} {_rest(d)} {limited} ID{d.stream_id}{default}"
        yield f"[{at + 8:x}]SelectiveIDE#{index} Sta: {_state(stream.status)}"
        rids = f"Base={r.rid_base:x} Limit={r.rid_limit:x} SegBase={r.segment_base:x}"
        yield f"[{at + 12:x}]SelectiveIDE#{index} RID: {flags(r, 'Valid=valid')} {rids}"
        at += 20
        for number, a in enumerate(stream.address_associations):
            valid = flags(a, "Valid=valid")
            yield f"[{at:x}]SelectiveIDE#{index} RID#{number}: {valid} Base={a.base:x} Limit={a.limit:x}"
            at += 12


def _control(control: Any) -> str:
    npr, pr, cpl = (AGGREGATION[getattr(control, f"aggregation_{name}")] for name in ("npr", "pr", "cpl"))
    return f"{flags(control, 'En=enable XT=xt_enable')} NPR{npr} PR{pr} CPL{cpl}"


def _rest(control: Any) -> str:
    mode = int(control.partial_header_encryption)
    header = HEADERS[mode] if mode < len(HEADERS) else f"??{mode}"
    algorithm = "AES-GCM-256-96b" if control.selected_algorithm == 0 else "reserved"
    return f"HdrEnc={header} Alg='{algorithm}' TC{control.traffic_class}"


def _state(status: Any) -> str:
    state = int(status.state)
    shown = STATES[state] if state < len(STATES) else f"??{state}"
    return f"{shown} {flags(status, 'RecvChkFail=received_integrity_check_fail_message')}"


def theirs(lines: list[str]) -> list[str]:
    """Return what lspci printed about IDE, DOE and TEE-IO."""
    kept = [line.strip() for line in lines]
    tee = next(line.split()[-1] for line in kept if "TEE-IO" in line)
    start = next(index for index, line in enumerate(kept) if line.endswith("Data Object Exchange")) + 1
    return [tee, *(line for line in kept[start:] if not line.startswith("Capabilities:"))]


def test_the_record_agrees() -> None:
    recorded = json.loads(RECORD.read_text())
    base = recorded["base"]
    checked = 0
    for name, data in functions():
        expected = recorded["changes"].get(name, base)
        assert ours(data) == expected, name
        checked += 1
    assert checked > 500
    assert len(recorded["changes"]) > 100


@pytest.mark.peer
def test_a_newer_lspci_agrees_with_the_record(tmp_path: Path) -> None:
    folder = os.environ.get("PYTIO_PCIUTILS")
    if not folder:
        pytest.skip("PYTIO_PCIUTILS is not set to the folder of a newer pciutils")
    lspci = str(Path(folder) / "lspci")
    version = subprocess.run([lspci, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    named = {Bdf(segment=number >> 8, bus=number & 0xFF): each for number, each in enumerate(functions())}
    dump = tmp_path / "dump"
    dump.write_text("".join(format_dump(bdf, data) for bdf, (_, data) in named.items()))
    lines = {named[bdf][0]: theirs(found) for bdf, found in printed(lspci, dump).items()}
    base = lines.pop("")
    changes = {name: found for name, found in lines.items() if found != base}
    assert json.loads(RECORD.read_text()) == {"tool": version, "base": base, "changes": changes}
