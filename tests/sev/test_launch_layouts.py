"""Commands of a guest's launch: sizes as the kernel's ``psp-sev.h`` has them, golden buffers, the measured page."""

from __future__ import annotations

import pytest

from pytio.sev import commands
from pytio.sev.tio_codes import GuestState, LaunchPageType, Revision, SevCommand
from pytio.wire import WireStruct
from tests.checks import check_wire

GOLDEN: list[tuple[WireStruct, str]] = [
    (commands.SnpGctxCreate(gctx_paddr=0x200000), "0000200000000000"),
    (commands.SnpDecommission(gctx_paddr=0x200000), "0000200000000000"),
    (commands.SnpActivate(gctx_paddr=0x200000, asid=5), "0000200000000000 05000000"),
    (commands.SnpGuestStatusCommand(gctx_paddr=0x200000, status_paddr=0x201000), "0000200000000000 0010200000000000"),
    (
        commands.GuestStatus(policy=0x30000, asid=5, state=GuestState.RUNNING),
        "0000030000000000 05000000 02" + "00" * 19,
    ),
    (
        commands.SnpLaunchStart(gctx_paddr=0x200000, policy=0x30000, imi_en=True, desired_tsc_khz=2_000_000),
        "0000200000000000 0000030000000000 0000000000000000 02000000 80841e00" + "00" * 16,
    ),
    (
        commands.SnpLaunchUpdate(
            gctx_paddr=0x200000,
            page_type=LaunchPageType.SECRETS,
            page_paddr=0x300000,
            vmpl1_perms=1,
            vmpl2_perms=2,
            vmpl3_perms=3,
        ),
        "0000200000000000 0a000000 00000000 0000300000000000 00010203 00000000",
    ),
    (
        commands.SnpLaunchFinish(gctx_paddr=0x200000, vcek_disabled=True, host_data=b"\x11" * 32),
        "0000200000000000 0000000000000000 0000000000000000 0400000000000000" + "11" * 32,
    ),
    (
        commands.SnpGuestRequest(gctx_paddr=0x200000, req_paddr=0x301000, res_paddr=0x302000),
        "0000200000000000 0010300000000000 0020300000000000",
    ),
    (commands.SnpPageSetState(list_paddr=0x201000), "10000000 00000000 0010200000000000"),
    (
        commands.PageInfo(digest_current=bytes(48), page_type=LaunchPageType.VMSA, vmpl3_perms=3, gpa=0xFFFF_FFFF_F000),
        "00" * 96 + "7000 02 00 03 00 00 00 00f0ffffffff0000",
    ),
]


@pytest.mark.parametrize(("message", "raw"), GOLDEN, ids=lambda one: type(one).__name__)
def test_golden(message: WireStruct, raw: str) -> None:
    check_wire(type(message), bytes.fromhex(raw), message)


def test_every_command_of_a_launch_is_in_the_table_of_every_revision() -> None:
    launch = [command for command in SevCommand if "LAUNCH" in command.name]
    for revision in Revision:
        assert set(launch) <= set(commands.COMMANDS[revision])
