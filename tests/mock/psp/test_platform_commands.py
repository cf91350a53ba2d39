"""The registers, the platform's commands, a guest's launch, and pages that come back."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from pytio.mock.platform import RmpViolation
from pytio.mock.psp import Psp, PspConfig, PspRegister
from pytio.sev.codes import SevStatus
from pytio.sev.commands import GuestStatus, PageInfo, PageRange, PageRangeList, SnpPageReclaim
from pytio.sev.guest_envelope import SecretsPage
from pytio.sev.host_ioctl import SnpPlatformStatus
from pytio.sev.registers import CommandRegister, ResponseRegister
from pytio.sev.rmp import PageState, RmpEntry
from pytio.sev.structures import FeatureInfo, TioPlatformStatus, TioPlatformStatusR1
from pytio.sev.tio_codes import PAGE_BYTES, GuestState, LaunchPageType, Revision, SevCommand, TioStatusFlags
from tests.mock.psp.bench import ASID, FIRMWARE_PAGE, Bench

REVISIONS = pytest.mark.parametrize("revision", list(Revision))


def test_a_write_to_the_command_register_runs_the_command() -> None:
    bench = Bench()
    bench.host.write(
        bench.command_page, bench.lay_out(SevCommand.SNP_PLATFORM_STATUS, status_paddr=bench.status_page).build()
    )
    psp = bench.psp
    psp.write(PspRegister.CMD_BUF_ADDR_LO, bench.command_page)
    psp.write(PspRegister.CMD_BUF_ADDR_HI, 0)
    for asks, pending in ((False, 0), (True, 2)):
        written = CommandRegister(command=SevCommand.SNP_PLATFORM_STATUS, interrupt_on_completion=asks)
        psp.write(PspRegister.CMD_RESP, int.from_bytes(written.build(), "little"))
        assert psp.read(PspRegister.CMD_RESP) == 0x8000_0000
        assert psp.read(PspRegister.INT_STS) == pending
    psp.write(PspRegister.INT_STS, 2)
    assert psp.read(PspRegister.INT_STS) == 0
    psp.write(PspRegister.CMD_RESP, int.from_bytes(CommandRegister(command=SevCommand.TIO_INIT).build(), "little"))
    answer = ResponseRegister.parse(psp.read(PspRegister.CMD_RESP).to_bytes(4, "little"))
    assert answer.status is SevStatus.INVALID_LEN
    with pytest.raises(ValueError, match="does not fit"):
        psp.write(PspRegister.CMD_BUF_ADDR_HI, 1 << 32)


@REVISIONS
def test_platform_status_says_what_is_initialized(revision: Revision) -> None:
    bench = Bench(revision)
    for initialized in (False, True):
        bench.ok(bench.issue(SevCommand.SNP_PLATFORM_STATUS, status_paddr=bench.status_page))
        status = bench.status_of(SnpPlatformStatus)
        assert (status.state, status.tio_enabled) == (int(initialized), initialized)
        if not initialized:
            bench.init()
    bench.refuses(SevStatus.INVALID_PLATFORM_STATE, SevCommand.SNP_INIT_EX)


@REVISIONS
def test_feature_info_says_tio_where_the_revision_looks_for_it(revision: Revision) -> None:
    for supports in (True, False):
        bench = Bench(revision, config=PspConfig(supports_tio=supports))
        bench.ok(bench.issue(SevCommand.SNP_FEATURE_INFO, feature_info_paddr=bench.status_page))
        info = bench.status_of(FeatureInfo)
        assert (info.reserved_ebx_0, info.sev_tio) == (
            supports and revision is Revision.R1,
            supports and revision is not Revision.R1,
        )
        assert (
            bench.issue(SevCommand.SNP_FEATURE_INFO, ecx_in=1, feature_info_paddr=bench.status_page)
            is SevStatus.INVALID_PARAM
        )


@REVISIONS
def test_tio_status_has_sizes_once_tio_is_initialized(revision: Revision) -> None:
    bench = Bench(revision)
    cls = TioPlatformStatusR1 if revision in (Revision.R1, Revision.R2) else TioPlatformStatus
    bench.refuses(SevStatus.INVALID_PLATFORM_STATE, SevCommand.TIO_STATUS, status_paddr=bench.status_page)
    bench.ok(bench.issue(SevCommand.SNP_INIT_EX, tio_en=True))
    bench.ok(bench.issue(SevCommand.TIO_STATUS, status_paddr=bench.status_page))
    assert bench.status_of(cls) == cls(flags=TioStatusFlags.TIO_EN)
    bench.ok(bench.issue(SevCommand.TIO_INIT))
    bench.refuses(SevStatus.INVALID_PLATFORM_STATE, SevCommand.TIO_INIT)
    bench.ok(bench.issue(SevCommand.TIO_STATUS, status_paddr=bench.status_page))
    status = bench.status_of(cls)
    assert status.flags == TioStatusFlags.TIO_EN | TioStatusFlags.TIO_INIT_DONE
    assert (status.spdm_req_size_min, status.spdm_req_size_max, status.devctx_size) == (4096, 8192, 4096)
    assert (status.spdm_out_size_max, status.spdm_scratch_size_max) == (65536, 16384)


def test_tio_has_to_be_enabled_and_built_in() -> None:
    bench = Bench()
    bench.init(tio=False)
    bench.refuses(SevStatus.INVALID_PLATFORM_STATE, SevCommand.TIO_INIT)
    bench.ok(bench.issue(SevCommand.TIO_STATUS, status_paddr=bench.status_page))
    assert bench.status_of(TioPlatformStatus).flags == TioStatusFlags(0)
    without = Bench(config=PspConfig(supports_tio=False))
    without.refuses(SevStatus.UNSUPPORTED, SevCommand.SNP_INIT_EX, tio_en=True)
    without.init(tio=False)
    without.refuses(SevStatus.UNSUPPORTED, SevCommand.TIO_STATUS, status_paddr=without.status_page)


def test_pages_that_stay_the_hypervisors_are_read_from_a_list() -> None:
    bench = Bench()
    page = bench.host.allocate(1)
    bench.host.write(page, PageRangeList(ranges=(PageRange(base=1 << 20, page_count=512),)).build())
    bench.refuses(SevStatus.INVALID_ADDRESS, SevCommand.SNP_INIT_EX, list_paddr_en=True, list_paddr=page + 4)
    bench.host.write(page, b"\xff\xff")
    bench.refuses(SevStatus.INVALID_ADDRESS, SevCommand.SNP_INIT_EX, list_paddr_en=True, list_paddr=page)
    bench.host.write(page, PageRangeList(ranges=(PageRange(base=1 << 20, page_count=512),)).build())
    bench.ok(bench.issue(SevCommand.SNP_INIT_EX, list_paddr_en=True, list_paddr=page))


def test_shutdown_forgets_everything() -> None:
    bench = Bench()
    context, _ = bench.connected()
    bench.enable()
    gctx, tdi = bench.guest(), bench.create_tdi(context)
    bench.ok(bench.issue(SevCommand.SNP_SHUTDOWN_EX))
    assert not bench.are_secure()
    for page in (context.paddr, tdi.paddr, gctx):
        assert bench.platform.rmp.state(page) is PageState.FIRMWARE
    assert not bench.psp.guests
    assert not bench.psp.devices
    assert not bench.platform.asids.active
    assert (
        bench.issue(SevCommand.TIO_DEV_STATUS, dev_ctx_sla=context, status_paddr=bench.status_page)
        is SevStatus.INVALID_PLATFORM_STATE
    )
    bench.init()
    assert (
        bench.issue(SevCommand.TIO_DEV_STATUS, dev_ctx_sla=context, status_paddr=bench.status_page)
        is SevStatus.INVALID_DEV_CTX
    )


# pages


def test_reclaim_gives_pages_back_that_nobody_uses() -> None:
    bench = Bench()
    page = bench.page(firmware=True)
    bench.refuses(SevStatus.INVALID_PLATFORM_STATE, SevCommand.SNP_PAGE_RECLAIM, pfn=page // PAGE_BYTES)
    bench.init()
    bench.ok(bench.issue(SevCommand.SNP_PAGE_RECLAIM, pfn=page // PAGE_BYTES))
    assert bench.platform.rmp.state(page) is PageState.RECLAIM
    bench.host.rmp_update(page, RmpEntry())
    bench.refuses(SevStatus.INVALID_PAGE_STATE, SevCommand.SNP_PAGE_RECLAIM, pfn=page // PAGE_BYTES)
    bench.refuses(SevStatus.INVALID_ADDRESS, SevCommand.SNP_PAGE_RECLAIM, pfn=1, is_2mib=True)
    bench.refuses(SevStatus.INVALID_PAGE_SIZE, SevCommand.SNP_PAGE_RECLAIM, pfn=512, is_2mib=True)
    bench.refuses(SevStatus.INVALID_PARAM, SevCommand.SNP_PAGE_RECLAIM, SnpPageReclaim(pfn=1, reserved=1))


def test_a_large_page_is_reclaimed_as_one() -> None:
    bench = Bench()
    bench.init()
    paddr = bench.host.allocate(512, alignment=1 << 21)
    bench.host.rmp_update(paddr, FIRMWARE_PAGE.replace(pagesize=1))
    bench.refuses(SevStatus.INVALID_PAGE_SIZE, SevCommand.SNP_PAGE_RECLAIM, pfn=paddr // PAGE_BYTES)
    bench.ok(bench.issue(SevCommand.SNP_PAGE_RECLAIM, pfn=paddr // PAGE_BYTES, is_2mib=True))
    assert bench.platform.rmp.state(paddr + PAGE_BYTES) is PageState.RECLAIM


def test_pages_are_fixed_for_good() -> None:
    bench = Bench()
    bench.init()
    paddr, table = bench.host.allocate(3, alignment=1 << 21), bench.host.allocate(1)
    for page in (paddr, paddr + PAGE_BYTES):
        bench.host.rmp_update(page, FIRMWARE_PAGE)
    for base, count, status in (
        (paddr + PAGE_BYTES, 1, SevStatus.INVALID_ADDRESS),
        (paddr, 3, SevStatus.INVALID_PAGE_STATE),
        (paddr, 2, SevStatus.SUCCESS),
        (paddr, 2, SevStatus.INVALID_PAGE_STATE),
    ):
        bench.host.write(table, PageRangeList(ranges=(PageRange(base=base, page_count=count),)).build())
        bench.refuses(status, SevCommand.SNP_PAGE_SET_STATE, list_paddr=table)
    assert bench.platform.rmp.state(paddr) is PageState.HV_FIXED
    bench.host.write(paddr, b"the hypervisor writes it")
    with pytest.raises(RmpViolation):
        bench.host.rmp_update(paddr, FIRMWARE_PAGE)
    bench.refuses(SevStatus.INVALID_PAGE_STATE, SevCommand.SNP_PAGE_RECLAIM, pfn=paddr // PAGE_BYTES)


def test_a_context_is_not_reclaimed_while_it_is_one() -> None:
    bench = Bench()
    bench.init()
    context = bench.create()
    bench.refuses(SevStatus.INVALID_PAGE_STATE, SevCommand.SNP_PAGE_RECLAIM, pfn=context.pfn)
    bench.ok(bench.issue(SevCommand.TIO_DEV_RECLAIM, dev_ctx_sla=context))
    assert bench.host.read(context.paddr, PAGE_BYTES) == b"\x5a" * PAGE_BYTES
    bench.ok(bench.issue(SevCommand.SNP_PAGE_RECLAIM, pfn=context.pfn))


# a guest


def _launching(bench: Bench) -> int:
    bench.init(tio=False)
    gctx = bench.page(firmware=True)
    bench.ok(bench.issue(SevCommand.SNP_GCTX_CREATE, gctx_paddr=gctx))
    bench.ok(bench.issue(SevCommand.SNP_LAUNCH_START, gctx_paddr=gctx, policy=0x30000, gosvw=bytes(range(16))))
    return gctx


def _update(
    bench: Bench, gctx: int, content: bytes, kind: LaunchPageType, gpa: int, **more: Any
) -> tuple[SevStatus, int]:
    page = bench.host.allocate(1)
    bench.host.write(page, content.ljust(PAGE_BYTES, b"\0"))
    bench.host.rmp_update(page, RmpEntry(assigned=1, immutable=1, gpa=gpa, asid=more.pop("asid", ASID)))
    return bench.issue(SevCommand.SNP_LAUNCH_UPDATE, gctx_paddr=gctx, page_type=kind, page_paddr=page, **more), page


def test_a_launch_measures_and_encrypts_pages() -> None:
    bench = Bench()
    gctx = _launching(bench)
    assert _update(bench, gctx, b"", LaunchPageType.NORMAL, 0x1000)[0] is SevStatus.INACTIVE
    bench.ok(bench.issue(SevCommand.SNP_ACTIVATE, gctx_paddr=gctx, asid=ASID))
    expected = bytes(48)
    for kind, content, gpa in (
        (LaunchPageType.NORMAL, b"code", 0x1000),
        (LaunchPageType.ZERO, b"not zero", 0x2000),
        (LaunchPageType.UNMEASURED, b"whatever", 0x3000),
        (LaunchPageType.CPUID, b"cpuid", 0x4000),
        (LaunchPageType.VMSA, b"state", 0xFFFF_FFFF_F000),
    ):
        status, page = _update(bench, gctx, content, kind, gpa)
        bench.ok(status)
        plain = bytes(PAGE_BYTES) if kind is LaunchPageType.ZERO else content.ljust(PAGE_BYTES, b"\0")
        is_measured = kind in (LaunchPageType.NORMAL, LaunchPageType.VMSA)
        contents = hashlib.sha384(plain).digest() if is_measured else bytes(48)
        info = expected + contents + b"\x70\0" + bytes([kind]) + bytes(5) + gpa.to_bytes(8, "little")
        assert PageInfo.parse(info).gpa == gpa
        expected = hashlib.sha384(info).digest()
        assert bench.platform.rmp.state(page) is PageState.GUEST_VALID
        assert bench.platform.memory.read(page, PAGE_BYTES, ASID) == plain
        assert bench.host.read(page, 4) != plain[:4]
    assert bench.psp.guests[gctx].launch_digest == expected
    bench.ok(bench.issue(SevCommand.SNP_LAUNCH_FINISH, gctx_paddr=gctx))
    assert _update(bench, gctx, b"", LaunchPageType.NORMAL, 0x9000)[0] is SevStatus.INVALID_GUEST_STATE


def test_the_secrets_page_holds_the_guests_keys_and_nobody_else_sees_them() -> None:
    bench = Bench()
    gctx = _launching(bench)
    bench.ok(bench.issue(SevCommand.SNP_ACTIVATE, gctx_paddr=gctx, asid=ASID))
    status, page = _update(bench, gctx, b"", LaunchPageType.SECRETS, 0x5000)
    bench.ok(status)
    secrets, _ = SecretsPage.parse_prefix(bench.platform.memory.read(page, PAGE_BYTES, ASID))
    told = {key: secret.reveal() for kind, key, secret in bench.secrets if kind == "VMPCK"}
    assert told == {f"{gctx:x}/{number}": getattr(secrets, f"vmpck{number}") for number in range(4)}
    assert len(set(told.values())) == 4
    assert secrets.gosvw == bytes(range(16))
    assert secrets.vmpck0.hex() not in repr(bench.psp.guests[gctx]) + repr(bench.psp)
    assert secrets.vmpck0 not in bench.host.read(page, PAGE_BYTES)


def test_what_a_launch_update_refuses() -> None:
    bench = Bench()
    gctx = _launching(bench)
    bench.ok(bench.issue(SevCommand.SNP_ACTIVATE, gctx_paddr=gctx, asid=ASID))
    assert _update(bench, gctx, b"", LaunchPageType(7), 0x1000)[0] is SevStatus.INVALID_PARAM
    assert _update(bench, gctx, b"", LaunchPageType.NORMAL, 0x1000, is_2mib=True)[0] is SevStatus.INVALID_PARAM
    assert _update(bench, gctx, b"", LaunchPageType.NORMAL, 0x1000, imi_page=True)[0] is SevStatus.INVALID_PARAM
    assert _update(bench, gctx, b"", LaunchPageType.NORMAL, 0x1000, asid=ASID + 1)[0] is SevStatus.INVALID_PAGE_OWNER
    page = bench.host.allocate(1)
    fields: dict[str, Any] = {"gctx_paddr": gctx, "page_type": LaunchPageType.NORMAL}
    bench.refuses(SevStatus.INVALID_PAGE_STATE, SevCommand.SNP_LAUNCH_UPDATE, page_paddr=page, **fields)
    bench.refuses(SevStatus.INVALID_ADDRESS, SevCommand.SNP_LAUNCH_UPDATE, page_paddr=page + 8, **fields)


def test_the_states_of_a_guest() -> None:
    bench = Bench()
    gctx = _launching(bench)
    stranger = bench.page(firmware=True)
    for command in (SevCommand.SNP_LAUNCH_START, SevCommand.SNP_LAUNCH_FINISH, SevCommand.SNP_DECOMMISSION):
        bench.refuses(SevStatus.INVALID_GUEST, command, gctx_paddr=stranger)
    bench.refuses(SevStatus.INVALID_PAGE_STATE, SevCommand.SNP_GCTX_CREATE, gctx_paddr=gctx)
    bench.refuses(SevStatus.INVALID_GUEST_STATE, SevCommand.SNP_LAUNCH_START, gctx_paddr=gctx)
    bench.ok(bench.issue(SevCommand.SNP_GCTX_CREATE, gctx_paddr=stranger))
    bench.refuses(SevStatus.INVALID_GUEST, SevCommand.SNP_LAUNCH_START, gctx_paddr=stranger, ma_en=True)
    bench.refuses(SevStatus.INVALID_GUEST_STATE, SevCommand.SNP_ACTIVATE, gctx_paddr=stranger, asid=1)
    for asid in (0, 5000):
        bench.refuses(SevStatus.INVALID_ASID, SevCommand.SNP_ACTIVATE, gctx_paddr=gctx, asid=asid)
    bench.ok(bench.issue(SevCommand.SNP_ACTIVATE, gctx_paddr=gctx, asid=ASID))
    bench.refuses(SevStatus.ACTIVE, SevCommand.SNP_ACTIVATE, gctx_paddr=gctx, asid=ASID + 1)
    bench.ok(bench.issue(SevCommand.SNP_LAUNCH_START, gctx_paddr=stranger))
    bench.refuses(SevStatus.ASID_OWNED, SevCommand.SNP_ACTIVATE, gctx_paddr=stranger, asid=ASID)
    bench.ok(bench.issue(SevCommand.SNP_LAUNCH_FINISH, gctx_paddr=gctx))
    bench.ok(bench.issue(SevCommand.SNP_GUEST_STATUS, gctx_paddr=gctx, status_paddr=bench.status_page))
    assert bench.status_of(GuestStatus) == GuestStatus(policy=0x30000, asid=ASID, state=GuestState.RUNNING)


def test_an_asid_is_dirty_until_it_is_flushed() -> None:
    bench = Bench()
    bench.init()
    gctx = bench.guest()
    bench.ok(bench.issue(SevCommand.SNP_DECOMMISSION, gctx_paddr=gctx))
    assert bench.platform.rmp.state(gctx) is PageState.FIRMWARE
    other = bench.page(firmware=True)
    bench.ok(bench.issue(SevCommand.SNP_GCTX_CREATE, gctx_paddr=other))
    bench.ok(bench.issue(SevCommand.SNP_LAUNCH_START, gctx_paddr=other))
    bench.refuses(SevStatus.DFFLUSH_REQUIRED, SevCommand.SNP_ACTIVATE, gctx_paddr=other, asid=ASID)
    bench.ok(bench.psp.execute(SevCommand.SNP_DF_FLUSH))
    bench.ok(bench.issue(SevCommand.SNP_ACTIVATE, gctx_paddr=other, asid=ASID))


def test_a_psp_shows_no_secret() -> None:
    bench = Bench()
    assert repr(bench.psp) == "<Psp P2, 0 guests, 0 devices>"
    assert isinstance(bench.psp, Psp)
