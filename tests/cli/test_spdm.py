"""``pytio spdm`` and ``pytio respond``, against one another over real sockets."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytio.backends.bindings import BINDINGS, MCTP, Binding
from pytio.capture import open_capture
from pytio.cli import ExitCode, main
from pytio.cli.spdm_exchanges import EXCHANGES
from pytio.mock import Endpoint
from tests.hosts.serving import served

BRING_UP = ("session", "heartbeat", "key-update", "measurements", "ide-km", "tdisp", "end-session")


def uri_of(address: tuple[str, int], binding: Binding) -> str:
    return "socket://{}:{}?transport={}&timeout=10".format(*address, binding.name)


def asked(*exchanges: str) -> list[str]:
    return [word for exchange in exchanges for word in ("--exchange", exchange)]


@pytest.mark.parametrize("binding", [one for one in BINDINGS.values() if one.record_format], ids=lambda one: one.name)
def test_a_whole_bring_up_is_printed_and_captured(
    binding: Binding, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tapped.pcapng"
    with served(binding) as server:
        uri = uri_of(server.address, binding)
        code = main(["spdm", uri, "--ver", "1.2", *asked(*BRING_UP, "psk-session", "end-session"), "--pcap", str(path)])
    printed = capsys.readouterr()
    assert (code, printed.err) == (ExitCode.DONE, "")
    for told in ("AES_256_GCM", "KEY_EXCHANGE_RSP signature: holds", "after=RUN", "FREEFORM_MANIFEST"):
        assert told in printed.out
    records = list(open_capture(path))
    titles = {layer.title for record in records for layer in record.layers}
    assert {"KEY_PROG", "START_INTERFACE_RESPONSE", "PSK_FINISH_RSP", "KEY_UPDATE_ACK"} <= titles
    assert not [record for record in records if record.problems]


def test_json_is_one_object_for_each_thing_learnt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with served(MCTP) as server:
        endpoint = server.responder
        assert isinstance(endpoint, Endpoint)
        root = tmp_path / "root.der"
        root.write_bytes(endpoint.spdm.config.slots[0].certificates[0])
        code = main(
            ["spdm", uri_of(server.address, MCTP), "--json", "--root", str(root), "--at", "2026-06-01T00:00:00"]
        )
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code is ExitCode.DONE
    assert [line["event"] for line in lines if line["event"] != "Checked"] == [
        *("VersionsReceived", "Connected", "DigestsRead", "CertificateRead", "Authenticated", "Measured"),
    ]
    connected = lines[1]["negotiated"]
    assert (connected["version"], connected["responder signature"]) == ("1.4", "ECDSA_P384 (96 bytes)")
    assert lines[-1]["measurements"]["number_of_blocks"] == 7


def test_no_key_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with served(MCTP) as server:
        given = ["--psk", "TestPskHint\\0=5465737450736b4461746100", "--json"]
        main(["spdm", uri_of(server.address, MCTP), *given, *asked("psk-session", "ide-km", "tdisp", "end-session")])
    printed = capsys.readouterr()
    assert "SessionEstablished" in printed.out
    assert not re.search("546573745073", printed.out + printed.err)


def test_what_is_negotiated_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    with served(MCTP) as server:
        chosen = ["--ver", "1.1", "--hash", "SHA_256", "--dhe", "FFDHE_2048", "--aead", "CHACHA20_POLY1305"]
        code = main(["spdm", uri_of(server.address, MCTP), *chosen, "--no-cap", "KEY_UPD", *asked("session")])
    out = capsys.readouterr().out
    assert code is ExitCode.DONE
    assert all(one in out for one in ("1.1", "SHA_256 ", "FFDHE_2048", "CHACHA20_POLY1305"))
    assert "KEY_UPD_CAP" not in re.search("requester capabilities.*", out)[0]  # type: ignore[index]  # it is there


def test_a_refusal_and_a_failed_check_end_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with served(MCTP) as server:
        uri = uri_of(server.address, MCTP)
        assert main(["spdm", uri, "--slot", "5"]) is ExitCode.REFUSED
        assert main(["spdm", uri, "--at", "1999-01-01T00:00:00"]) is ExitCode.REFUSED
        assert main(["spdm", uri, *asked("tdisp")]) is ExitCode.REFUSED
        assert main(["spdm", uri, "--asym", "RSASSA_2048"]) is ExitCode.REFUSED
    assert "INVALID_REQUEST" in capsys.readouterr().err


def test_nobody_there_ends_with_4(capsys: pytest.CaptureFixture[str]) -> None:
    with served(MCTP) as server:
        uri = uri_of(server.address, MCTP)
    assert main(["spdm", uri]) is ExitCode.UNAVAILABLE
    assert "is a responder listening there?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--ver", "2.0"], ["--hash", "MD5"], ["--exchange", "coffee"], ["--psk", "x=zz"], ["--at", "noon"]]
)
def test_bad_arguments_end_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["spdm", "socket://localhost", *words])
    assert caught.value.code == ExitCode.USAGE
    assert "zz" not in capsys.readouterr().err


def test_respond_serves_until_it_is_told_to_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "root.der"
    words = ["respond", "--listen", "127.0.0.1:0", "--transport", "mctp", "--ver", "1.2", "--no-mutual-auth"]
    words += ["--asym", "ECDSA_P256", "--slots", "3", "--stop-when-told", "--root-out", str(root)]
    with subprocess.Popen([sys.executable, "-m", "pytio", *words], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = re.search(r"serving mctp on 127\.0\.0\.1:(\d+)", process.stderr.readline())
        assert said is not None
        uri = uri_of(("127.0.0.1", int(said[1])), MCTP)
        assert main(["spdm", uri, "--root", str(root), "--slot", "2"]) is ExitCode.REFUSED  # another root
        assert main(["spdm", uri, "--root", str(root), "--stop-peer", *asked("challenge")]) is ExitCode.DONE
        assert process.wait(timeout=20) == ExitCode.DONE
    assert "ECDSA_P256" in capsys.readouterr().out


def test_respond_asks_who_the_requester_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["respond", "--listen", "127.0.0.1:0", "--transport", "mctp", "--stop-when-told"]
    with subprocess.Popen([sys.executable, "-m", "pytio", *words], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = re.search(r":(\d+)", process.stderr.readline())
        assert said is not None
        uri = uri_of(("127.0.0.1", int(said[1])), MCTP)
        code = main(["spdm", uri, "--ver", "1.2", "--cap", "MUT_AUTH", "--stop-peer", *asked("challenge", "session")])
        assert process.wait(timeout=20) == ExitCode.DONE
    printed = capsys.readouterr()
    assert (code, printed.err) == (ExitCode.DONE, "")
    assert "is_mutual=True" in printed.out
    assert "FINISH signature: made" in printed.out


def test_every_exchange_has_a_place_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["spdm", "--help"])
    out = "".join(capsys.readouterr().out.split())  # which is wrapped, within names, too
    assert all(name in out for name in EXCHANGES)
