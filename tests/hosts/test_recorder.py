"""The recorder, and what the captures that it writes say: commands of the PSP, guest messages, blobs, digests."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pytio.capture import KeyLog, Record, Trace, open_capture
from pytio.capture.frames import LinkType
from pytio.capture.keylog import VMPCK_KIND, vmpck_key_of
from pytio.capture.pcapng import PcapngWriter
from pytio.capture.sev_records import (
    GhcbRegisters,
    GuestDirection,
    GuestRecord,
    PspRecord,
    RecordedMemory,
    RecordedRevision,
)
from pytio.cli import ExitCode, main
from pytio.hosts.recorder import Recorder
from pytio.sev.attestation import AttestationReport
from pytio.sev.codes import SevStatus
from pytio.sev.guest_envelope import GuestMessage, seal_message
from pytio.sev.guest_ioctl import ReportResponseHeader
from pytio.sev.registers import CommandRegister, ResponseRegister
from pytio.sev.tio_codes import Revision, SevCommand
from tests.checks import check_refused, check_wire
from tests.hosts.sev_story import CERTIFICATES, CONNECT, DEVICE, GUEST_REQUEST, REPORT, VMPCK0, Story, told


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return told().write(tmp_path_factory.mktemp("story") / "story.pcapng")


def opened(make: Callable[[Story], object], tmp_path: Path, **options: Any) -> list[Record]:
    made = Story()
    make(made)
    return [*open_capture(made.write(tmp_path / "x.pcapng"), **options)]


def titles(record: Record) -> list[tuple[str, str | None]]:
    return [(layer.name, layer.title) for layer in record.layers]


def checks(record: Record) -> dict[str, bool]:
    return {check.check: check.ok for check in record.checks}


def test_the_story_reads_as_it_was_told(story: Path) -> None:
    lines = [record.summary().split(maxsplit=1)[1] for record in open_capture(story)]
    expected = [
        "psp     -> PSP TIO_DEV_CREATE -> SUCCESS length=0x20 dev_ctx_sla=0x1000000 device_id=0x100 root_port_id=2",
        "psp     -> PSP TIO_DEV_CONNECT -> SPDM_REQUEST carries SPDM 1.0 GET_VERSION",
        "pci-doe -> SPDM 1.0 GET_VERSION",
        "pci-doe <- SPDM 1.0 VERSION",
        "psp     -> PSP TIO_DEV_CONNECT -> SUCCESS carries SPDM 1.0 VERSION, certificates, 5000 bytes",
        "psp     -> PSP TIO_DEV_STATUS -> SUCCESS length=0xa0 ctx_state=CONNECTED",
        "psp     -> PSP TIO_TDI_BIND -> SUCCESS interface report, 36 bytes",
        "psp     -> PSP TIO_TDI_INFO -> SUCCESS length=0xc0 interface_id=0000:01:00.0",
        "guest   -> GUEST TDI_INFO_REQ guest_device_id=0x100",
        "guest   <- GUEST TDI_INFO_RSP guest_device_id=0x100 status=BOUND meas_flags=MEAS_DIGEST_VALID",
        "guest   -> GHCB SEV_TIO_OP guest_rid=0x100 action=RUN",
        "guest   <- GHCB SEV_TIO_OP fw_err=SUCCESS vmm_err=NONE",
        "pcie    -> TLP MWR32",
    ]
    assert [line.startswith(start) for line, start in zip(lines, expected, strict=True)] == [True] * len(lines), lines


def test_a_record_has_what_was_read_before_the_answer_and_what_was_written_behind_it(story: Path) -> None:
    connected = open_capture(story)[4]
    assert titles(connected) == [
        ("psp", "TIO_DEV_CONNECT"),
        ("psp", "BUFFER_HEADER"),
        ("psp", "SPDM_OBJECT"),
        ("psp", "SUCCESS"),
        ("psp", "BUFFER_HEADER"),
        ("psp", "RESULT_OBJECT"),
    ]
    result: Any = connected.message
    assert result.data == CERTIFICATES  # from two pages behind a scatter page
    assert not connected.problems
    assert not connected.notes
    assert connected.layers[0].data == CONNECT
    assert connected.layers[0].facts == {"revision": "P2", "code": 0xD4, "paddr": "0x300000"}


def test_everything_that_can_be_checked_is(story: Path) -> None:
    found = {record.number: checks(record) for record in open_capture(story, verify=True) if record.checks}
    assert found == {
        6: {"DEVICE_STATUS certs_digest": True},
        8: {"TDI_INFO interface_report_digest": True},
        9: {"TIO_TDI_INFO_REQ AUTHTAG": True},
        10: {
            "TIO_TDI_INFO_RSP AUTHTAG": True,
            "TIO_TDI_INFO_RSP certs_digest": True,
            "TIO_TDI_INFO_RSP meas_digest": True,
            "TIO_TDI_INFO_RSP interface_report_digest": True,
        },
    }
    assert not [record for record in open_capture(story) if record.checks]


def test_a_digest_of_something_else_is_told(tmp_path: Path) -> None:
    def make(made: Story) -> None:
        made.connect()
        made.status(CERTIFICATES[:-1])
        made.guest(certificates=b"others")

    records = opened(make, tmp_path, verify=True)
    status, asked, answered = records[5:]
    assert checks(status) == {"DEVICE_STATUS certs_digest": False}
    assert "does not hold" in status.checks[0].explain()
    assert "5000 bytes  certificates" in status.checks[0].explain()
    plain = status.to_dict()["checks"][0]
    assert plain["pieces"][0]["record"] == 5
    assert bytes.fromhex(plain["pieces"][0]["bytes"]) == CERTIFICATES
    assert all(checks(asked).values())
    assert [name for name, ok in checks(answered).items() if not ok] == ["TIO_TDI_INFO_RSP certs_digest"]
    assert main(["decode", str(tmp_path / "x.pcapng"), "--verify"]) == ExitCode.REFUSED


def test_without_a_key_a_message_keeps_its_envelope(tmp_path: Path) -> None:
    asked, answered = opened(lambda made: made.guest(key=None), tmp_path, verify=True)
    assert (asked.is_decrypted, asked.checks, asked.problems, asked.notes) == (False, (), (), ())
    assert "TDI_INFO_REQ encrypted, 16 bytes, msg_seqno=1" in asked.summary()
    assert titles(asked)[-1] == ("guest", "GUEST_MESSAGE")
    assert ("tdisp", "INTERFACE_REPORT") in titles(answered)  # the area is in clear


def test_a_wrong_key_is_told_and_a_right_one_among_wrong_ones_is_found(tmp_path: Path) -> None:
    asked, _ = opened(lambda made: made.guest(key=bytes(32)), tmp_path, verify=True)
    assert asked.notes == ("the tag does not hold under any key that is known",)
    assert checks(asked) == {"TIO_TDI_INFO_REQ AUTHTAG": False}
    log = KeyLog()
    for number, key in enumerate((bytes(32), VMPCK0, b"\1" * 32)):
        log.add(VMPCK_KIND, vmpck_key_of(f"guest{number}", 0), key)
    log.add(VMPCK_KIND, vmpck_key_of("guest1", 1), bytes(32))
    asked, _ = open_capture(tmp_path / "x.pcapng", verify=True, secrets=log)
    assert checks(asked) == {"TIO_TDI_INFO_REQ AUTHTAG": True}
    star = KeyLog.parse(f"VMPCK * {VMPCK0.hex()}\n")
    assert open_capture(tmp_path / "x.pcapng", secrets=star)[0].is_decrypted


def test_the_key_shows_nowhere(story: Path) -> None:
    for record in open_capture(story):
        shown = f"{record.show()}{record.summary()}{json.dumps(record.to_dict())}{record!r}"
        assert VMPCK0.hex() not in shown
        assert VMPCK0.hex(" ") not in shown


def test_the_json_keeps_the_contract(story: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", str(story), "--json", "--verify"]) == ExitCode.DONE
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["interface"] for record in records[:3]] == ["psp", "psp", "doe:0000:01:00.0"]
    created = records[0]["layers"][0]
    assert (created["layer"], created["code"], created["message"]) == ("psp", 0xD2, "TIO_DEV_CREATE")
    assert created["fields"]["device_id"] == 0x100
    assert records[1]["layers"][1]["fields"]["status"] == {"value": 0x32, "name": "SPDM_REQUEST"}
    asked, answered = records[8:10]
    assert [layer["layer"] for layer in asked["layers"]] == ["ghcb", "ghcb", "guest", "guest"]
    assert asked["layers"][1]["fields"] == {"wanted": {"value": 9, "set": ["STATE", "REPORT"]}}
    assert asked["layers"][2]["decrypted"] is True
    assert (asked["direction"], answered["direction"]) == ("request", "response")
    assert answered["layers"][4] == {
        "layer": "guest",
        "measurements": 4,
        "certificates": 5000,
        "interface report": len(REPORT),
        "message": "BLOBS",
    }
    assert records[-1]["transport"] == "pcie"


def test_commands_are_pairs_and_guests_are_answered(story: Path) -> None:
    told_pairs = [exchange.summary().split(maxsplit=2)[2] for exchange in open_capture(story).exchanges()]
    assert told_pairs == [
        "PSP TIO_DEV_CREATE -> SUCCESS",
        "PSP TIO_DEV_CONNECT -> SPDM_REQUEST",
        "SPDM 1.0 GET_VERSION -> VERSION",
        "PSP TIO_DEV_CONNECT -> SUCCESS",
        "PSP TIO_DEV_STATUS -> SUCCESS",
        "PSP TIO_TDI_BIND -> SUCCESS",
        "PSP TIO_TDI_INFO -> SUCCESS",
        "GUEST TDI_INFO_REQ -> TDI_INFO_RSP",
        "GHCB SEV_TIO_OP -> SEV_TIO_OP",
    ]


def test_the_ladder_has_lanes_for_host_guest_and_link(story: Path) -> None:
    ladder = open_capture(story).ladder()
    assert [(lanes.title, lanes.names) for lanes in ladder.lanes] == [
        ("psp", ("host", "PSP")),
        ("doe:0000:01:00.0", ("requester", "responder")),
        ("guest:0000:01:00.0", ("guest", "PSP")),
        ("link:0000:01:00.0", ("root port", "device")),
    ]
    assert [(rung.lanes, rung.sender) for rung in ladder.rungs[-5:]] == [(2, 0), (2, 1), (2, 0), (2, 1), (3, 0)]
    assert not [rung for rung in ladder.rungs if rung.is_unanswered]
    assert "GUEST TDI_INFO_RSP --|" in ladder.to_text(width=120)
    assert "GUEST TDI_INFO_RSP" in ladder.to_html()


def test_both_ways_of_a_link_are_one_pair_of_lanes(tmp_path: Path) -> None:
    made, tlp = Story(), bytes.fromhex("40000001010000ff0000100012345678")
    made.recorder.add_tlp(DEVICE, "up", tlp)
    made.recorder.add_tlp(DEVICE, "down", tlp)
    made.recorder.add_tlp(DEVICE, "up", tlp)
    ladder = open_capture(made.write(tmp_path / "x.pcapng")).ladder()
    assert [lanes.names for lanes in ladder.lanes] == [("device", "root port")]
    assert [rung.sender for rung in ladder.rungs] == [0, 1, 0]


def test_the_data_frame_has_a_row_for_each(story: Path) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    frame = open_capture(story).to_dataframe()
    assert [*frame["transport"]] == [record.transport for record in open_capture(story)]
    assert frame["direction"].isna().sum() == 0
    assert [*frame["type"].astype(object).where(frame["type"].notna(), None)] == [
        *["psp"] * 2,
        *["spdm"] * 2,
        *["psp"] * 4,
        *["guest"] * 4,
        None,
    ]
    assert [*frame["message"].dropna()] == [
        "TIO_DEV_CREATE",
        "TIO_DEV_CONNECT",
        "GET_VERSION",
        "VERSION",
        "TIO_DEV_CONNECT",
        "TIO_DEV_STATUS",
        "TIO_TDI_BIND",
        "TIO_TDI_INFO",
        "TIO_TDI_INFO_REQ",
        "TIO_TDI_INFO_RSP",
    ]
    assert [*frame["code"].dropna()] == [0xD2, 0xD4, 0x84, 4, 0xD4, 0xD6, 0xDC, 0xE3, 19, 20]
    assert frame["version"].notna().sum() == 2


def test_a_capture_keeps_its_secrets_when_it_is_saved(story: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.pcapng"
    open_capture(story).save(copy, secrets=True)
    assert [*map(Record.to_dict, open_capture(copy))] == [*map(Record.to_dict, open_capture(story))]
    open_capture(story).save(copy)
    assert open_capture(copy)[8].is_decrypted is False


@pytest.mark.parametrize("tool", [["capinfos"], ["tshark", "-r"]], ids=["capinfos", "tshark"])
def test_wiresharks_tools_read_it(tool: list[str], story: Path) -> None:
    if shutil.which(tool[0]) is None:
        pytest.skip(f"{tool[0]} is not installed")
    said = subprocess.run([*tool, story], capture_output=True, text=True, check=True)
    assert [line for line in said.stderr.splitlines() if not line.startswith("Running as user")] == []
    assert len(said.stdout.splitlines()) >= 13


def test_merging_with_another_capture_loses_nothing(story: Path, tmp_path: Path) -> None:
    if shutil.which("mergecap") is None:
        pytest.skip("mergecap is not installed")
    other = Story()
    other.memory.write(0x300000, bytes(16))
    other.command(SevCommand.TIO_INIT, bytes.fromhex("10000000").ljust(16, b"\0"))
    made = other.write(tmp_path / "other.pcapng")
    merged = tmp_path / "merged.pcapng"
    subprocess.run(["mergecap", "-a", "-w", merged, story, made], check=True, capture_output=True)
    said = [record.summary()[6:] for record in open_capture(merged)]
    assert said == [record.summary()[6:] for trace in (story, made) for record in open_capture(trace)]


def written(path: Path, link_type: LinkType, *packets: bytes) -> Trace:
    stream = io.BytesIO()
    writer = PcapngWriter(stream)
    writer.add_interface(link_type, "x")
    for packet in packets:
        writer.write_packet(packet)
    path.write_bytes(stream.getvalue())
    return open_capture(path, verify=True)


def packets(story: Path, link_type: LinkType) -> list[bytes]:
    transport = {LinkType.USER0: "psp", LinkType.USER1: "guest"}[link_type]
    return [record.data for record in open_capture(story) if record.transport == transport]


@pytest.mark.parametrize("link_type", [LinkType.USER0, LinkType.USER1], ids=lambda kind: kind.name)
def test_damaged_records_keep_their_place(link_type: LinkType, story: Path, tmp_path: Path) -> None:
    """Whatever is cut or changed in a record, it and the one after it are there, and nothing is raised."""
    random, whole = Random(7), packets(story, link_type)
    log = KeyLog.parse(f"VMPCK * {VMPCK0.hex()}\n")
    for packet in whole:
        damaged = [packet[: random.randrange(len(packet))] for _ in range(20)]
        for _ in range(150):
            at = random.randrange(min(len(packet), 700))
            changed = bytearray(packet)
            changed[at] ^= 1 << random.randrange(8)
            damaged.append(bytes(changed))
        path = tmp_path / "damaged.pcapng"
        written(path, link_type, *(each for other in damaged for each in (other, packet)))
        records = [*open_capture(path, verify=True, secrets=log)]
        assert len(records) == 2 * len(damaged)
        for record in records:
            assert record.summary()
            assert record.show()
            assert json.dumps(record.to_dict())
            assert all(0 <= problem.offset <= len(record.data) for problem in record.problems)
        assert not [record for record in records[1::2] if record.problems]


def test_what_is_not_known_is_kept(tmp_path: Path) -> None:
    command, unknown = CommandRegister(command=SevCommand(0x7FF)), PspRecord.parse
    record = PspRecord(
        revision=RecordedRevision(9),
        command=command,
        buffer_paddr=0x1000,
        response=ResponseRegister(status=SevStatus(0x9010)),
        buffer=b"1234",
        memory=(RecordedMemory(paddr=1, data=b"abc"), RecordedMemory(paddr=2, is_written=True)),
    )
    assert unknown(record.build()) == record
    (read,) = written(tmp_path / "x.pcapng", LinkType.USER0, record.build())
    assert titles(read) == [
        ("psp", "UNKNOWN_0x7ff"),
        ("psp", "MEMORY"),
        ("psp", "UNKNOWN_0x9010"),
        ("psp", "MEMORY"),
    ]
    assert read.notes == ("revision 9 is not known; read as P2", "the buffer of UNKNOWN_0x7ff is not read in P2")
    other = seal_message(VMPCK0, GuestMessage(msg_seqno=1, msg_type=7, payload=b""), bytes(96))
    guest = GuestRecord(direction=GuestDirection.REQUEST, page=other.build())
    path = tmp_path / "y.pcapng"
    written(path, LinkType.USER1, guest.build())
    (read,) = open_capture(path, secrets=KeyLog.parse(f"VMPCK * {VMPCK0.hex()}\n"))
    assert titles(read)[-1] == ("guest", "EXPORT_REQ")
    assert read.layers[-1].message is None


def test_attestation_reports_are_read_whatever_the_revision(tmp_path: Path) -> None:
    report = AttestationReport(
        version=5,
        cpuid_family=0x19,
        cpuid_model=0x11,
        cpuid_stepping=1,
        launch_mitigation_vector=0,
        current_mitigation_vector=0,
    ).build()
    answer = ReportResponseHeader(status=SevStatus.SUCCESS, report_size=len(report)).build() + report
    log = KeyLog.parse(f"VMPCK * {VMPCK0.hex()}\n")
    registers = GhcbRegisters(sw_exitcode=0x80000011)
    packets = []
    for number, (kind, payload) in enumerate(((5, bytes(96)), (6, answer), (4, bytes(64)))):
        sealed = seal_message(VMPCK0, GuestMessage(msg_seqno=number + 1, msg_type=kind, payload=b""), payload)
        record = GuestRecord(
            revision=RecordedRevision.R1,
            direction=GuestDirection.RESPONSE if number else GuestDirection.REQUEST,
            page=sealed.build(),
            registers=registers,
        )
        packets.append(record.build())
    path = tmp_path / "x.pcapng"
    written(path, LinkType.USER1, *packets)
    asked, answered, key = open_capture(path, secrets=log)
    assert titles(asked)[-1] == ("guest", "REPORT_REQUEST")
    assert [title for _, title in titles(answered)][-2:] == ["REPORT_RESPONSE_HEADER", "ATTESTATION_REPORT"]
    assert "GUEST REPORT_RSP status=SUCCESS" in answered.summary()
    assert titles(key)[-1] == ("guest", "KEY_RSP")  # a number that is SDTE_WRITE's in an exit of SEV-TIO
    assert key.layers[-1].has_secrets
    cut = seal_message(VMPCK0, GuestMessage(msg_seqno=9, msg_type=6, payload=b""), answer[:-1])
    written(path, LinkType.USER1, GuestRecord(direction=GuestDirection.RESPONSE, page=cut.build()).build())
    (broken,) = open_capture(path, secrets=log)
    assert broken.problems


def test_layouts_of_the_records() -> None:
    record = PspRecord(
        revision=RecordedRevision.R1,
        command=CommandRegister(command=SevCommand.TIO_INIT),
        buffer_paddr=0x12345678,
        response=ResponseRegister(status=SevStatus.SPDM_REQUEST),
        buffer=b"\xaa" * 4,
        memory=(RecordedMemory(paddr=0x1000, is_written=True, data=b"\xbb" * 3),),
    )
    golden = bytes.fromhex(
        "01 01 0000 0000d100 7856341200000000 32000080 04000000 01000000 00000000 aaaaaaaa"
        "0010000000000000 01000000 03000000 bbbbbb"
    )
    check_wire(PspRecord, golden, record)
    check_refused(PspRecord, b"\2" + golden[1:], 0)
    guest = GuestRecord(direction=GuestDirection.RESPONSE, page=b"\1", area=b"\2\3")
    raw = bytes.fromhex("01 04 02 00 01000000") + bytes(56) + bytes.fromhex("02000000 00000000 01 0203")
    check_wire(GuestRecord, raw, guest)
    check_refused(GuestRecord, raw[:2] + b"\3" + raw[3:], 2)


def test_the_revision_tells_the_type_numbers(tmp_path: Path) -> None:
    """In R1 a TDI_INFO response has the number of CPUID's request."""
    sealed = seal_message(VMPCK0, GuestMessage(msg_seqno=2, msg_type=1, payload=b""), bytes(176))
    log = KeyLog.parse(f"VMPCK * {VMPCK0.hex()}\n")
    for revision, title in ((RecordedRevision.R1, "TDI_INFO_RSP_R1"), (RecordedRevision.P2, "CPUID_REQ")):
        record = GuestRecord(revision=revision, direction=GuestDirection.RESPONSE, page=sealed.build())
        path = tmp_path / "x.pcapng"
        written(path, LinkType.USER1, record.build())
        (read,) = open_capture(path, secrets=log)
        assert read.layers[-1].title == title


