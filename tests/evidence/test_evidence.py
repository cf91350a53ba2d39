"""Evidence: where it comes from, what it says, and that every form of it is the same evidence."""

from __future__ import annotations

import json

import pytest

from pytio.crypto import ChainModel
from pytio.errors import DecodeError, SpdmDecodeError
from pytio.evidence import Evidence, TranscriptForm
from pytio.spdm.codes import SpdmVersion
from pytio.spdm.requests import Measure
from pytio.spdm.transcript import joined
from tests.capture.recorded import RECORDED, opened
from tests.evidence.collected import ROOT, evidence, identified, measured

SIGNED = {"s01": 4, "s02": 9, "s03": 4, "s04": 3, "s05": 4, "s06": 3, "s07": 3, "s08": 0}
"""Signed measurements in the recorded sessions."""
SESSIONS = [name for name in RECORDED if SIGNED[name[:3]]]


def transcript_and_rest(found: Evidence) -> Evidence:
    """Write evidence down as a transcript and read it again."""
    vca = b"" if found.version >= SpdmVersion.V1_2 else joined(found.vca)
    return Evidence.from_transcript(found.to_transcript(), vca=vca, chain=found.chain)


@pytest.mark.parametrize("version", SpdmVersion)
def test_a_requester_gives_evidence(version: SpdmVersion) -> None:
    found = evidence(version)
    assert found.version == version
    assert list(found.measurements) == [1, 2, 0x10, 0xFD, 0xFE]
    assert found.certificates[0] == ROOT
    assert (found.slot, len(found.nonce), len(found.responder_nonce)) == (0, 32, 32)
    assert found.nonce != found.responder_nonce
    assert found.form is TranscriptForm.SINGLE_REQUEST
    assert found.model is ChainModel.DEVICE
    assert found.sources == {"vca": "requester", "exchanges": "requester", "chain": "requester"}
    found.proof.verify()


@pytest.mark.parametrize("version", SpdmVersion)
def test_a_transcript_is_what_was_signed_and_the_signature(version: SpdmVersion) -> None:
    found = evidence(version)
    data = found.to_transcript()
    assert data == joined(found.proof.pieces) + found.signature
    assert (data[:2] == b"\x10\x84") is (version >= SpdmVersion.V1_2)
    again = transcript_and_rest(found)
    assert again.to_transcript() == data
    again.proof.verify()


@pytest.mark.parametrize("version", SpdmVersion)
def test_json_keeps_everything(version: SpdmVersion) -> None:
    found = evidence(version)
    assert Evidence.from_json(found.to_json()) == found
    shown = json.loads(found.to_json())["shown"]
    assert shown["version"] == f"1.{version & 0xF}"
    assert shown["nonce"] == found.nonce.hex()
    assert [block["index"] for block in shown["measurements"]] == list(found.measurements)


def test_one_by_one_is_the_other_standard_form() -> None:
    two = identified()
    found = measured(two, Measure(0), *(Measure(index) for index in (1, 2, 0x10, 0xFD)), Measure(0xFE, slot=0))
    assert found.form is TranscriptForm.MULTIPLE_REQUESTS
    assert len(found.measured) == 6
    assert list(found.measurements) == [1, 2, 0x10, 0xFD, 0xFE]
    assert transcript_and_rest(found).form is TranscriptForm.MULTIPLE_REQUESTS


def test_other_requests_make_no_standard_form() -> None:
    assert measured(identified(), Measure(is_raw=True, slot=0)).form is TranscriptForm.OTHER
    assert measured(identified(), Measure(1, slot=0)).form is TranscriptForm.OTHER
    new = measured(identified(SpdmVersion.V1_3), Measure(is_new=True, slot=0))
    assert new.form is TranscriptForm.OTHER


def test_without_a_signed_measurement_there_is_no_evidence() -> None:
    two = identified()
    with pytest.raises(LookupError, match="no signed measurements"):
        Evidence.from_requester(two.requester, two.run(Measure()))


