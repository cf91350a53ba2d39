"""Key logs: the text, what a session does with its lines, and the two connections with six sessions."""

from __future__ import annotations

import random
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytio.capture import KeyLog, KeyLogEntry, PcapngWriter, Record, open_capture
from pytio.capture.keylog import ANY_SESSION, KINDS, SECRETS_TYPE, session_key
from pytio.capture.secrets import LoggedSecrets, SecretKind, SecretStore
from pytio.crypto import Secret
from pytio.errors import CaptureError
from pytio.spdm.messages.key_exchange import FinishRsp, KeyExchange
from pytio.spdm.messages.psk import PskExchange
from tests.capture.peers import Peers, Terms
from tests.capture.recorded import RECORDED, frames, log, opened, path, records
from tests.capture.routes import Mctp, write

KEY, SECRET = "aa" * 32, "5ec2e7" * 8


# --- text ----------------------------------------------------------------------------------------------------------


def test_a_log_is_read_and_written() -> None:
    text = f"""# a comment

    SPDM_DHE {KEY.upper()}\t{SECRET.upper()}   # and another
    SPDM_PSK * 00ff\r
    IDE 0000:e1:00.0/1/up/PR/0 {SECRET}
    VMPCK 0 {SECRET}
    SPDM_DHE {KEY} {SECRET}
    SOMETHING_NEW whatever 01"""
    found = KeyLog.parse(text)
    assert [(entry.kind, entry.key, entry.secret.reveal().hex()) for entry in found] == [
        ("SPDM_DHE", KEY, SECRET),
        ("SPDM_PSK", ANY_SESSION, "00ff"),
        ("IDE", "0000:e1:00.0/1/up/PR/0", SECRET),
        ("VMPCK", "0", SECRET),
        ("SOMETHING_NEW", "whatever", "01"),
    ]
    assert [*KeyLog.parse(found.build())] == [*found]
    assert found.build().decode().splitlines()[1] == "SPDM_PSK * 00ff"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"SPDM_DHE {SECRET}", "a line has a kind, a key and a secret, not 2 words"),
        (f"SPDM_DHE {KEY} {SECRET} 00", "a line has a kind, a key and a secret, not 4 words"),
        (f"SPDM_DHE {KEY} {SECRET}0", "the secret is not an even number of hex digits"),
        (f"SPDM_DHE 0x{KEY} {SECRET}", "the key is not an even number of hex digits"),
        (f"SPDM_DEH {KEY} {SECRET}", "this kind of SPDM secret is not known"),
        (f"VMPCK 0 {SECRET}x", "the secret is not an even number of hex digits"),
    ],
)
def test_a_malformed_line_is_named_and_not_shown(line: str, reason: str) -> None:
    text = f"SPDM_PSK * 01\n{line}\nSPDM_PSK * 02\n"
    with pytest.raises(CaptureError) as caught:
        KeyLog.parse(text)
    assert (caught.value.path, caught.value.reason, caught.value.offset) == ("line 2", reason, 14)
    assert SECRET not in str(caught.value) + repr(caught.value)
    assert caught.value.__context__ is None or SECRET not in str(caught.value.__context__)
    left, problems = KeyLog.parse_what_is_there(text.encode())
    assert [entry.secret.reveal() for entry in left] == [b"\1", b"\2"]
    assert [problem.path for problem in problems] == ["line 2"]


def test_secrets_show_nowhere() -> None:
    found = KeyLog.parse(f"SPDM_DHE {KEY} {SECRET}")
    store = SecretStore(psk=[bytes.fromhex(SECRET)])
    store.add(found)
    shown = repr(found) + repr([*found]) + repr(store) + repr(store.derived(KEY)) + repr(LoggedSecrets(Secret(b"abc")))
    assert SECRET not in shown
    assert repr(found) == "<KeyLog of 1 secrets>"


def test_a_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "secrets.keylog"
    file.write_bytes(b"was there before, and longer than what follows" * 9)
    file.chmod(0o644)
    found = KeyLog([KeyLogEntry("SPDM_PSK", ANY_SESSION, Secret(b"abc"))])
    found.write(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [*KeyLog.read(file)] == [*found]


def test_every_kind_of_a_session_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "key-log.md").read_text()
    assert [kind for kind in KINDS if f"`{kind}`" not in page] == []
    assert f"{SECRETS_TYPE:#x}".upper().replace("X", "x") in page


