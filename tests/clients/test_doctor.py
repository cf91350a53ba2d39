"""The doctor's causes, one by one: a machine where all is well, and what each fault adds to it, in order."""

from __future__ import annotations

import attrs
import pytest

from pytio.clients.causes import CAUSES, Finding, Severity
from pytio.clients.doctor import Facts, FunctionFacts, diagnose
from pytio.ids import Bdf
from tests.fakes.ports import Port

DEVICE = Bdf.parse("0000:e1:00.0")
PORT = Bdf.parse("0000:e0:01.1")
STATUS_LINE = "ccp 0000:22:00.5: SEV-TIO status: EN={} INIT_DONE={} rq=32..64\n"


def ports() -> tuple[Port, Port]:
    device = Port(0x1234, 0xD0E1, is_root_port=False, with_mailbox=True)
    port = Port(0x1022, 0x14AB, is_root_port=True)
    for one in (device, port):
        one.write(one.control, b"\x01\0\0\0")
    return device, port


def well(device: Port | None = None, port: Port | None = None, **changes: object) -> Facts:
    """Return a machine where all is well, but for what is given."""
    good_device, good_port = ports()
    functions = (
        FunctionFacts(
            DEVICE,
            bytes((device or good_device).function.space),
            root_port=PORT,
            has_tsm_files=True,
            connected_to="tsm0",
            doe_features=("0001:00", "0001:01", "0001:02"),
            streams_left=3,
            power_state="D0",
        ),
        FunctionFacts(PORT, bytes((port or good_port).function.space), has_tsm_files=False, streams_left=3),
    )
    facts = Facts(
        functions,
        tsms=("tsm0",),
        has_tsm_class=True,
        is_locked_down=False,
        snp_parameter="Y",
        log=STATUS_LINE.format(1, 1),
    )
    return attrs.evolve(facts, **changes)  # type: ignore[arg-type]  # what a test names


def with_device(**changes: object) -> Facts:
    facts = well()
    return attrs.evolve(facts, functions=(attrs.evolve(facts.functions[0], **changes), facts.functions[1]))  # type: ignore[arg-type]


def poked(offset: int, value: int, *, at_port: bool = False) -> Facts:
    device, port = ports()
    (port if at_port else device).function.space.poke(offset, 4, value)
    return well(device, port)


def without(capability_id: int, *, at_port: bool = False) -> Facts:
    """Return a machine where an extended capability has another id, that of a vendor's own."""
    device, port = ports()
    space = (port if at_port else device).function.space
    offset = {0x2E: device.doe, 0x30: port.ide if at_port else device.ide}[capability_id]
    space.poke(offset, 2, 0x0B)
    return well(device, port)


def names(facts: Facts) -> list[str]:
    return [finding.cause.name for finding in diagnose(facts)]


GOOD = ports()
IDE = GOOD[0].ide
EXPRESS = GOOD[0].function.pci_express

FAULTS: dict[str, Facts] = {
    "privilege": attrs.evolve(
        well(), functions=tuple(attrs.evolve(one, config=one.config[:64]) for one in well().functions)
    ),
    "no-candidate": well(wanted=(), functions=(well().functions[1],)),
    "gone": with_device(config=b"\xff" * 4 + well().functions[0].config[4:]),
    "snp-off": well(snp_parameter="N"),
    "tio-off": well(log=STATUS_LINE.format(0, 0)),
    "tio-not-initialized": well(log=STATUS_LINE.format(1, 0)),
    "psp-dead": well(log="ccp 0000:22:00.5: sev command 0xd1 timed out, disabling PSP\n"),
    "no-tsm": well(tsms=()),
    "tee-io": poked(EXPRESS + 4, 0x8000),
    "power": with_device(power_state="D3hot"),
    "no-doe": without(0x2E),
    "doe-features": with_device(doe_features=("0001:00", "0001:01")),
    "doe-error": poked(GOOD[0].doe + 0x0C, 4),
    "no-ide": without(0x30),
    "ide-selective": poked(IDE + 4, 0x0100_00C0),
    "ide-km": poked(IDE + 4, 0x0100_0082),
    "ide-tee-limited": poked(IDE + 4, 0x0000_00C2),
    "no-root-port": with_device(root_port=None),
    "root-port-ide": without(0x30, at_port=True),
    "no-streams": with_device(streams_left=0, connected_to=None),
    "not-taken": with_device(has_tsm_files=False, connected_to=None),
    "not-connected": with_device(connected_to=None),
    "insecure": poked(GOOD[1].status, 0, at_port=True),
    "integrity-fail": poked(GOOD[0].status, 0x8000_0002),
    "lockdown": well(is_locked_down=True),
}


def test_where_all_is_well_nothing_is_said() -> None:
    assert diagnose(well()) == ()


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found(name: str) -> None:
    found = diagnose(FAULTS[name])
    assert name in [finding.cause.name for finding in found]
    for finding in found:
        assert finding.cause.next_step in str(finding)
        assert finding.to_dict()["cause"] in CAUSES


@pytest.mark.parametrize("name", sorted(set(FAULTS) - {"no-streams", "gone", "no-candidate", "privilege"}))
def test_a_fault_alone_is_one_finding(name: str) -> None:
    assert names(FAULTS[name]) == [name]


def test_every_cause_can_be_found() -> None:
    others = {"conventional", "kernel", "not-function-0", "aer-ide"}
    assert set(CAUSES) - set(FAULTS) == others


def test_who_sees_64_bytes_is_told_so_and_nothing_else() -> None:
    assert names(FAULTS["privilege"]) == ["privilege"]
    [finding] = diagnose(FAULTS["privilege"])
    assert finding.cause.severity is Severity.BLOCKS
    assert "64 bytes" in str(finding)


def test_conventional_space_only() -> None:
    facts = attrs.evolve(
        well(), functions=tuple(attrs.evolve(one, config=one.config[:256]) for one in well().functions)
    )
    assert names(facts)[0] == "conventional"


def test_an_old_kernel() -> None:
    facts = with_device(has_tsm_files=False, connected_to=None)
    assert names(attrs.evolve(facts, has_tsm_class=False, tsms=())) == ["kernel"]


def test_an_rfc_kernel_has_no_class() -> None:
    assert names(well(has_tsm_class=False, tsms=())) == []


def test_another_function_was_asked_for() -> None:
    facts = attrs.evolve(well(), wanted=(PORT,))
    assert "tee-io" in names(facts)
    second = Bdf.parse("0000:e1:00.1")
    moved = attrs.evolve(well().functions[0], bdf=second)
    assert names(well(functions=(moved, well().functions[1]), wanted=(second,))) == ["not-function-0"]


def test_aer_of_an_ide_error() -> None:
    device, port = ports()
    at = device.function.add_extended_capability(0x01, bytes(68))
    device.function.space.poke(at + 4, 4, 1 << 28)
    [finding] = diagnose(well(device, port))
    assert (finding.cause.name, finding.bit) == ("aer-ide", "ide_check_failed")


def test_a_finding_names_register_bit_value_and_what_was_expected() -> None:
    [finding] = diagnose(FAULTS["ide-km"])
    assert finding == Finding(CAUSES["ide-km"], str(DEVICE), f"IDE Capability ({IDE + 4:03x}h)", "bit 6", "0", "1")
    assert "bit 6: 0, expected 1" in str(finding)


def test_causes_come_in_the_order_of_the_catalogue() -> None:
    facts = attrs.evolve(FAULTS["ide-km"], tsms=(), is_locked_down=True, snp_parameter="N")
    assert names(facts) == ["snp-off", "no-tsm", "ide-km", "lockdown"]
