"""The data frame says of each record what the record itself says, however the frame came to know it."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytio.capture import KeyLog, PcapngWriter, Trace, open_capture
from pytio.capture.frames import LinkType
from pytio.capture.keylog import SECRETS_TYPE
from pytio.capture.pcap import pcap_header, pcap_record
from tests.capture import recorded
from tests.capture.frame_facts import check, pandas

NUMBERED = "s01-doe12-p384-full"


@pytest.mark.parametrize("name", recorded.RECORDED)
@pytest.mark.parametrize("has_secrets", [True, False], ids=["secrets", "no secrets"])
def test_says_what_the_records_say(twins: str, name: str, has_secrets: bool) -> None:
    check(open_capture(recorded.path(name), **(recorded.secrets(name) if has_secrets else {})))


@pytest.mark.parametrize("name", recorded.RECORDED)
@pytest.mark.parametrize("has_secrets", [True, False], ids=["secrets", "no secrets"])
def test_says_the_same_of_pcapng(twins: str, tmp_path: Path, name: str, has_secrets: bool) -> None:
    path = tmp_path / "self-contained.pcapng"
    recorded.opened(name).save(path, secrets=has_secrets)
    check(open_capture(path))


@pytest.mark.parametrize("has_secrets", [True, False], ids=["secrets", "no secrets"])
def test_says_the_same_of_tcp(twins: str, has_secrets: bool) -> None:
    name = "s09-tcp12-loopback"
    check(open_capture(recorded.path(name), **(recorded.secrets(name) if has_secrets else {})))


def written(path: Path, write: Callable[[PcapngWriter], None]) -> Path:
    """Write a pcapng file."""
    with path.open("wb") as stream:
        write(PcapngWriter(stream))
    return path


def log_of(name: str) -> KeyLog:
    """Return the secrets of a recorded session, each with its session."""
    return recorded.opened(name).key_log()


def test_several_interfaces_with_comments(twins: str, tmp_path: Path) -> None:
    """Two recorded sessions, interleaved, one packet in five with a comment, which rows have no room for."""
    doe, mctp = "s06-doe13-p256-provision", "s03-mctp11-p256-aes128"
    log = KeyLog([*log_of(doe), *log_of(mctp)])

    def write(writer: PcapngWriter) -> None:
        first, second = writer.add_interface(LinkType.PCI_DOE, "doe:0000:e1:00.0"), writer.add_interface(LinkType.MCTP)
        packets = [(first, frame.data) for frame in recorded.frames(doe)]
        for at, frame in enumerate(recorded.frames(mctp)):
            packets.insert(2 * at, (second, frame.data))
        for at, (interface, data) in enumerate(packets):
            writer.write_packet(data, interface=interface, time_ns=at, comment=None if at % 5 else "look here")

    trace = open_capture(written(tmp_path / "two.pcapng", write), secrets=log)
    check(trace)
    frame = trace.to_dataframe()
    assert set(frame["interface"].dropna()) == {"doe:0000:e1:00.0"}
    assert frame["decrypted"].all()


def test_secrets_that_come_late(twins: str, tmp_path: Path) -> None:
    """The secrets stand behind the connection's first messages, just before the session starts."""
    name = "s08-doe12-psk-only"
    log = log_of(name)

    def write(writer: PcapngWriter) -> None:
        writer.add_interface(LinkType.PCI_DOE)
        for at, frame in enumerate(recorded.frames(name)):
            if at == 8:
                writer.write_secrets(SECRETS_TYPE, log.build())
            writer.write_packet(frame.data)

    trace = open_capture(written(tmp_path / "late.pcapng", write))
    check(trace)
    assert trace.to_dataframe()["decrypted"].sum() > 100


def test_a_file_that_ends_inside_a_record(twins: str, tmp_path: Path) -> None:
    raw = recorded.path("s03-mctp11-p256-aes128").read_bytes()
    for size in (24, 30, 40, 50, len(raw) - 1):
        path = tmp_path / "cut.pcap"
        path.write_bytes(raw[:size])
        check(open_capture(path))


def test_more_than_fits_into_one_piece(twins: str, tmp_path: Path) -> None:
    """Pieces end inside of sessions, and a record is larger than what is looked at twice."""
    count = recorded.RECORDED[NUMBERED]
    path = tmp_path / "large.pcap"
    raw = recorded.path(NUMBERED).read_bytes()
    path.write_bytes(raw + raw[24:] * 9 + pcap_record(bytes(2_000_000)) + raw[24:] * 20)
    log = log_of(NUMBERED)
    frame = open_capture(path, secrets=log).to_dataframe().drop(columns=["offset", "time"]).astype(object)
    assert len(frame) == 30 * count + 1
    once = open_capture(recorded.path(NUMBERED), secrets=log).to_dataframe().drop(columns=["offset", "time"])
    for first in (0, 5 * count, 10 * count + 1, 29 * count + 1):
        again = frame.iloc[first : first + count].reset_index(drop=True)
        assert again.equals(once.astype(object).reset_index(drop=True)), first


def test_offsets_point_into_the_file(twins: str) -> None:
    name = "s05-mctp12-chunk"
    raw = recorded.path(name).read_bytes()
    frame = recorded.opened(name).to_dataframe()
    places = frame[["offset", "size"]].itertuples(index=False)
    for (offset, size), captured in zip(places, recorded.frames(name), strict=True):
        assert raw[offset : offset + size] == captured.data


def test_an_empty_capture(twins: str, tmp_path: Path) -> None:
    path = tmp_path / "empty.pcap"
    path.write_bytes(pcap_header(LinkType.PCI_DOE))
    frame = open_capture(path).to_dataframe()
    assert len(frame) == 0
    assert "message" in frame


def test_texts_are_categories_and_times_are_utc() -> None:
    frame = recorded.opened(NUMBERED).to_dataframe()
    for name in ("interface", "transport", "type", "direction", "version", "message", "carried", "carried_message"):
        assert isinstance(frame[name].dtype, pandas.CategoricalDtype), name
    assert str(frame["time"].dt.tz) == "UTC"
    assert frame["time"].iloc[0].year == 2026


def test_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_pandas(name: str, *arguments: Any) -> Any:
        if name == "pandas":
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_pandas)
    with pytest.raises(ImportError, match=r"install pytio\[notebook\]"):
        recorded.opened("s03-mctp11-p256-aes128").to_dataframe()


def test_no_capture(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("not a capture at all")
    with pytest.raises(ValueError, match="neither a pcap nor a pcapng file"):
        Trace(path).to_dataframe()
