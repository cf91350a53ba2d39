"""``pytio ide explain-key``: one key in every order, from every order."""

from __future__ import annotations

import io
import json

import pytest

from pytio.cli import ExitCode, main

AES = "df254152056e02e0ef8b7feb9739d4d96a4eb80103241df7cd5e24b49ccd2720"
WIRE = "524125dfe0026e05eb7f8befd9d4399701b84e6af71d2403b4245ecd2027cd9c"
REGISTERS = "9ccd2720cd5e24b403241df76a4eb8019739d4d9ef8b7feb056e02e0df254152"


@pytest.mark.parametrize(("form", "key"), [("aes", AES), ("wire", WIRE), ("registers", REGISTERS)])
def test_every_form_is_the_same_key(form: str, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["ide", "explain-key", key, "--form", form, "--slot", "k1/tx/cpl", "--stream", "0xbc", "--json"]
    assert main(command) == ExitCode.DONE
    said = json.loads(capsys.readouterr().out)
    assert said["aes_key"] == AES
    assert said["key_prog_key"] == WIRE
    assert "".join(said["registers"].values()) == REGISTERS + "0000000100000000"
    assert next(iter(said["specification"])) == "Key_DW7"
    assert "".join(said["specification"].values()) == AES
    assert said["key_prog"] == "020000bc002300" + WIRE + "0000000001000000"
    assert said["first_iv"] == "200000000000000000000001"


def test_the_key_may_come_from_stdin(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{AES}\n"))
    assert main(["ide", "explain-key"]) == ExitCode.DONE
    text = capsys.readouterr().out
    assert "K0/RX/PR" in text
    assert "  Key_Slot_DW0  9ccd2720" in text


@pytest.mark.parametrize("key", ["00", AES + "00", "no key"])
def test_what_is_no_key_is_not_shown(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ide", "explain-key", key]) == ExitCode.USAGE
    assert capsys.readouterr().err == "pytio ide: a key is 32 bytes, in hex\n"


@pytest.mark.parametrize(
    "option", [["--slot", "K2/RX/PR"], ["--slot", "K0/RX"], ["--stream", "256"], ["--ifv", "0x10000000000000000"]]
)
def test_options_that_cannot_be(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["ide", "explain-key", AES, *option])
    assert caught.value.code == ExitCode.USAGE
    assert option[0] in capsys.readouterr().err
