"""``pytio sev decode``: every kind of input, as bytes and as hex, as text and as JSON; and what is none of them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytio.cli import ExitCode, main
from pytio.cli.sev_parts import KINDS
from pytio.errors import SevDecodeError
from pytio.evidence import Evidence
from pytio.hosts.model.tsm_texts import certificates_text
from pytio.sev.blobs import CERTIFICATES_GUID, INTERFACE_REPORT_GUID, MEASUREMENTS_GUID, build_blobs
from pytio.sev.data_objects import ResultObject, SpdmObject
from pytio.sev.guest_envelope import GuestMessage, seal_message
from pytio.sev.rmp import RmpEntry
from pytio.sev.sla import Sla, build_scatter_page
from pytio.sev.structures import TioPlatformStatus
from pytio.sev.tio_codes import DataObjectId, DataObjectType, SevCommand
from pytio.spdm.codes import SpdmVersion
from tests.evidence.collected import evidence
from tests.hosts.sev_story import CONNECT, CREATE, GUEST_REQUEST, REPORT, VMPCK0, buffer_of
from tests.sev.test_kernel_log import command, dump
from tests.sev.test_tsm_texts import DEV_STATUS

SIGNED = evidence(SpdmVersion.V1_2)
LOG = SIGNED.to_transcript()
RECORD = bytes.fromhex("01 01 0700 01 0400 aabbccdd")
BLOBS = build_blobs({MEASUREMENTS_GUID: LOG, CERTIFICATES_GUID: SIGNED.chain, INTERFACE_REPORT_GUID: REPORT})
PAGE = build_scatter_page((Sla.to(0x1000), Sla.to(0x2000)))
DMESG = "\n".join([*command(SevCommand.TIO_DEV_CONNECT, CONNECT), *dump("TIO_ST ", TioPlatformStatus().build(), 1)])
SDTE = (0x6000000000000001).to_bytes(8, "little") + bytes(32) + (0xFFFFFFFF).to_bytes(8, "little") + bytes(16)

CASES: dict[str, tuple[bytes, list[str], dict[str, Any]]] = {
    "command": (CONNECT, ["--command", "TIO_DEV_CONNECT"], {"message": "TIO_DEV_CONNECT"}),
    "status": (TioPlatformStatus().build(), ["--command", "0xd0"], {"message": "TIO_PLATFORM_STATUS"}),
    "buffer": (
        buffer_of(ResultObject(object_id=DataObjectId.INTERFACE_REPORT, device_id=0x100, data=REPORT)),
        [],
        {"message": "INTERFACE_REPORT"},
    ),
    "object": (
        SpdmObject(object_id=DataObjectId.SPDM_REQUEST, message=b"\x10\x84\0\0").build(),
        [],
        {"message": "SPDM_OBJECT"},
    ),
    "sla": (bytes.fromhex("0150341200000000"), [], {"message": "SLA"}),
    "scatter-page": (PAGE, [], {"part": "page 1", "facts": {"paddr": "0x2000"}}),
    "sdte": (SDTE, [], {"message": "SDTE"}),
    "rmp": (RmpEntry(gpa=0x1000, assigned=1, asid=5).build(), [], {"message": "RMP_ENTRY"}),
    "guest-message": (
        GUEST_REQUEST.ljust(4096, b"\0"),
        ["--vmpck", bytes(32).hex(), "--vmpck", VMPCK0.hex()],
        {"part": "payload", "message": "TDI_INFO_REQ"},
    ),
    "guest-payload": (
        bytes.fromhex("0001").ljust(16, b"\0"),
        ["--type", "0x81", "--revision", "r1"],
        {"message": "TDI_INFO_REQ"},
    ),
    "ghcb": (
        b"sw_exitcode=0x80000020 RDX: 0x0000380000000048 rcx=256\n",
        ["--type", "21"],
        {"part": "rdx", "message": "MMIO_PARAMETER"},
    ),
    "blobs": (BLOBS, [], {"part": "report", "message": "INTERFACE_REPORT"}),
    "certificates": (SIGNED.chain, [], {"part": "certificate 2"}),
    "measurements": (RECORD, [], {"part": "measurement 1", "message": "MEASUREMENT_BLOCK"}),
    "report": (REPORT, [], {"message": "INTERFACE_REPORT"}),
    "dev-status": (bytes.fromhex("0102010000000000 00e10000").ljust(28, b"\0"), [], {"message": "TSM_DEV_STATUS"}),
    "tdi-status": (b"\2", ["--raw"], {"facts": {"tdisp_state": 2}}),
    "text": (DEV_STATUS.encode(), [], {"part": "tsm_dev_status"}),
    "dmesg": (DMESG.encode(), [], {"part": "TIO_ST", "message": "TIO_PLATFORM_STATUS"}),
}


def decoded(
    kind: str, data: bytes, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[int, list[dict[str, Any]], str]:
    path = tmp_path / "input"
    path.write_bytes(data)
    code = main(["sev", "decode", kind, "--json", *options, str(path)])
    said = capsys.readouterr()
    return code, [json.loads(line) for line in said.out.splitlines()], said.err


def test_every_kind_is_tested() -> None:
    assert CASES.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_as_bytes_and_as_hex(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, options, last = CASES[kind]
    code, parts, errors = decoded(kind, data, options, tmp_path, capsys)
    assert (code, errors) == (ExitCode.DONE, "")
    assert {name: parts[-1][name] for name in last} == last
    assert main(["sev", "decode", kind, *options, str(tmp_path / "input")]) == ExitCode.DONE
    text = capsys.readouterr().out
    assert text.count("\n") >= len(parts)
    assert VMPCK0.hex() not in text
    if not KINDS[kind].is_text and "--raw" not in options:
        rows = "\n".join(f"{at:08x}: {data[at : at + 16].hex(' ')}" for at in range(0, len(data), 16))
        assert decoded(kind, rows.encode(), options, tmp_path, capsys) == (code, parts, "")


@pytest.mark.parametrize("kind", KINDS)
def test_no_input_breaks_it(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, options, _ = CASES[kind]
    for damaged in (b"", b"\xff", data[: len(data) // 2], data + b"\xff", bytes([data[0] ^ 0xFF]) + data[1:]):
        code, parts, errors = decoded(kind, damaged, [*options, "--raw"], tmp_path, capsys)
        assert code in set(ExitCode)
        assert parts or errors


def test_the_revision_decides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, parts, _ = decoded("command", bytes(70), ["--command", "tio_tdi_bind", "--revision", "R1"], tmp_path, capsys)
    assert (code, parts[0]["message"]) == (ExitCode.DONE, "TIO_TDI_BIND_R1")
    code, parts, errors = decoded("command", bytes(70), ["--command", "tio_tdi_bind"], tmp_path, capsys)
    assert (code, parts) == (ExitCode.UNDECODABLE, [])
    assert "offset 70" in errors
    code, _, errors = decoded("command", bytes(70), ["--command", "tio_tdi_bind", "--revision", "U"], tmp_path, capsys)
    assert (code, "U has no layout for TIO_TDI_BIND" in errors) == (ExitCode.USAGE, True)


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        ("command", [], "--command says"),
        ("status", ["--command", "TIO_INIT"], "writes no status structure"),
        ("guest-payload", [], "--type says"),
        ("ghcb", [], "no registers"),
        ("dmesg", [], "no line of the ccp driver"),
    ],
)
def test_what_is_missing_is_said(
    kind: str, options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, errors = decoded(kind, b"00", options, tmp_path, capsys)
    assert (code, says in errors) == (ExitCode.USAGE, True)


def test_a_wrong_key_is_refused_and_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = "11" * 32
    code, parts, errors = decoded("guest-message", GUEST_REQUEST, ["--vmpck", key], tmp_path, capsys)
    assert (code, [part["part"] for part in parts]) == (ExitCode.REFUSED, ["envelope"])
    assert key not in errors
    with pytest.raises(SystemExit):
        main(["sev", "decode", "guest-message", "x", "--vmpck", "5ec2e7"])
    assert "5ec2e7" not in capsys.readouterr().err


def test_a_derived_key_is_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = bytes(range(0x40, 0x60))
    sealed = seal_message(VMPCK0, GuestMessage(msg_seqno=2, msg_type=4, payload=b""), bytes(32) + key)
    code, parts, _ = decoded("guest-message", sealed.build(), ["--vmpck", VMPCK0.hex()], tmp_path, capsys)
    assert code == ExitCode.DONE
    assert parts[-1] == {"part": "payload", "facts": {"type": "KEY_RSP", "size": 64}}
    assert key.hex() not in json.dumps(parts)


def test_what_is_left_over_is_undecodable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, parts, _ = decoded("command", CREATE + b"\1", ["--command", "0xd2"], tmp_path, capsys)
    assert (code, parts[-1]["problem"]) == (ExitCode.UNDECODABLE, "1 bytes left over")
    code, _, _ = decoded("command", CREATE.ljust(4096, b"\0"), ["--command", "0xd2"], tmp_path, capsys)
    assert code == ExitCode.DONE


def test_a_blob_that_does_not_decode_keeps_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    area = build_blobs({CERTIFICATES_GUID: b"no chain", INTERFACE_REPORT_GUID: REPORT})
    code, parts, _ = decoded("blobs", area, [], tmp_path, capsys)
    assert code == ExitCode.UNDECODABLE
    assert [part["part"] for part in parts] == ["blob", "certificates", "blob", "report"]
    assert parts[1]["facts"] == {"bytes": b"no chain".hex()}


def test_a_chain_that_sysfs_cut_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, parts, errors = decoded("certificates", SIGNED.chain[:-1], [], tmp_path, capsys)
    assert (code, parts) == (ExitCode.UNDECODABLE, [])
    assert f"{len(SIGNED.chain) - 1} of {len(SIGNED.chain)} bytes" in errors


def test_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"00f0ffffffff0f00")))
    assert main(["sev", "decode", "sla", "-"]) == ExitCode.DONE
    assert "0xffffffffff" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["blobs", "buffer", "measurements"])
def test_evidence_comes_from_whatever_holds_a_log_of_messages(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = ResultObject(
        object_id=DataObjectId.MEASUREMENTS,
        device_id=0x100,
        data_object_type=DataObjectType.MESSAGE_LOG,
        data=LOG,
    )
    data = {"blobs": BLOBS, "buffer": buffer_of(result), "measurements": LOG}[kind]
    chain = tmp_path / "chain"
    chain.write_bytes(SIGNED.chain)
    report = tmp_path / "report"
    report.write_bytes(REPORT)
    made = tmp_path / "evidence.json"
    beside = ["--chain", str(chain), "--report", str(report)]
    options = ["--evidence", str(made), *([] if kind == "blobs" else beside)]
    code, parts, errors = decoded(kind, data, options, tmp_path, capsys)
    assert (code, errors) == (ExitCode.DONE, "")
    assert "MEASUREMENTS" in [part["part"] for part in parts]
    found = Evidence.from_json(made.read_text())
    assert found.chain == SIGNED.chain
    assert found.to_transcript() == LOG
    assert dict(found.reports) == {"tdi": REPORT}
    found.proof.verify()


def test_a_chain_that_sysfs_prints_is_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, parts, errors = decoded("text", certificates_text(SIGNED.chain).encode(), [], tmp_path, capsys)
    assert (code, errors) == (ExitCode.DONE, "")
    assert [part["part"] for part in parts] == ["tsm_certs", "certificates", *(f"certificate {n}" for n in range(3))]


@pytest.mark.parametrize(("kind", "data"), [("measurements", RECORD), ("report", REPORT)])
def test_what_is_not_signed_is_no_evidence(
    kind: str, data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "evidence.json"
    code, parts, errors = decoded(kind, data, ["--evidence", str(made)], tmp_path, capsys)
    assert (code, bool(parts), made.exists()) == (ExitCode.USAGE, True, False)
    assert "proves nothing" in errors or "no measurements" in errors


def test_the_offset_of_a_bad_block_counts_from_the_first() -> None:
    with pytest.raises(SevDecodeError) as caught:
        [*KINDS["measurements"].decode(RECORD + RECORD[:5], _GIVEN)]
    assert caught.value.offset > len(RECORD)


_GIVEN: Any = None