# --- what a trace does with it -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECORDED)
def test_a_log_says_which_session_each_secret_is_for(name: str, tmp_path: Path) -> None:
    found = opened(name).key_log()
    wanted = set()
    for record in records(name):
        if isinstance(record.message, KeyExchange):
            wanted.add(("SPDM_DHE", session_key(record.message.random_data)))
        elif isinstance(record.message, PskExchange):
            wanted.add(("SPDM_PSK", session_key(record.message.requester_context)))
    assert {(entry.kind, entry.key) for entry in found} == wanted
    given = {secret for kind in ("psk", "dhe_secret") for secret in log(name)[kind]}
    assert {entry.secret.reveal().hex() for entry in found} == given
    file = tmp_path / "log"
    file.write_text("".join(reversed(found.build().decode().splitlines(keepends=True))))
    assert [*open_capture(path(name), secrets=file)] == [*records(name)]


def test_a_secret_for_another_session_is_not_tried() -> None:
    name = "s08-doe12-psk-only"
    wrong = KeyLog(KeyLogEntry(entry.kind, KEY, entry.secret) for entry in opened(name).key_log())
    assert [record for record in open_capture(path(name), secrets=wrong) if record.is_decrypted] == []
    anywhere = KeyLog(KeyLogEntry(entry.kind, ANY_SESSION, entry.secret) for entry in opened(name).key_log())
    assert [*open_capture(path(name), secrets=anywhere)] == [*records(name)]


@pytest.mark.parametrize("name", ["s01-doe12-p384-full", "s04-mctp12-rsapss3072-ffdhe-chacha"])
@pytest.mark.parametrize(
    ("kinds", "opens"),
    [
        (["SPDM_HANDSHAKE"], "everything"),
        (["SPDM_REQUEST_HANDSHAKE", "SPDM_RESPONSE_HANDSHAKE", "SPDM_MASTER"], "everything"),
        (["SPDM_REQUEST_HANDSHAKE", "SPDM_RESPONSE_HANDSHAKE"], "handshakes"),
        (["SPDM_REQUEST_DATA", "SPDM_RESPONSE_DATA"], "data"),
    ],
)
def test_later_secrets_open_what_follows_from_them(name: str, kinds: list[str], opens: str) -> None:
    """Take the secrets of the key schedule from the log of the peers, of the KEY_EXCHANGE sessions only."""
    logged = {
        "handshake_secret": "SPDM_HANDSHAKE",
        "request_handshake_secret": "SPDM_REQUEST_HANDSHAKE",
        "response_handshake_secret": "SPDM_RESPONSE_HANDSHAKE",
        "master_secret": "SPDM_MASTER",
        "request_data_secret": "SPDM_REQUEST_DATA",
        "response_data_secret": "SPDM_RESPONSE_DATA",
    }
    asked = [record.message for record in records(name) if isinstance(record.message, KeyExchange)]
    found, session = KeyLog(), -1
    for what, value in log(name)["key_schedule"]:
        session += what == "handshake_secret"
        if logged.get(what) in kinds:
            found.add(logged[what], session_key(asked[session].random_data), bytes.fromhex(value))
    trace = open_capture(path(name), secrets=found)
    compared = 0
    for record, (whole, phase) in zip(trace, phases(name), strict=True):
        if phase in ("handshake", "data"):
            assert record == whole if opens in ("everything", phase) else not record.is_decrypted
            compared += 1
    assert compared
    assert {entry.kind for entry in trace.key_log()} == set(kinds)


def phases(name: str) -> Iterator[tuple[Record, str]]:
    """Yield records, and whether they are secured by the handshake or the data keys of a KEY_EXCHANGE session."""
    phase = ""
    for record in records(name):
        yield record, phase if record.is_decrypted else ""
        if isinstance(record.message, KeyExchange | PskExchange):
            phase = "handshake" if isinstance(record.message, KeyExchange) else "psk"
        elif isinstance(record.message, FinishRsp) and phase == "handshake":
            phase = "data"


# --- inside a capture ----------------------------------------------------------------------------------------------


def interleaved(target: Path, names: list[str], *blocks: tuple[int, bytes]) -> list[tuple[str, int]]:
    """Mix recorded sessions as if they had been captured at once; return which record of which is where."""
    dice, left, order = random.Random(5), {name: [*frames(name)] for name in names}, []
    with target.open("wb") as stream:
        writer = PcapngWriter(stream)
        for kind, data in blocks:
            writer.write_secrets(kind, data)
        places = {name: writer.add_interface(frames(name)[0].link_type, f"doe:{name}") for name in names}
        while any(left.values()):
            name = dice.choice([name for name in names if left[name]])
            frame = left[name].pop(0)
            writer.write_packet(frame.data, interface=places[name], time_ns=frame.time_ns)
            order.append((name, frame.number))
    return order


def plain(record: Record) -> object:
    return {key: value for key, value in record.to_dict().items() if key not in {"record", "interface"}}


