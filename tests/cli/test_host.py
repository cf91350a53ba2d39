"""``pytio tsm`` and ``pytio doe`` on a live tree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytio.cli import ExitCode, main
from pytio.ids import Bdf
from pytio.pci import format_dump
from tests.fakes.fixtures import platform as platform
from tests.fakes.platform import DEVICE, FAR_DEVICE, ROOT_PORT, Platform


def test_connect_status_and_disconnect(platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tsm", "connect", DEVICE, "--root", str(tmp_path)]) == ExitCode.DONE
    assert capsys.readouterr().out == (
        f"{DEVICE} connected to tsm0\n"
        "  authenticated by tsm0\n"
        "  link stream0.0.0\n"
        f"  {DEVICE} selective[0] stream 0: secure\n"
        "  0000:e0:01.1 selective[0] stream 0: secure\n"
    )
    assert main(["tsm", "status", DEVICE, "--root", str(tmp_path), "--json"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["problems"] == []
    assert main(["tsm", "connect", DEVICE, "--root", str(tmp_path)]) == ExitCode.REFUSED
    assert "disconnect it first" in capsys.readouterr().err
    assert main(["tsm", "disconnect", DEVICE, "--root", str(tmp_path)]) == ExitCode.DONE
    assert "not connected" in capsys.readouterr().out


def test_a_lie_is_exit_status_1(platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    platform.lies.add("device")
    assert main(["tsm", "connect", DEVICE, "--root", str(tmp_path)]) == ExitCode.REFUSED
    assert "state=0" in capsys.readouterr().err


def test_what_is_missing_is_exit_status_4(
    platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tsm", "connect", FAR_DEVICE, "--root", str(tmp_path)]) == ExitCode.UNAVAILABLE
    assert main(["tsm", "status", "0000:99:00.0", "--root", str(tmp_path)]) == ExitCode.UNAVAILABLE
    assert main(["doe", "discover", "0000:99:00.0", "--root", str(tmp_path)]) == ExitCode.UNAVAILABLE
    capsys.readouterr()


def test_discover(platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doe", "discover", DEVICE, "--root", str(tmp_path)]) == ExitCode.DONE
    assert capsys.readouterr().out == (
        f"{DEVICE} DOE at 0x100\n"
        "  0001:00  PCI_SIG DISCOVERY\n"
        "  0001:01  PCI_SIG CMA_SPDM\n"
        "  0001:02  PCI_SIG SECURED_CMA_SPDM\n"
    )
    assert main(["doe", "discover", DEVICE, "--root", str(tmp_path), "--json"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["features"][1] == {"vendor_id": 1, "data_object_type": 1}
    assert main(["doe", "discover", FAR_DEVICE, "--root", str(tmp_path)]) == ExitCode.DONE
    assert "has no DOE mailbox" in capsys.readouterr().err


def test_a_mailbox_in_use(platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    platform.connect_device("tsm0")
    assert main(["doe", "discover", DEVICE, "--root", str(tmp_path)]) == ExitCode.UNAVAILABLE
    assert "force this" in capsys.readouterr().err
    assert main(["doe", "discover", DEVICE, "--root", str(tmp_path), "--force"]) == ExitCode.DONE


def test_a_mailbox_that_fails(platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert platform.device.mailbox is not None
    platform.device.mailbox.is_deferred = True
    assert main(["doe", "discover", DEVICE, "--root", str(tmp_path)]) == ExitCode.REFUSED
    assert "NO_RESPONSE" in capsys.readouterr().err


def test_no_address_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["tsm", "connect", "nowhere"])
    capsys.readouterr()


class TestDoctor:
    def test_a_live_host(self, platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        main(["tsm", "connect", DEVICE, "--root", str(tmp_path)])
        capsys.readouterr()
        assert main(["doctor", DEVICE, "--root", str(tmp_path)]) == ExitCode.DONE
        assert "nothing stands in the way" in capsys.readouterr().err
        platform.disconnect_device()
        assert main(["doctor", DEVICE, "--root", str(tmp_path), "--json"]) == ExitCode.REFUSED
        assert json.loads(capsys.readouterr().out)["cause"] == "not-connected"

    def test_a_dump_and_a_log(self, platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        root_port = platform.port.function.space
        root_port.poke(0x18, 4, 0x00E1_E100)
        platform.connect_device("tsm0")
        dump, log = tmp_path.parent / "lspci.txt", tmp_path.parent / "dmesg.txt"
        dump.write_text(
            format_dump(Bdf.parse(ROOT_PORT), bytes(root_port))
            + format_dump(Bdf.parse(DEVICE), bytes(platform.device.function.space))
        )
        assert main(["doctor", "--dump", str(dump)]) == ExitCode.DONE
        log.write_text("ccp 0000:22:00.5: SEV-TIO status: EN=0 INIT_DONE=0\n")
        assert main(["doctor", "--dump", str(dump), "--dmesg", str(log)]) == ExitCode.REFUSED
        assert "SEV-TIO status EN: 0, expected 1" in capsys.readouterr().out

    def test_no_such_device(self, platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["doctor", "0000:99:00.0", "--root", str(tmp_path)]) == ExitCode.UNAVAILABLE
        capsys.readouterr()


def test_spdm_through_a_mailbox(platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert platform.device.endpoint is not None
    root = tmp_path.parent / "root.der"
    root.write_bytes(platform.device.endpoint.spdm.config.slots[0].certificates[0])
    uri = f"doe:{DEVICE}?root={tmp_path}"
    assert main(["spdm", uri, "--root", str(root)]) == ExitCode.DONE
    assert "ECDSA" in capsys.readouterr().out


def test_spdm_through_the_mailbox_of_a_tree(
    platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["spdm", DEVICE, "--root", str(tmp_path), "--exchange", "challenge"]) == ExitCode.DONE
    assert "CHALLENGE_AUTH signature: holds" in capsys.readouterr().out
    platform.connect_device("tsm0")
    assert main(["spdm", DEVICE, "--root", str(tmp_path)]) == ExitCode.UNAVAILABLE
    assert "force this" in capsys.readouterr().err