def test_a_capture_without_such_records_needs_none_of_their_layouts() -> None:
    code = "import sys, pytio.capture; print([name for name in sys.modules if name.startswith('pytio.sev')])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_secrets_stand_before_what_they_open() -> None:
    """A secret that becomes known while a record waits is written before it."""
    stream = io.BytesIO()
    with Recorder(stream) as recorder:
        recorder.add_guest("g", GuestRecord(direction=GuestDirection.REQUEST, page=GUEST_REQUEST))
        recorder.key_log.add(VMPCK_KIND, "g/0", VMPCK0)
    text = stream.getvalue()
    assert text.index(b"VMPCK g/0") < text.index(GUEST_REQUEST)


def test_a_command_in_memory_that_is_not_there_is_recorded_all_the_same(tmp_path: Path) -> None:
    made = Story()
    execute = made.recorder.around_psp(lambda command, paddr: SevStatus.INVALID_ADDRESS, made.memory.read, Revision.R1)
    assert execute(SevCommand.TIO_DEV_CONNECT, 0xDEAD000) == SevStatus.INVALID_ADDRESS
    (record,) = open_capture(made.write(tmp_path / "x.pcapng"))
    assert [layer.title for layer in record.layers] == ["TIO_DEV_CONNECT", "INVALID_ADDRESS"]
    assert "TIO_DEV_CONNECT -> INVALID_ADDRESS" in record.summary()