@pytest.mark.parametrize("name", RECORDED)
def test_a_capture_gives_evidence(name: str) -> None:
    found = opened(name).evidence()
    assert len(found) == SIGNED[name[:3]]
    for each in found:
        each.proof.verify()
        assert all(piece.source is not None for piece in (*each.vca, *each.exchanges))
        assert each.sources["chain"].startswith(f"{name}.pcap, record")
        assert Evidence.from_json(each.to_json()) == each
        assert transcript_and_rest(each).to_transcript() == each.to_transcript()


@pytest.mark.parametrize("name", ["s01-doe12-p384-full", "s07-doe14-p384"])
def test_reports_of_interfaces_come_with_it(name: str) -> None:
    found = opened(name).evidence()[-1]
    assert list(found.reports) == ["0000:be:1d.7"]
    assert [len(report.mmio_ranges) for report in found.interface_reports.values()] == [4]
    assert found.sources["report 0000:be:1d.7"].startswith(f"{name}.pcap, record ")
    assert Evidence.from_json(found.to_json()).reports == found.reports


# what is no evidence


def test_a_transcript_before_1_2_needs_what_was_agreed_on() -> None:
    found = evidence(SpdmVersion.V1_1)
    with pytest.raises(SpdmDecodeError, match="have to be given"):
        Evidence.from_transcript(found.to_transcript())
    with pytest.raises(SpdmDecodeError, match="1 bytes left over after ALGORITHMS"):
        Evidence.from_transcript(found.to_transcript(), vca=joined(found.vca) + b"\x00")


@pytest.mark.parametrize("version", [SpdmVersion.V1_1, SpdmVersion.V1_2, SpdmVersion.V1_4])
def test_a_transcript_may_not_be_cut_or_go_on(version: SpdmVersion) -> None:
    found = evidence(version)
    data, vca = found.to_transcript(), joined(found.vca)
    for size in range(0, len(data), 7):
        with pytest.raises(SpdmDecodeError) as caught:
            Evidence.from_transcript(data[:size], vca=vca)
        assert caught.value.offset <= size
    with pytest.raises(SpdmDecodeError, match="left over after the signature") as caught:
        Evidence.from_transcript(data + b"\x00", vca=vca)
    assert caught.value.offset == len(data)


def test_messages_have_to_be_what_they_are_called() -> None:
    found = evidence()
    with pytest.raises(SpdmDecodeError):
        Evidence(found.vca[1:], found.exchanges, found.signature)
    with pytest.raises(SpdmDecodeError):
        Evidence(found.vca, found.exchanges[:1], found.signature)
    with pytest.raises(SpdmDecodeError):
        Evidence(found.vca, found.exchanges, found.signature[1:])


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda plain: plain.update(format="pytio evidence 2"), "format"),
        (lambda plain: plain.pop("chain"), "chain"),
        (lambda plain: plain.update(signature="zz"), "signature"),
        (lambda plain: plain.update(vca=[{"bytes": "10840000"}]), "vca"),
        (lambda plain: plain["exchanges"][0].update(record="7"), "exchanges"),
        (lambda plain: plain.update(reports=[]), "reports"),
        (lambda plain: plain["shown"]["measurements"][0]["measurement"].update(value="00"), "shown"),
        (lambda plain: plain["shown"].update(nonce="00" * 32), "shown"),
        (lambda plain: plain.pop("shown"), "shown"),
    ],
)
def test_json_that_is_not_evidence(change: object, path: str) -> None:
    plain = json.loads(evidence().to_json())
    change(plain)  # type: ignore[operator]  # one of those above
    with pytest.raises(DecodeError) as caught:
        Evidence.from_json(json.dumps(plain))
    assert caught.value.path == path


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "{}", b"\xff\xfe{}", "[" * 100_000])
def test_text_that_is_not_evidence(text: str | bytes) -> None:
    with pytest.raises(DecodeError):
        Evidence.from_json(text)
