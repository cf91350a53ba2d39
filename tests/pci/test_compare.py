"""What differs between two configuration spaces, by register and field; and the same as text for people."""

from __future__ import annotations

from pytio.ids import Bdf
from pytio.pci import compare, decode, function_text
from pytio.pci.capabilities.power_management import PmControlStatus
from pytio.pci.codes import PowerState
from tests.pci.corpus import ENDPOINT, placed, space
from tests.pci.test_dump import DOE, EXPRESS, IDE, PLAIN, POWER, patched


def lines(left: bytes, right: bytes) -> list[str]:
    return [str(difference) for difference in compare(decode(left), decode(right))]


def test_the_same_is_no_difference() -> None:
    assert lines(PLAIN, PLAIN) == []


def test_fields_have_their_names() -> None:
    sleeping = POWER.replace(control_status=PmControlStatus(power_state=PowerState.D3_HOT))
    other = space(ENDPOINT, [placed(sleeping), placed(EXPRESS), placed(DOE), placed(IDE)])
    assert lines(PLAIN, other) == ["POWER_MANAGEMENT[40] control_status.power_state: D0 -> D3_HOT"]
    assert lines(PLAIN, patched(PLAIN, 4, b"\x06")) == [
        "HEADER[0] command.memory_space_enable: 0 -> 1",
        "HEADER[0] command.bus_master_enable: 0 -> 1",
    ]
    off = patched(PLAIN, 0x118 + 0x10, b"\x00")
    assert lines(PLAIN, off) == ["INTEGRITY_DATA_ENCRYPTION[118] registers.selective_streams[0].control.enable: 1 -> 0"]


def test_structures_come_and_go() -> None:
    without = space(ENDPOINT, [placed(POWER), placed(EXPRESS), placed(DOE)])
    assert lines(without, PLAIN)[-1] == "INTEGRITY_DATA_ENCRYPTION[118]: absent -> present"
    assert lines(PLAIN, without)[-1] == "INTEGRITY_DATA_ENCRYPTION[118]: present -> absent"
    twice = space(ENDPOINT, [placed(POWER), placed(EXPRESS), placed(DOE), placed(DOE)])
    assert lines(without, twice)[-1] == "DATA_OBJECT_EXCHANGE 2[118]: absent -> present"


def test_bytes_between_structures_count() -> None:
    assert lines(PLAIN, patched(PLAIN, 0xA1, b"\x07")) == ["REST 0xa1[a1]: absent -> present"]


def test_text_shows_what_is_set_and_what_is_wrong() -> None:
    text = function_text(Bdf(bus=0xE1), decode(patched(PLAIN, 0x49, b"\x48")))
    assert text.startswith("0000:e1:00.0 1022:14a0 class 120000, 4096 bytes\n  [000] TYPE0_HEADER\n")
    assert "      device_capabilities: tee_io_supported\n" in text
    assert "          status: state=SECURE\n" in text
    assert text.endswith("  problem at 049: the list loops back to 0x48\n\n")


def test_verbose_text_shows_every_field() -> None:
    text = function_text(Bdf(bus=0xE1), decode(patched(PLAIN, 0xA1, b"\x07")), verbose=True)
    assert "0006 [14]       tee_io_supported" in text
    assert "  [0a1] 07\n" in text
