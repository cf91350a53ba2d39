"""Captured TLPs: what is in clear, what a key log opens, and what is told of the rest; and their data frame."""

from __future__ import annotations

import io
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pytio import ide
from pytio.capture import KeyLog, Record, open_capture
from pytio.capture.frames import LinkType
from pytio.capture.keylog import SECRETS_TYPE, ide_key_of
from pytio.capture.pcapng import PcapngWriter
from pytio.cli import ExitCode, main
from pytio.ids import Direction
from tests.ide.links import ENDPOINT_ID, SUB_STREAMS, Link, Traffic, drain, link, slots

PLACE = "0000:e1:00.0"


class LoggedLink(Link):
    """A link whose keys are logged, as a tap at its lower end would."""

    log: KeyLog

    def program(self, key_set: int, ifv: int = 1) -> None:
        for sender, receiver, way in ((self.endpoint, self.root_port, "up"), (self.root_port, self.endpoint, "down")):
            tx, rx = slots(key_set, Direction.TX), slots(key_set, Direction.RX)
            for number, sub_stream in enumerate(SUB_STREAMS):
                key = self.random.randbytes(32)
                sender.program(tx[number], key, ifv)
                receiver.program(rx[number], key, ifv)
                name = ide_key_of(PLACE, sender.config.stream_id, key_set, sub_stream.name, way)
                self.log.add("IDE", name, key)


def logged_link(**changes: Any) -> LoggedLink:
    plain = link(enabled=False, **changes)
    made = LoggedLink(ide.Stream(plain.endpoint.config), ide.Stream(plain.root_port.config), Random(4))
    made.log = KeyLog()
    made.program(0)
    made.go(0)
    made.endpoint.enable()
    made.root_port.enable()
    return made


def written(path: Path, wire: list[bytes], log: KeyLog | None = None, name: str = f"link:{PLACE}:up") -> Path:
    stream = io.BytesIO()
    writer = PcapngWriter(stream)
    if log is not None:
        writer.write_secrets(SECRETS_TYPE, log.build())
    interface = writer.add_interface(LinkType.USER2, name)
    for number, message in enumerate(wire):
        writer.write_packet(message, interface=interface, time_ns=10**18 + number)
    path.write_bytes(stream.getvalue())
    return path


def sent(made: Link, count: int = 40) -> tuple[list[ide.Tlp], list[bytes]]:
    source = Traffic(Random(3), ENDPOINT_ID, is_root_port=False)
    tlps = [source.next() for _ in range(count)]
    for tlp in tlps:
        made.endpoint.send(tlp)
    return tlps, drain(made.endpoint)


def payload_of(record: Record) -> bytes:
    layer = record.layer("tlp")
    assert layer is not None
    return layer.data


@pytest.mark.parametrize(
    "changes",
    [{}, {"aggregation": 4}, {"pcrc": True}, {"header_encryption": ide.HeaderEncryption.ADDRESS_33_2}],
    ids=str,
)
def test_a_key_log_inside_the_capture_opens_its_tlps(tmp_path: Path, changes: dict[str, Any]) -> None:
    made = logged_link(**changes)
    tlps, wire = sent(made)
    records = list(open_capture(written(tmp_path / "x.pcapng", wire, made.log)))
    assert len(records) == len(wire)
    opened = [record for record in records if record.is_decrypted]
    for record, tlp in zip(records, tlps, strict=True):
        if record in opened:
            assert payload_of(record) == tlp.header_bytes() + tlp.payload
    late = 0 if "aggregation" not in changes else 6  # before the first MAC of a sub-stream nothing proves its key
    assert len(records) - len(opened) <= late
    assert all(not record.problems for record in records)
    assert {record.transport for record in records} == {"pcie"}
    assert {record.direction.value for record in records if record.direction} == {"request"}


def test_keys_are_followed_through_refreshes_and_gaps(tmp_path: Path) -> None:
    made = logged_link()
    wire: list[bytes] = []
    expected: list[bytes] = []
    for turn in range(4):
        tlps, some = sent(made, 20)
        for message in some:
            made.root_port.receive(message)
        wire += some[:5] + some[9:]  # four are not captured
        expected += [tlp.header_bytes() + tlp.payload for tlp in tlps[:5] + tlps[9:]]
        for end in (made.endpoint, made.root_port):
            for way in Direction:
                for each in SUB_STREAMS:
                    if end._keys.waiting(way, each) is not None:
                        end._keys.change(way, each)
        made.refresh(1 - turn % 2)
        made.endpoint.outstanding._waiting.clear()
    records = list(open_capture(written(tmp_path / "x.pcapng", wire, made.log)))
    assert [record.is_decrypted for record in records] == [True] * len(wire)
    assert [payload_of(record) for record in records] == expected


