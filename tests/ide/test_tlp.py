"""TLPs: which class a header is, what follows it, both modes, damage, and how they are drawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytio import ide
from pytio.errors import EncodeError, IdeDecodeError
from pytio.ide import FlitType, Tlp, TlpType
from pytio.ids import SubStream
from tests.strategies import damaged

NON_FLIT = {
    "MRd32": "00000001 0100050f 12345678",
    "MRd64": "20000001 0100050f 00000012 34567000",
    "MRdLk": "01000001 0100050f 12345678",
    "MWr32": "40000001 0100050f 12345678 deadbeef",
    "MWr64, 2 dw": "60000002 010005ff 00000012 34567000 deadbeefcafef00d",
    "IORd": "02000001 0100050f 0000cf8c",
    "IOWr": "42000001 0100050f 0000cf8c deadbeef",
    "CfgRd0": "04000001 0100050f 02000010",
    "CfgWr1": "45000001 0100050f 02000110 deadbeef",
    "Cpl UR": "0a000000 02002004 01000500",
    "CplD": "4a000001 02000004 01000500 deadbeef",
    "Msg PME_TO_Ack": "35000000 0100001b 00000000 00000000",
    "MsgD vendor": "72000001 0100007e 02001af4 00000000 deadbeef",
    "FetchAdd": "4c000001 01000500 12345678 00000001",
    "CAS64": "6e000002 01000500 00000012 34567000 00000001 00000002",
    "DMWr32": "5b000001 0100050f 12345678 deadbeef",
    "PASID, local prefix": "8e010203 91000001 20000001 0100050f 00000012 34567000",
    "ECRC": "60008001 0100050f 00000012 34567000 deadbeef 01020304",
    "IDE Sync": "32000000 01000054 02000000 bc050700",
    "IDE, PCRC and MAC": "9200bc0d 40000001 0100050f 12345678 deadbeef 88e2cece 000102030405060708090a0b",
    "IDE, inside of a unit": "9200bc01 40000001 0100050f 12345678 deadbeef",
}
FLIT = {
    "NOP": "00000000",
    "MRd32": "03000001 01000005 12345678",
    "MWr64 with A1 and C": "6005a001 01000007 000001ff 0002bc05 00000012 34567000 deadbeef 000102030405060708090a0b",
    "all OHC": "601f0001 01000007 000001ff 00010001 00000070 aaaaaaaa bbbbbbbb cccccccc 00000012 34567000 deadbeef",
    "ECRC": "40002001 01000005 12345678 deadbeef 01020304",
    "MAC and PCRC": "4004c001 01000005 00000105 12345678 deadbeef 88e2cece 000102030405060708090a0b",
    "CplD with A5": "4a010001 02000005 0000000c 01000004 deadbeef",
    "CfgWr1": "45000001 01000005 02000110 deadbeef",
    "IORd": "02000001 01000005 0000cf8c",
    "Msg": "30000000 01000018 00000000 00000000",
    "IDE Fail": "32000000 01000055 02000000 bc000000",
}
ALL = [(raw, False) for raw in NON_FLIT.values()] + [(raw, True) for raw in FLIT.values()]


@pytest.mark.parametrize(("raw", "flit"), ALL, ids=[*NON_FLIT, *(f"flit {name}" for name in FLIT)])
def test_a_tlp_builds_back_and_fails_well(raw: str, flit: bool) -> None:
    data = bytes.fromhex(raw)
    tlp = Tlp.parse(data, flit_mode=flit)
    assert tlp.build() == data
    assert tlp.is_flit is tlp.header.is_flit is flit
    assert Tlp.parse_prefix(data + b"\x60\x00", flit_mode=flit) == (tlp, len(data))
    for size in range(len(data)):
        with pytest.raises(IdeDecodeError) as caught:
            Tlp.parse(data[:size], flit_mode=flit)
        assert 0 <= caught.value.offset <= size
        assert caught.value.data == data[:size]
    with pytest.raises(IdeDecodeError, match="1 bytes left over"):
        Tlp.parse(data + b"\0", flit_mode=flit)


@given(st.sampled_from(ALL), st.data())
def test_any_bytes_are_a_tlp_or_an_error_inside_them(sample: tuple[str, bool], data: st.DataObject) -> None:
    raw = data.draw(damaged(bytes.fromhex(sample[0])))
    try:
        tlp = Tlp.parse(raw, flit_mode=sample[1])
    except IdeDecodeError as error:
        offset = error.offset
    else:
        offset = 0
        assert tlp.build() == raw
    assert 0 <= offset <= len(raw)


def test_what_a_type_says() -> None:
    said = {each.name: (ide.sub_stream_of(each), bool(each & 0x40), bool(each & 0x20)) for each in TlpType}
    assert said["MWR64"] == (SubStream.PR, True, True)
    assert said["MSG_LOCAL"] == (SubStream.PR, False, True)
    assert said["CPLDLK"] == (SubStream.CPL, True, False)
    for name in ("MRD32", "CFGWR1", "IOWR", "CAS64", "DMWR32"):
        assert said[name][0] is SubStream.NPR
    posted = {name for name, (sub_stream, _, _) in said.items() if sub_stream is SubStream.PR}
    assert {name.rstrip("0123456789").split("_")[0] for name in posted} == {"MWR", "MSG", "MSGD"}


def test_flit_mode_renames_two_codes() -> None:
    """PCIE_A30: codes are Fmt and Type, but for MRd32, whose code is NOP's."""
    flit = {each.name: each.value for each in FlitType}
    non_flit = {each.name: each.value for each in TlpType}
    assert {name for name in flit if flit[name] != non_flit.get(name)} == {"MRD32", "NOP"}


