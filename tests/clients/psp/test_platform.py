"""The platform: initialized once, in order, and never by guessing; pages are counted."""

from __future__ import annotations

import pytest

from pytio.clients.psp import PspClient
from pytio.errors import BackendBusyError, BackendError, BackendUnavailableError, RemoteProtocolError, SevCommandError
from pytio.sev.codes import SevStatus
from pytio.sev.commands import SnpInitEx, TioInit
from pytio.sev.host_ioctl import SnpPlatformStatus
from pytio.sev.rmp import PageState
from pytio.sev.structures import FeatureInfo, TioPlatformStatus
from pytio.sev.tio_codes import Revision, SevCommand, TioStatusFlags
from tests.clients.psp.fake import FakeHost, tio_status, writes


def test_snp_first_then_tio_and_the_sizes_after() -> None:
    host, client = FakeHost(), PspClient()
    status = host.run(client.init(max_snp_asid=99))
    assert host.commands() == [
        SevCommand.SNP_PLATFORM_STATUS,
        SevCommand.SNP_FEATURE_INFO,
        SevCommand.SNP_INIT_EX,
        SevCommand.TIO_STATUS,
        SevCommand.TIO_INIT,
        SevCommand.TIO_STATUS,
    ]
    assert host.issued(SevCommand.SNP_INIT_EX) == SnpInitEx(tio_en=True, max_snp_asid=99)
    assert host.issued(SevCommand.TIO_INIT).build() == TioInit().build() == bytes.fromhex("10000000") + bytes(12)
    assert (status.spdm_req_size_max, status.devctx_size) == (8192, 4096)
    assert client.firmware.sizes == status
    assert not host.pages


def test_status_pages_are_donated_once_pages_have_owners_but_in_r1() -> None:
    seen: dict[Revision, list[PageState]] = {}
    for revision in (Revision.R1, Revision.P2):
        host, client = FakeHost(revision), PspClient(revision)
        states: list[PageState] = seen.setdefault(revision, [])

        def note(host: FakeHost, buffer: object, states: list[PageState] = states) -> int:
            states.append(host.state(buffer.status_paddr))  # type: ignore[attr-defined]
            return 0

        host.handlers[SevCommand.TIO_STATUS] = lambda host, buffer: (note(host, buffer), tio_status(host, buffer))[1]
        host.run(client.init())
    assert seen == {Revision.R1: [PageState.HYPERVISOR] * 2, Revision.P2: [PageState.FIRMWARE] * 2}


def test_a_host_of_r1_writes_the_size_of_its_status_first() -> None:
    host, client = FakeHost(Revision.R1), PspClient(Revision.R1)
    found: list[bytes] = []

    def look(host: FakeHost, buffer: object) -> int:
        found.append(host.peek(buffer.status_paddr, 4))  # type: ignore[attr-defined]
        return tio_status(host, buffer)

    host.handlers[SevCommand.TIO_STATUS] = look
    host.run(client.init())
    assert found == [(48).to_bytes(4, "little")] * 2


@pytest.mark.parametrize(
    ("command", "structure", "reason"),
    [
        (SevCommand.SNP_PLATFORM_STATUS, SnpPlatformStatus(), "no SNP_FEATURE_INFO"),
        (SevCommand.SNP_FEATURE_INFO, FeatureInfo(reserved_ebx_0=True), "no SEV-TIO"),
        (SevCommand.TIO_STATUS, TioPlatformStatus(), "not enabled"),
    ],
)
def test_what_is_missing_is_said(command: SevCommand, structure: FeatureInfo, reason: str) -> None:
    host = FakeHost()
    host.handlers[command] = writes(structure)
    with pytest.raises(BackendUnavailableError, match=reason):
        host.run(PspClient().init())
    assert not host.pages


def test_r1_looks_at_another_bit() -> None:
    host = FakeHost(Revision.R1)
    host.handlers[SevCommand.SNP_FEATURE_INFO] = writes(FeatureInfo(reserved_ebx_0=True))
    host.run(PspClient(Revision.R1).init())


def test_a_platform_that_is_initialized_already() -> None:
    done = TioPlatformStatus(flags=TioStatusFlags(3), devctx_size=4096)
    for revision in (Revision.R1, Revision.R2):
        host = FakeHost(revision)
        host.handlers[SevCommand.TIO_STATUS] = writes(done)
        host.run(PspClient(revision).init())
        assert SevCommand.TIO_INIT not in host.commands()
    host = FakeHost()
    host.handlers[SevCommand.TIO_STATUS] = writes(done)
    with pytest.raises(BackendBusyError, match="initialized already"):
        host.run(PspClient().init())


def test_snp_that_is_initialized_already_is_taken_as_it_is() -> None:
    host = FakeHost()
    host.handlers[SevCommand.SNP_PLATFORM_STATUS] = writes(SnpPlatformStatus(state=1))
    host.tio_flags = 1
    host.run(PspClient().init())
    assert SevCommand.SNP_INIT_EX not in host.commands()


@pytest.mark.parametrize(
    "structure",
    [TioPlatformStatus(flags=TioStatusFlags(5)), TioPlatformStatus(flags=TioStatusFlags.TIO_EN, length=0x2F)],
)
def test_a_status_that_nobody_documented(structure: TioPlatformStatus) -> None:
    host = FakeHost()
    host.handlers[SevCommand.TIO_STATUS] = writes(structure)
    with pytest.raises(RemoteProtocolError, match="TIO_STATUS"):
        host.run(PspClient().init())


@pytest.mark.parametrize("status", [status for status in SevStatus if status])
def test_every_refusal_is_typed(status: SevStatus) -> None:
    host = FakeHost()
    host.refuse[SevCommand.TIO_INIT] = status
    with pytest.raises(SevCommandError) as caught:
        host.run(PspClient().init())
    assert (caught.value.command, caught.value.status) == (SevCommand.TIO_INIT, status)
    assert f"TIO_INIT failed with {status.name}" in str(caught.value)
    assert not host.pages


def test_no_page_is_left_whatever_fails() -> None:
    counted = FakeHost()
    counted.run(PspClient().init())
    for failing in range(1, len(counted.done) + 1):
        host, client = FakeHost(), PspClient()
        host.fails_at = failing
        with pytest.raises(BackendError, match="failed"):
            host.run(client.init())
        assert set(host.pages) == set(client.firmware.pool.lost), counted.done[failing - 1]
        host.fails_at = None
        host.run(client.firmware.pool.retry_lost())
        assert not host.pages, counted.done[failing - 1]


def test_a_shutdown_ends_everything_and_waits_for_what_is_left() -> None:
    host, client = FakeHost(), PspClient()
    host.run(client.init())
    host.run(client.shutdown())
    assert client.firmware.sizes is None
    assert host.issued(SevCommand.SNP_SHUTDOWN_EX).iommu_snp_shutdown
