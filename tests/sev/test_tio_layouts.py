"""SEV-TIO's layouts: sizes by revision, golden buffers, and the helpers around them."""

from __future__ import annotations

import pytest

from pytio.errors import SevDecodeError
from pytio.ids import InterfaceId
from pytio.sev import blobs, commands, data_objects, ghcb, registers, rmp, sdte, structures
from pytio.sev.codes import SevStatus
from pytio.sev.sla import EOL, NULL, SCATTER_SLOTS, Sla, build_scatter_page, parse_scatter_page
from pytio.sev.tio_codes import PAGE_BYTES, DataObjectId, Revision, SevCommand, TdiBindState, TioOperation

# by command: R1, R2, U, P2, as the tables give them; None where the revision lacks the command
SIZES = {
    SevCommand.TIO_STATUS: (16, 16, 16, 16),
    SevCommand.TIO_INIT: (16, 16, 16, 16),
    SevCommand.TIO_DEV_CREATE: (32, 32, 32, 32),
    SevCommand.TIO_DEV_RECLAIM: (16, 16, 16, 16),
    SevCommand.TIO_DEV_CONNECT: (80, 80, 80, 80),
    SevCommand.TIO_DEV_DISCONNECT: (48, 48, 48, 48),
    SevCommand.TIO_DEV_STATUS: (28, 28, None, 32),
    SevCommand.TIO_DEV_MEASUREMENTS: (48, 80, None, 80),
    SevCommand.TIO_DEV_CERTIFICATES: (48, 48, None, 48),
    SevCommand.TIO_TDI_CREATE: (48, 48, None, 48),
    SevCommand.TIO_TDI_RECLAIM: (32, 32, None, 32),
    SevCommand.TIO_TDI_BIND: (70, 72, None, 80),
    SevCommand.TIO_TDI_UNBIND: (64, 64, None, 64),
    SevCommand.TIO_TDI_REPORT: (64, 64, None, 64),
    SevCommand.TIO_TDI_STATUS: (64, 64, None, 64),
    SevCommand.TIO_GUEST_REQUEST: (80, 80, None, 80),
    SevCommand.TIO_ASID_FENCE_CLEAR: (32, 32, None, 32),
    SevCommand.TIO_ASID_FENCE_STATUS: (32, 32, None, 32),
    SevCommand.TIO_TDI_INFO: (40, 48, None, 48),
    SevCommand.TIO_ROLL_KEY: (48, 48, None, 48),
}
REVISIONS = (Revision.R1, Revision.R2, Revision.U, Revision.P2)


@pytest.mark.parametrize("command", SIZES, ids=lambda command: command.name)
def test_command_sizes(command: SevCommand) -> None:
    for revision, size in zip(REVISIONS, SIZES[command], strict=True):
        cls = commands.COMMANDS[revision].get(command)
        assert (cls.fixed_size() if cls else None) == size
        if cls is not None:
            length = next(field for field in cls.__attrs_attrs__ if field.name == "length")
            assert length.default == size


def test_every_tio_command_is_laid_out() -> None:
    assert set(SIZES) == {command for command in SevCommand if command.name.startswith("TIO_")}
    assert commands.COMMANDS[Revision.N] == commands.COMMANDS[Revision.P2]


@pytest.mark.parametrize("revision", [Revision.R1, Revision.R2, Revision.P2])
def test_what_is_spdm_aware_carries_a_control_block_at_byte_8(revision: Revision) -> None:
    for command, cls in commands.COMMANDS[revision].items():
        names = [field.name for field in cls.FIELDS]
        assert ("spdm_ctrl" in names) is (command in commands.SPDM_AWARE)
        if "spdm_ctrl" in names:
            assert {row[2]: row[0] for row in cls.describe()}["spdm_ctrl"] == "8"