def test_neither_io_nor_type_0_travels_in_selective_streams() -> None:
    kept = {each.name for each in TlpType} - ide.SELECTIVE_TYPES
    assert kept == {"IORD", "IOWR", "CFGRD0", "CFGWR0"}


def test_an_unknown_type_is_an_error_at_its_place() -> None:
    with pytest.raises(IdeDecodeError, match="0x1f is not a TlpType") as caught:
        Tlp.parse(bytes.fromhex("91000001 1f000001 0100050f 12345678"))
    assert caught.value.offset == 4


def test_a_length_of_zero_is_1024_dwords() -> None:
    write = ide.memory_write(0x1000, bytes(4096))
    assert write.build()[:4].hex() == "40000000"
    assert Tlp.parse(write.build()).header.length_dw == 1024


def test_a_tag_has_up_to_ten_bits() -> None:
    raw = bytes.fromhex("00880001 0100050f 12345678")
    assert Tlp.parse(raw).header.transaction == (0x0100, 0x305)


def test_a_message_is_read_by_its_code() -> None:
    sync = Tlp.parse(bytes.fromhex(NON_FLIT["IDE Sync"])).header
    assert isinstance(sync, ide.IdeMessage)
    assert (sync.stream_id, sync.pr_sent_counter_npr, sync.pr_sent_counter_cpl) == (0xBC, 5, 7)
    vendor = Tlp.parse(bytes.fromhex(NON_FLIT["MsgD vendor"])).header
    assert isinstance(vendor, ide.VendorDefinedMessage)
    assert vendor.vendor_id == 0x1AF4
    assert isinstance(Tlp.parse(bytes.fromhex(FLIT["IDE Fail"]), flit_mode=True).header, ide.FlitIdeMessage)


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"payload": b"1234"}, "payload"), ({"mac": b"1"}, "mac"), ({"pcrc": bytes(4)}, "pcrc"), ({"ecrc": b"1"}, "ecrc")],
)
def test_parts_that_the_header_does_not_announce_do_not_build(changes: dict[str, bytes], field: str) -> None:
    with pytest.raises(EncodeError) as caught:
        ide.memory_read(0x1000, 4).replace(**changes).build()
    assert caught.value.field == field


def test_ohc_that_the_header_does_not_announce_does_not_build() -> None:
    tlp = Tlp.parse(bytes.fromhex(FLIT["MWr64 with A1 and C"]), flit_mode=True)
    with pytest.raises(EncodeError, match="OHC"):
        tlp.replace(ohc=tlp.ohc[::-1]).build()


def test_an_ohc_c_may_only_name_a_segment() -> None:
    tlp = Tlp.parse(bytes.fromhex(FLIT["all OHC"]), flit_mode=True)
    assert tlp.ide is None
    assert Tlp.parse(bytes.fromhex(FLIT["MAC and PCRC"]), flit_mode=True).ide is not None


@pytest.mark.parametrize(("raw", "flit"), ALL)
def test_every_tlp_is_drawn_with_every_bit(raw: str, flit: bool) -> None:
    tlp = Tlp.parse(bytes.fromhex(raw), flit_mode=flit)
    shown = tlp.show().splitlines()
    header = len(tlp.build()) - len(tlp.payload) - len(tlp.pcrc) - len(tlp.mac) - len(tlp.ecrc)
    rows = [line for line in shown if line[:6].strip().isdigit() and "|" in line]
    assert [int(row[:6]) for row in rows] == list(range(0, header, 4))
    assert {len(row) for row in rows} == {6 + 65}
    assert "<pre>" in tlp._repr_html_()


def test_a_completion_answers_its_request() -> None:
    read = ide.memory_read(0x1000, 64, requester_id=0x0100, tag=9, tag_9=True, traffic_class=3)
    answer = ide.completion(read, bytes(64), completer_id=0x0200)
    assert answer.header.transaction == read.header.transaction == (0x0100, 0x209)
    assert answer.header.traffic_class == 3
    with pytest.raises(ValueError, match="no completion answers MSG"):
        ide.completion(Tlp.parse(bytes.fromhex(NON_FLIT["IDE Sync"])))


@pytest.mark.parametrize(("address", "size"), [(2, 4), (-4, 4), (0, 0), (0, 6), (0, 4100)])
def test_what_is_no_dword_is_refused(address: int, size: int) -> None:
    with pytest.raises(ValueError, match=r"multiple|dwords"):
        ide.memory_read(address, size)
