"""``pytio decode``: what it prints, and how it ends."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from pytio.capture import PcapngWriter, open_capture
from pytio.capture.pcap import pcap_header, pcap_record
from pytio.cli import main

SESSIONS = Path(__file__).parents[1] / "sessions"
CAPTURE = SESSIONS / "s08-doe12-psk-only.pcap"
RECORDS = 138


def secrets() -> list[str]:
    """Return the options that open the capture."""
    known = json.loads(CAPTURE.with_suffix(".json").read_text())
    return [argument for psk in known["psk"] for argument in ("--psk", psk)]


def test_one_line_for_each_record(capsys: pytest.CaptureFixture[str]) -> None:
    """Text is one line a record on stdout; the count goes to stderr."""
    assert main(["decode", str(CAPTURE), *secrets()]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == RECORDS
    assert "TDISP LOCK_INTERFACE_REQUEST" in out
    assert err == "138 records, 122 secured, 122 of them opened\n"
    assert "\x1b" not in out, "no colour where nobody looks"


def test_json_keeps_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON is one object a record, with the keys of the contract, in its order."""
    assert main(["decode", str(CAPTURE), *secrets(), "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["record"] for record in records] == list(range(1, RECORDS + 1))
    keys = ["record", "time_ns", "interface", "transport", "direction", "layers", "notes", "problems", "checks"]
    assert all(list(record) == keys for record in records)
    locked = next(record for record in records if record["layers"][-1].get("message") == "LOCK_INTERFACE_REQUEST")
    layers = {layer["layer"]: layer for layer in locked["layers"]}
    assert list(layers) == ["doe", "secured", "spdm", "tdisp"]
    assert layers["doe"]["message"] == "DATA_OBJECT"
    assert layers["secured"] == {"layer": "secured", "session_id": 0xFFFFFFFF, "decrypted": True}
    assert (layers["spdm"]["version"], layers["spdm"]["code"]) == ("1.2", 0xFE)
    assert (layers["tdisp"]["code"], layers["tdisp"]["message"]) == (0x83, "LOCK_INTERFACE_REQUEST")
    assert layers["tdisp"]["fields"]["flags"]["set"] == ["NO_FW_UPDATE", "SYSTEM_CACHE_LINE_SIZE", "LOCK_MSIX"]


def test_without_secrets_nothing_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """A record without a key is no problem."""
    assert main(["decode", str(CAPTURE), "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    secured = [layer for record in records for layer in record["layers"] if layer["layer"] == "secured"]
    assert len(secured) == 122
    assert not any(layer["decrypted"] for layer in secured)
    assert not any(record["problems"] for record in records)


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Return what ``pytio decode`` prints for a capture that it decodes."""
    assert main(["decode", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_a_key_log_opens_what_secrets_in_order_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key log beside the capture, or inside it, gives the same JSON as secrets on the command line."""
    wanted = printed(capsys, CAPTURE, *secrets(), "--json")
    trace = open_capture(CAPTURE, psk=[bytes.fromhex(psk) for psk in secrets()[1::2]])
    keylog, contained = tmp_path / "trace.keylog", tmp_path / "trace.pcapng"
    trace.key_log().write(keylog)
    trace.save(contained, secrets=True)
    assert printed(capsys, CAPTURE, "--keylog", keylog, "--json") == wanted
    assert printed(capsys, contained, "--json") == wanted


def test_a_key_log_that_cannot_be_used_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A malformed line is named and not shown; a key log that is not there is a usage error."""
    keylog = tmp_path / "trace.keylog"
    keylog.write_text("SPDM_PSK * 00\nSPDM_PSK * c0ffee5\n")
    assert main(["decode", str(CAPTURE), "--keylog", str(keylog)]) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert "line 2" in said.err
    assert "c0ffee" not in said.err
    assert main(["decode", str(CAPTURE), "--keylog", str(tmp_path / "gone")]) == 2


@pytest.mark.parametrize("kind", ["pcap", "pcapng"])
def test_the_link_type_can_be_overruled(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that calls DOE data objects something else is read as what it is said to be."""
    mislabelled, raw = tmp_path / "mislabelled", bytes.fromhex("010001000300000010840000")
    with mislabelled.open("wb") as stream:
        if kind == "pcap":
            stream.write(pcap_header(150) + pcap_record(raw))
        else:
            writer = PcapngWriter(stream)
            writer.add_interface(150)
            writer.write_packet(raw)
    assert "GET_VERSION" not in printed(capsys, mislabelled)
    assert "GET_VERSION" in printed(capsys, mislabelled, "--linktype", 292)
    assert "GET_VERSION" in printed(capsys, mislabelled, "--linktype", "0x124")


def test_a_port_picks_the_connections(capsys: pytest.CaptureFixture[str]) -> None:
    """Without the option connections are told by their framing; with it only those of the port are read."""
    capture, port = SESSIONS / "s09-tcp12-loopback.pcap", 42091
    recognised = printed(capsys, capture)
    assert "SPDM 1.2 CHALLENGE_AUTH" in recognised
    assert printed(capsys, capture, "--port", port) == recognised
    assert printed(capsys, capture, "--port", port + 1) == ""


@pytest.mark.parametrize("arguments", [("--port", "65536"), ("--linktype", "doe"), ("--port", "-1")])
def test_numbers_that_are_none(arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Link types and ports have sixteen bits."""
    with pytest.raises(SystemExit) as caught:
        main(["decode", str(CAPTURE), *arguments])
    assert caught.value.code == 2
    assert "is not a number from 0 to 65535" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["-v", "-x"])
def test_trees_and_hex_show_fields_and_hide_keys(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The longer forms name every field, and show no key material."""
    assert main(["decode", str(CAPTURE), *secrets(), option]) == 0
    out = capsys.readouterr().out
    assert "mmio_reporting_offset" in out
    assert "secret" in out
    assert secrets()[1] not in out.replace(" ", "")


def test_damage_ends_with_3_and_loses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A record that does not decode is reported in its place; those around it are there."""
    good = bytes.fromhex("010001000300000010840000")
    damaged = tmp_path / "damaged.pcap"
    damaged.write_bytes(pcap_header(292) + pcap_record(good) + pcap_record(good[:9]) + pcap_record(good))
    assert main(["decode", str(damaged)]) == 3
    out, err = capsys.readouterr()
    assert [("!!" in line, "GET_VERSION" in line) for line in out.splitlines()] == [
        (False, True),
        (True, False),
        (False, True),
    ]
    assert "1 with problems" in err


def test_what_is_no_capture_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is no capture is undecodable; one that is not there is a usage error."""
    (tmp_path / "text").write_text("not a capture at all, only some text")
    assert main(["decode", str(tmp_path / "text")]) == 3
    assert main(["decode", str(tmp_path / "missing")]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("layer", "text", "shown"),
    [
        ("spdm", "10 84 00 00", "GET_VERSION (4 bytes)"),
        ("spdm", "0x10, 0x84, 0x0, 0x0", "GET_VERSION (4 bytes)"),
        ("spdm", "00000000  10 84 00 00                                       |....|", "GET_VERSION (4 bytes)"),
        ("spdm", "00000000: 1084 0000                                ....", "GET_VERSION (4 bytes)"),
        ("spdm", "0000: 12 fe 00 00 03 00 02 01\n0008: 00 04 00 00 00 00 00", "QUERY (3 bytes)"),
        ("tdisp", "1081000000010000" + "00" * 8, "GET_TDISP_VERSION (16 bytes)"),
        ("idekm", "000000", "QUERY (3 bytes)"),
        ("doe", "010000000300000000000000", "DATA_OBJECT (12 bytes)"),
    ],
)
def test_one_message_from_hex(
    layer: str, text: str, shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hex comes as people copy it from logs."""
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["decode", "--hex", layer]) == 0
    assert shown in capsys.readouterr().out


@pytest.mark.parametrize(
    ("layer", "text", "code", "said"),
    [
        ("spdm", "10 84 00 00 01", 3, "1 bytes left over at offset 4"),
        ("spdm", "10 84 00", 3, "offset 3"),
        ("tdisp", "10 7e" + "00" * 14, 3, "0x7e is not a MessageType"),
        ("spdm", "12 01 00 01" + "00" * 48, 2, "--given digest=N --given multi_key=N"),
        ("spdm", "hello world", 2, "'hello' is not hex"),
        ("spdm", "", 2, "no hex digits"),
    ],
)
def test_hex_that_does_not_decode(
    layer: str,
    text: str,
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is wrong is said on stderr, and the exit code tells whose fault it is."""
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["decode", "--hex", layer, "-"]) == code
    assert said in capsys.readouterr().err


def test_facts_are_given_by_name(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that only the connection knows come as options."""
    monkeypatch.setattr("sys.stdin", io.StringIO("12 01 00 01" + "00" * 48))
    assert main(["decode", "--hex", "spdm", "--given", "digest=48", "--given", "multi_key=0"]) == 0
    assert "DIGESTS (52 bytes)" in capsys.readouterr().out


def test_a_bad_secret_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    """An error about a secret does not show it."""
    with pytest.raises(SystemExit) as caught:
        main(["decode", str(CAPTURE), "--psk", "c0ffee5"])
    assert caught.value.code == 2
    assert "c0ffee5" not in capsys.readouterr().err


def test_the_demo_decodes_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """The bundled capture opens completely."""
    assert main(["demo", "--scenario", "recorded-bring-up"]) == 0
    out, err = capsys.readouterr()
    assert "TDISP START_INTERFACE_REQUEST" in out
    assert "388 records, 316 secured, 316 of them opened" in err


def damaged(path: Path, number: int, offset: int) -> Path:
    """Write a copy of the capture with one bit of a record changed."""
    data = bytearray(CAPTURE.read_bytes())
    data[data.index(open_capture(CAPTURE)[number - 1].data) + offset] ^= 1
    path.write_bytes(data)
    return path


def test_verify_says_what_holds(capsys: pytest.CaptureFixture[str]) -> None:
    """Checks follow the message that they are about; their number goes to stderr."""
    assert main(["decode", str(CAPTURE), *secrets(), "--verify"]) == 0
    out, err = capsys.readouterr()
    lines = [line for line in out.splitlines() if ": ok]" in line]
    assert [line.split()[-2] for line in lines] == ["ResponderVerifyData:", "RequesterVerifyData:"] * 2
    assert err == "138 records, 122 secured, 122 of them opened, 4 checks, 0 of them failed\n"


def test_a_failed_check_carries_its_pieces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1, and the JSON has what was hashed."""
    path = damaged(tmp_path / "damaged.pcap", 13, 60)  # within the context of PSK_EXCHANGE
    assert main(["decode", str(path), *secrets(), "--verify", "--json"]) == 1
    checks = [check for line in capsys.readouterr().out.splitlines() for check in json.loads(line)["checks"]]
    first = checks[0]
    assert (first["check"], first["ok"]) == ("PSK_EXCHANGE_RSP ResponderVerifyData", False)
    pieces = [(piece["what"], piece["rule"], piece["record"]) for piece in first["pieces"]]
    assert pieces[0] == ("GET_VERSION", "A", 7)
    assert pieces[-2:] == [("PSK_EXCHANGE", "K", 13), ("PSK_EXCHANGE_RSP", "K", 14)]
    assert first["pieces"][0]["bytes"] == "10840000"


def test_a_failed_check_is_explained_in_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = damaged(tmp_path / "damaged.pcap", 13, 60)
    assert main(["decode", str(path), *secrets(), "--verify", "-v"]) == 1
    out = capsys.readouterr().out
    assert "!! PSK_EXCHANGE_RSP ResponderVerifyData does not hold" in out
    assert "known mistake: none of the known" in out
    assert not any(secret in out for secret in secrets())


def test_a_failed_check_outweighs_what_does_not_decode(tmp_path: Path) -> None:
    """Where 1 and 3 meet, it is 1."""
    path = damaged(tmp_path / "damaged.pcap", 13, 60)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 4])  # the last record is cut
    assert main(["decode", str(path), *secrets()]) == 3
    assert main(["decode", str(path), *secrets(), "--verify"]) == 1