def test_without_keys_headers_are_told_and_payloads_are_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = logged_link()
    made.endpoint.send(ide.memory_write(0x1000, b"secret!!", requester_id=ENDPOINT_ID))
    path = written(tmp_path / "x.pcapng", drain(made.endpoint))
    (record,) = open_capture(path)
    assert record.is_decrypted is False
    assert b"secret" not in payload_of(record)
    assert "TLP MWR32" in record.summary()
    assert main(["decode", str(path), "--json"]) == ExitCode.DONE
    plain = json.loads(capsys.readouterr().out)
    assert plain["transport"] == "pcie"
    assert [layer["layer"] for layer in plain["layers"]] == ["ide", "tlp"]
    assert [layer["message"] for layer in plain["layers"]] == ["IDE_PREFIX", "MWR32"]
    assert plain["layers"][0]["decrypted"] is False
    assert plain["layers"][0]["fields"]["stream_id"] == 0xBC
    assert plain["layers"][1]["fields"]["requester_id"] == ENDPOINT_ID
    assert "MEMORY_REQUEST32" in record.show()


def test_a_wrong_key_is_told(tmp_path: Path) -> None:
    made, other = logged_link(), KeyLog()
    made.endpoint.send(ide.memory_write(0x1000, b"secret!!", requester_id=ENDPOINT_ID))
    other.add("IDE", ide_key_of(PLACE, 0xBC, 0, "PR", "up"), bytes(32))
    (record,) = open_capture(written(tmp_path / "x.pcapng", drain(made.endpoint), other))
    assert record.is_decrypted is False
    assert record.notes == ("the MAC does not hold under any key that is known",)


def test_flit_mode_is_said_by_the_interface(tmp_path: Path) -> None:
    made = logged_link(flit_mode=True)
    header = ide.FlitMemoryRequest64(tlp_type=ide.FlitType.MWR64, address_63_2=1 << 40, length=1)
    made.endpoint.send(ide.Tlp(header=header, payload=b"data"))
    path = written(tmp_path / "x.pcapng", drain(made.endpoint), made.log, f"link:{PLACE}:up:flit")
    (record,) = open_capture(path)
    assert record.is_decrypted
    assert payload_of(record).endswith(b"data")
    assert [layer.name for layer in record.layers] == ["ide", "tlp"]


def test_plain_and_malformed_tlps_keep_their_records(tmp_path: Path) -> None:
    read = ide.memory_read(0x1000, 8, requester_id=ENDPOINT_ID).replace(prefixes=(ide.PasidPrefix(pasid=5),))
    answer = ide.completion(read, bytes(8))
    wire = [read.build(), b"\x1f" + bytes(11), answer.build()]
    plain, broken, last = open_capture(written(tmp_path / "x.pcapng", wire))
    assert [layer.title for layer in plain.layers] == ["PASID_PREFIX", "MRD32"]
    assert plain.is_decrypted is None
    assert "not a TlpType" in broken.problems[0].reason
    assert last.direction is not None
    assert last.direction.value == "response"


def test_the_data_frame_has_the_headers(tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    made = logged_link(aggregation=2)
    tlps, wire = sent(made, 60)
    wire.append(tlps[0].replace(prefixes=()).build())
    frame = open_capture(written(tmp_path / "x.pcapng", wire)).to_dataframe()
    assert len(frame) == len(wire)
    assert list(frame.index) == list(range(1, len(wire) + 1))
    for row, raw in zip(frame.itertuples(), wire, strict=True):
        tlp = ide.Tlp.parse(raw)
        said: Any = tlp.ide
        assert row.type == tlp.header.tlp_type.name
        assert row.length_dw == tlp.header.length_dw
        assert row.size == len(raw)
        if hasattr(tlp.header, "address"):
            assert row.address == tlp.header.address
        if said is not None:
            assert (row.stream_id, row.sub_stream, row.pr_sent_counter, row.k, bool(row.m), bool(row.t)) == (
                said.stream_id,
                said.sub_stream.name,
                said.pr_sent_counter,
                said.k,
                said.m,
                said.t,
            )
    assert frame["stream_id"].isna().sum() == 1
    assert set(frame["interface"]) == {f"link:{PLACE}:up"}


def test_the_data_frame_of_flit_mode(tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    made = logged_link(flit_mode=True)
    header = ide.FlitMemoryRequest64(tlp_type=ide.FlitType.MWR64, address_63_2=1 << 40, length=1, ohc_a=True)
    made.endpoint.send(ide.Tlp(header=header, payload=b"data", ohc=(ide.OhcA1(),)), tee=True)
    path = written(tmp_path / "x.pcapng", drain(made.endpoint), made.log, f"link:{PLACE}:up:flit")
    (row,) = open_capture(path).to_dataframe().itertuples()
    assert (row.type, row.stream_id, row.sub_stream, row.k) == ("MWR64", 0xBC, "PR", 0)
    assert (bool(row.t), row.length_dw) == (True, 1)