@pytest.mark.parametrize(
    ("cls", "size"),
    [
        (structures.TioPlatformStatusR1, 48),
        (structures.TioPlatformStatus, 64),
        (structures.DeviceStatusR1, 152),
        (structures.DeviceStatusR2, 160),
        (structures.DeviceStatus, 160),
        (structures.TdiInfoR1, 192),
        (structures.TdiInfoR2, 192),
        (structures.TdiInfo, 192),
        (structures.TdiStatusR1, 8),
        (structures.TdiStatus, 16),
        (structures.SpdmAlgos, 8),
        (structures.AsidFence, 8),
        (structures.AsidFenceR1, 8),
        (structures.FeatureInfo, 16),
        (sdte.Sdte, 64),
        (rmp.RmpEntry, 16),
        (commands.SnpInitEx, 64),
        (data_objects.SpdmControl, 32),
        (data_objects.BufferHeader, 64),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_structure_sizes(cls: type[structures.TdiInfo], size: int) -> None:
    assert cls.fixed_size() == size


def test_algorithms_are_one_code_in_each_byte() -> None:
    algos = structures.SpdmAlgos.parse((0x0000000001020101).to_bytes(8, "little"))
    assert (algos.dhe.name, algos.aead.name, algos.asym.name, algos.hash.name) == (
        "SECP384R1",
        "AES_256_GCM",
        "ECDSA_P384",
        "SHA_384",
    )


def test_where_features_and_enabling_bits_are() -> None:
    assert structures.FeatureInfo(sev_tio=True).build()[4:8] == b"\x02\0\0\0"
    assert structures.FeatureInfo(verify_mitigation=True).build()[8:12] == (1 << 13).to_bytes(4, "little")
    assert commands.SnpInitEx(init_rmp=False, tio_en=True).build()[:4] == b"\x10\0\0\0"


def test_tdi_info_bits() -> None:
    info = structures.TdiInfo(
        interface_id=InterfaceId.of("01:00.0"),
        meas_digest_valid=True,
        tdi_status=TdiBindState.BIND_RUN,
        asid=7,
    )
    raw = info.build()
    assert raw[0x10] == 0b1001
    assert raw[0xB8:0xBC] == b"\x07\0\0\0"


# scatter pages


def test_a_scatter_page_lists_its_pages_and_ends() -> None:
    pages = tuple(Sla.to(PAGE_BYTES * number) for number in range(1, 4))
    page = build_scatter_page(pages)
    assert len(page) == PAGE_BYTES
    assert parse_scatter_page(page) == pages
    assert page[24:32] == EOL.build()
    assert not any(page[32:])


def test_a_scatter_page_takes_511_pages() -> None:
    pages = (Sla.to(PAGE_BYTES),) * (SCATTER_SLOTS - 1)
    assert parse_scatter_page(build_scatter_page(pages)) == pages
    with pytest.raises(ValueError, match="512 pages do not fit"):
        build_scatter_page((*pages, pages[0]))
    with pytest.raises(ValueError, match="pages of data"):
        build_scatter_page((Sla.to(PAGE_BYTES, is_scatter_page=True),))


@pytest.mark.parametrize(
    ("page", "offset", "reason"),
    [
        (Sla.to(PAGE_BYTES).build() * SCATTER_SLOTS, PAGE_BYTES, "no end mark"),
        (Sla.to(PAGE_BYTES).build() + EOL.build()[:7], 15, "no end mark"),
        (Sla.to(PAGE_BYTES).build() + bytes(PAGE_BYTES - 8), 8, "not a page of data"),
        (Sla.to(PAGE_BYTES, is_scatter_page=True).build() + EOL.build(), 0, "not a page of data"),
        (b"", 0, "no end mark"),
    ],
)
def test_broken_scatter_pages_are_refused(page: bytes, offset: int, reason: str) -> None:
    with pytest.raises(SevDecodeError, match=reason) as caught:
        parse_scatter_page(page)
    assert caught.value.offset == offset


@pytest.mark.parametrize("paddr", [1, 4095, 1 << 52, -4096])
def test_only_pages_have_an_sla(paddr: int) -> None:
    with pytest.raises(ValueError, match="not the address of a page"):
        Sla.to(paddr)


def test_slas_say_what_they_are() -> None:
    assert [str(sla) for sla in (NULL, EOL, Sla.to(0x5000), Sla.to(0x5000, is_scatter_page=True))] == [
        "NULL",
        "EOL",
        "0x5000",
        "0x5000 scatter",
    ]


# objects, registers, exits


def test_objects_measure_themselves() -> None:
    request = data_objects.SpdmObject(object_id=DataObjectId.SPDM_REQUEST, message=bytes(4))
    assert request.length == 20
    assert data_objects.padded_size(request.length) == 32
    with pytest.raises(SevDecodeError) as caught:
        data_objects.SpdmObject.parse(request.build()[:4] + b"\x0f" + request.build()[5:])
    assert caught.value.offset in {4, 16}


def test_the_command_register() -> None:
    written = registers.CommandRegister(command=SevCommand.TIO_DEV_CONNECT, interrupt_on_completion=True)
    assert int.from_bytes(written.build(), "little") == 0xD4 << 16 | 1
    left = registers.ResponseRegister.parse((1 << 31 | 0x32).to_bytes(4, "little"))
    assert left.is_response
    assert left.status is SevStatus.SPDM_REQUEST


def test_a_guests_entry() -> None:
    entry = sdte.Sdte.for_guest()
    assert entry.vtom_address == (2**31 - 1) << 21
    assert entry.guest_part() == entry
    filled = entry.replace(domain_id=5, asid=3)
    assert filled.guest_part() == entry


def test_mmio_parameter_counts_in_pages() -> None:
    parameter = ghcb.MmioParameter(page=0x380000000, order=4, is_private=True)
    assert int.from_bytes(parameter.build(), "little") == 0x0000380000000048
    assert (parameter.gpa, parameter.size_bytes) == (0x380000000000, 64 << 10)


def test_operations_and_states() -> None:
    info = ghcb.TioOperationInfo(guest_rid=0x0100, action=TioOperation.RUN)
    assert int.from_bytes(info.build(), "little") == 2 << 32 | 0x0100
    assert [ghcb.tdisp_state_r1(rdx) for rdx in range(5)] == [None, 0, 1, 2, 3]


# page states


def test_page_states_are_told_by_their_entries() -> None:
    assert rmp.page_state(rmp.RmpEntry()) is rmp.PageState.HYPERVISOR
    assert rmp.page_state(rmp.RmpEntry(assigned=1, immutable=1)) is rmp.PageState.FIRMWARE
    assert rmp.page_state(rmp.RmpEntry(assigned=1)) is rmp.PageState.RECLAIM
    guest = rmp.RmpEntry(assigned=1, asid=5, gpa=0x1000)
    assert rmp.page_state(guest) is rmp.PageState.GUEST_INVALID
    assert rmp.page_state(guest, is_validated=True) is rmp.PageState.GUEST_VALID
    with pytest.raises(ValueError, match="no page state"):
        rmp.page_state(rmp.RmpEntry(immutable=1, asid=5))


# blobs


def test_blobs_come_back_and_missing_ones_do_not() -> None:
    given = {blobs.MEASUREMENTS_GUID: b"", blobs.CERTIFICATES_GUID: bytes(5000), blobs.INTERFACE_REPORT_GUID: b"r"}
    area = blobs.build_blobs(given)
    assert area[:16] == bytes.fromhex("c680aa5cef121a40b364ec59a93abe3f")
    assert blobs.BlobTableEntry.parse(area[:24]).offset == 96
    assert blobs.parse_blobs(area) == {guid: blob for guid, blob in given.items() if blob}
    assert blobs.pages_needed(given) == 2


@pytest.mark.parametrize(
    ("area", "offset", "reason"),
    [
        (b"", 0, "entry 0"),
        (bytes(16), 16, "entry 0"),
        (blobs.MEASUREMENTS_GUID.bytes_le + bytes(8), 24, "entry 1"),
        (blobs.MEASUREMENTS_GUID.bytes_le + bytes(4) + b"\xff" + bytes(27), 16, "outside"),
    ],
)
def test_broken_tables_are_refused(area: bytes, offset: int, reason: str) -> None:
    with pytest.raises(SevDecodeError, match=reason) as caught:
        blobs.parse_blobs(area)
    assert caught.value.offset == offset
