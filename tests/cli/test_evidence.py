"""``pytio evidence``: what it takes out of a capture, what it says of it, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pytio.backends.bindings import MCTP, PCI_DOE, Binding
from pytio.capture import open_capture
from pytio.cli import main
from pytio.evidence import Evidence
from pytio.mock import Endpoint
from tests.capture.recorded import path, secrets
from tests.cli.test_decode import damaged
from tests.hosts.serving import served

NAME: Final = "s03-mctp11-p256-aes128"
AT: Final = ["--at", "2026-11-25T12:00Z"]


def given() -> list[str]:
    """Return the options that open the capture."""
    known = secrets(NAME)
    return [
        *(word for secret in known["psk"] for word in ("--psk", secret.hex())),
        *(word for secret in known["dhe_secret"] for word in ("--dhe-secret", secret.hex())),
    ]


@pytest.fixture
def got(tmp_path: Path) -> Path:
    """Get the evidence of a capture in every form, and the root that it shows as PEM; return the folder."""
    files = [word for name in ("transcript", "chain", "vca") for word in (f"--{name}", str(tmp_path / name))]
    assert main(["evidence", "get", str(path(NAME)), *given(), "-o", str(tmp_path / "evidence.json"), *files]) == 0
    root = Evidence.from_json((tmp_path / "evidence.json").read_text()).certificates[0]
    pem = x509.load_der_x509_certificate(root.der).public_bytes(Encoding.PEM)
    (tmp_path / "root.pem").write_bytes(b"a root\n" + pem)
    (tmp_path / "root.der").write_bytes(root.der)
    return tmp_path


def test_evidence_is_got_and_holds(got: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for root in ("root.pem", "root.der"):
        assert main(["evidence", "verify", str(got / "evidence.json"), "--root", str(got / root), *AT]) == 0
        out, err = capsys.readouterr()
        assert all(line.startswith("ok") for line in out.splitlines())
        assert "the measurements are signed by the leaf's key: ECDSA-P256 with SHA-256" in out
        assert err == "26 steps, 0 of them failed\n"


def test_a_transcript_is_judged_with_its_chain(got: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--chain", str(got / "chain"), "--vca", str(got / "vca")]
    command = ["evidence", "verify", str(got / "transcript"), "--root", str(got / "root.pem"), *AT]
    assert main([*command, *files, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    assert main([*command, *files[2:]]) == 1
    assert "FAILED  the certificate chain is there" in capsys.readouterr().out
    assert main(command) == 3
    assert "have to be given" in capsys.readouterr().err


def test_json_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evidence", "get", str(path(NAME)), *given()]) == 0
    last = Evidence.from_json(capsys.readouterr().out)
    assert main(["evidence", "get", str(path(NAME)), "--record", "2"]) == 1
    assert "no signed measurements in record 2" in capsys.readouterr().err
    first = last.exchanges[-1].source
    assert first is not None
    assert main(["evidence", "get", str(path(NAME)), *given(), "--record", str(first)]) == 0
    assert Evidence.from_json(capsys.readouterr().out) == last


def test_nothing_signed_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evidence", "get", str(path("s08-doe12-psk-only"))]) == 1
    out, err = capsys.readouterr()
    assert not out
    assert "no signed measurements" in err


@pytest.mark.parametrize(
    ("options", "failed"),
    [
        (["--nonce", "00" * 32], "the nonce is the one that the verifier chose"),
        (["--expect", "1=" + "00" * 32], "measurement 1 has its reference value"),
        (["--at", "2040-01-01"], "the time is within the certificate's validity"),
    ],
)
def test_what_does_not_hold_ends_with_1(
    got: Path, capsys: pytest.CaptureFixture[str], options: list[str], failed: str
) -> None:
    command = ["evidence", "verify", str(got / "evidence.json"), "--root", str(got / "root.pem"), *AT, *options]
    assert main(command) == 1
    assert any(line.startswith("FAILED") and failed in line for line in capsys.readouterr().out.splitlines())
    assert main([*command, "--json"]) == 1
    plain = json.loads(capsys.readouterr().out)
    assert not plain["ok"]
    assert {step["section"] for step in plain["steps"] if not step["ok"]}


def test_an_alias_chain_may_be_asked_for(got: Path) -> None:
    command = ["evidence", "verify", str(got / "evidence.json"), "--root", str(got / "root.pem"), *AT]
    assert main([*command, "--model", "generic"]) == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--root", "no such file"),
        ("--root", __file__),
        ("--at", "noon"),
        ("--nonce", "xyz"),
        ("--expect", "1"),
        ("--chain", "no such file"),
        ("--model", "paper"),
    ],
)
def test_wrong_usage_ends_with_2(got: Path, option: str, value: str) -> None:
    command = ["evidence", "verify", str(got / "evidence.json"), "--root", str(got / "root.pem"), option, value]
    with pytest.raises(SystemExit) as caught:
        main(command)
    assert caught.value.code == 2


def test_a_root_is_needed(got: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["evidence", "verify", str(got / "evidence.json")])
    assert caught.value.code == 2


def test_a_missing_file_ends_with_2(got: Path) -> None:
    assert main(["evidence", "verify", str(got / "nothing"), "--root", str(got / "root.pem")]) == 2


def test_what_is_no_evidence_ends_with_3(got: Path, tmp_path: Path) -> None:
    for text in (b"", b"{}", b"whatever this is", (got / "evidence.json").read_bytes()[:-20]):
        (tmp_path / "none").write_bytes(text)
        assert main(["evidence", "verify", str(tmp_path / "none"), "--root", str(got / "root.pem")]) == 3


def test_a_damaged_capture_still_gives_what_is_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evidence", "get", str(damaged(tmp_path / "damaged.pcap", 13, 60))]) == 1


@pytest.mark.parametrize("binding", [PCI_DOE, MCTP], ids=lambda one: one.name)
def test_a_responder_gives_evidence(binding: Binding, tmp_path: Path) -> None:
    written, root = tmp_path / "evidence.json", tmp_path / "root.der"
    with served(binding) as server:
        endpoint = server.responder
        assert isinstance(endpoint, Endpoint)
        root.write_bytes(endpoint.spdm.config.slots[0].certificates[0])
        uri = "socket://{}:{}?transport={}&timeout=10".format(*server.address, binding.name)
        assert main(["evidence", "get", uri, "-o", str(written)]) == 0
    assert Evidence.from_json(written.read_text()).sources == {"all": uri}
    assert main(["evidence", "verify", str(written), "--root", str(root), "--at", "2026-06-01"]) == 0


def test_a_responder_that_is_not_there_ends_with_4(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evidence", "get", "socket://127.0.0.1:1?transport=mctp"]) == 4
    assert capsys.readouterr().err


def test_a_slot_that_is_empty_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    with served(MCTP) as server:
        uri = "socket://{}:{}?transport=mctp&timeout=10".format(*server.address)
        assert main(["evidence", "get", uri, "--slot", "6"]) == 1
    assert "INVALID_REQUEST" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "1.3", "1.4"])
def test_what_the_engines_say_holds_for_a_listener(version: str, tmp_path: Path) -> None:
    """Requester, responder and the reader of a capture each put transcripts together; all of them agree."""
    path = tmp_path / "tapped.pcapng"
    sessions = ["session", "measurements", "end-session", "psk-session", "end-session"] if version > "1.0" else []
    with served(PCI_DOE) as server:
        uri = "socket://{}:{}?transport={}&timeout=10".format(*server.address, PCI_DOE.name)
        exchanges = ["digests", "certificate", "challenge", "measurements", *sessions]
        words = [word for exchange in exchanges for word in ("--exchange", exchange)]
        assert main(["spdm", uri, "--ver", version, *words, "--pcap", str(path)]) == 0
    checks = [check for record in open_capture(path, verify=True) for check in record.checks]
    assert all(check.ok for check in checks)
    seen = {check.check for check in checks}
    assert {"CHALLENGE_AUTH signature", "MEASUREMENTS signature"} <= seen
    if sessions:
        assert {"KEY_EXCHANGE_RSP signature", "PSK_EXCHANGE_RSP ResponderVerifyData"} <= seen
        assert {"FINISH RequesterVerifyData", "PSK_FINISH RequesterVerifyData"} <= seen