@pytest.mark.parametrize("way", ["log", "inside", "lists"])
def test_two_connections_and_six_sessions_in_any_order(way: str, tmp_path: Path) -> None:
    names = ["s01-doe12-p384-full", "s07-doe14-p384"]
    entries = [entry for name in names for entry in opened(name).key_log()]
    assert len({entry.key for entry in entries}) >= 6
    random.Random(7).shuffle(entries)
    file = tmp_path / "mixed.pcapng"
    order = interleaved(file, names, *([(SECRETS_TYPE, KeyLog(entries).build())] if way == "inside" else []))
    match way:
        case "log":
            trace = open_capture(file, secrets=KeyLog(entries))
        case "inside":
            trace = open_capture(file)
        case _:
            of_kind = {kind: [e.secret for e in entries if e.kind == kind.logged_as] for kind in SecretKind}
            trace = open_capture(file, psk=of_kind[SecretKind.PSK], dhe_secret=of_kind[SecretKind.DHE])
    wanted = [plain(records(name)[number - 1]) for name, number in order]
    assert [plain(record) for record in trace] == wanted
    assert all(record.is_decrypted is not False for record in trace)


def talking(ends: tuple[int, int], secrets: list[bytes], seed: int) -> Peers:
    """Return peers that hold three sessions at once, whose records take turns."""
    peers = Peers(Terms(), Mctp(requester=ends[0], responder=ends[1]), seed)
    peers.connect()
    peers.authenticate()
    sessions = [peers.key_exchange(secret, (at, at)).finish() for at, secret in enumerate(secrets[:2], start=1)]
    sessions.append(peers.psk_exchange(secrets[2], (3, 3)).finish())
    for session in (*sessions, *sessions[::-1], *sessions):
        session.beat(peers.random.randint(1, 3))
    sessions[0].update("request", "response")
    sessions[1].update("request")
    for session in sessions[::-1]:
        session.beat()
    for session in sessions:
        session.end()
    return peers


@pytest.mark.parametrize("way", ["log", "lists"])
@pytest.mark.parametrize("seed", range(4))
def test_two_connections_with_three_sessions_each_at_once(way: str, seed: int, tmp_path: Path) -> None:
    """Six sessions are open at the same time, in two connections whose packets are mixed, and ids that are the same."""
    dice = random.Random(seed)
    secrets = [dice.randbytes(48) for _ in range(6)]
    both = [talking((8, 9), secrets[:3], seed), talking((10, 11), secrets[3:], seed + 100)]
    left, mixed = [[*peers.route.frames] for peers in both], list[bytes]()
    while any(left):
        mixed.append(dice.choice([frames for frames in left if frames]).pop(0))
    file = write(tmp_path / "file.pcap", mixed, both[0].route.link_type)
    exchanged, shared = [*secrets[:2], *secrets[3:5]], [secrets[2], secrets[5]]
    dice.shuffle(exchanged)
    dice.shuffle(shared)
    trace = open_capture(file, dhe_secret=exchanged, psk=shared)
    if way == "log":
        entries = [*trace.key_log()]
        assert {entry.secret.reveal() for entry in entries} == {*secrets}
        dice.shuffle(entries)
        trace = open_capture(file, secrets=KeyLog(entries))
    found = [*trace]
    assert [record.number for record in found if record.problems or record.is_decrypted is False] == []
    assert sum(record.is_decrypted is True for record in found) > 100
    assert all(exchange.is_answered for exchange in trace.exchanges())
    assert len(trace.ladder().bands) == 6


def test_lines_that_cannot_be_read_inside_a_capture_are_a_note(tmp_path: Path) -> None:
    name, file = "s08-doe12-psk-only", tmp_path / "file.pcapng"
    text = b"SPDM_DEH 00 00\n" + opened(name).key_log().build() + b"rubbish"
    interleaved(file, [name], (SECRETS_TYPE, text), (0x544C534B, b"CLIENT_RANDOM 00 00"))
    first, *rest = open_capture(file)
    assert first.notes == (
        "key log in the capture, line 1: this kind of SPDM secret is not known",
        "key log in the capture, line 4: a line has a kind, a key and a secret, not 1 words",
    )
    assert [plain(record) for record in rest] == [plain(record) for record in records(name)[1:]]


def test_secrets_of_other_kinds_travel_along(tmp_path: Path) -> None:
    name, file = "s08-doe12-psk-only", tmp_path / "file.pcapng"
    given = KeyLog.parse(f"IDE stream {SECRET}\nSPDM_PSK {KEY} {SECRET}\n")
    given.extend(opened(name).key_log())
    open_capture(path(name), secrets=given).save(file, secrets=True)
    assert {entry.kind for entry in open_capture(file).key_log()} == {"SPDM_PSK", "IDE"}
    assert KEY not in {entry.key for entry in open_capture(file).key_log()}


def test_a_key_log_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_capture(path("s08-doe12-psk-only"), secrets=tmp_path / "gone")
