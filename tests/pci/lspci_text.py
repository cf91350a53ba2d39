"""What ``lspci -vvv -n`` of Debian 12 prints of a function, written from a decoded one. An oracle for agreement, no product.

Facts of the output format: lspci 3.9.0. A capability that it only names is only named here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pytio.ids import Bdf
from pytio.pci.codes import FIRST_EXTENDED_OFFSET, CapabilityId
from pytio.pci.dump import Function, Located
from pytio.pci.header import Type1Header
from tests.pci.lspci_express import express_lines, type_title
from tests.pci.lspci_extended import EXTENDED
from tests.pci.lspci_header import flags, header_lines

AUX_MA = (0, 55, 100, 160, 220, 270, 320, 375)
SPLITS = (1, 2, 3, 4, 8, 12, 16, 32)
CLOCKS = ("conv", "66MHz", "100MHz", "133MHz", "?4", "?5", "?6", "?7")
EA = {
    0: "memory space, non-prefetchable",
    1: "memory space, prefetchable",
    2: "I/O space",
    3: "VF memory space, prefetchable",
    4: "VF memory space, non-prefetchable",
    5: "allocation behind bridge, non-prefetchable memory",
    6: "allocation behind bridge, prefetchable memory",
    7: "allocation behind bridge, I/O space",
    0xFD: "memory space resource unavailable for use",
    0xFE: "I/O space resource unavailable for use",
    0xFF: "entry unavailable for use",
}
EA_BARS = ("resource behind function", "not indicated", "expansion ROM")


class Context(NamedTuple):
    """What the text of a capability depends on, beside itself."""

    bdf: Bdf
    function: Function
    port_type: int


def function_lines(bdf: Bdf, function: Function) -> list[str]:
    """Return all lines but the first, which has names."""
    header = function.header
    assert header.NAME != "OTHER_HEADER"
    lines = [*_subsystem(function), *header_lines(header)]  # type: ignore[arg-type]  # just seen
    express: Any = function.find(CapabilityId.PCI_EXPRESS)
    context = Context(bdf, function, -1 if express is None else int(express.device_port_type))
    for found in function.capabilities:
        lines += _capability(found, context)
    return lines


def _subsystem(function: Function) -> Iterator[str]:
    """Yield the ids of a bridge, which has them in a capability."""
    found: Any = function.find(CapabilityId.SUBSYSTEM_IDS)
    if isinstance(function.header, Type1Header) and found is not None and found.subsystem_vendor_id not in {0, 0xFFFF}:
        yield f"\tSubsystem: {found.subsystem_vendor_id:04x}:{found.subsystem_id:04x}"


def _capability(found: Located, context: Context) -> Iterator[str]:
    structure: Any = found.structure
    if found.offset >= FIRST_EXTENDED_OFFSET:
        title, *rest = EXTENDED[structure.capability_id](structure, context)
        yield f"\tCapabilities: [{found.offset:03x} v{structure.capability_version}] {title}"
    else:
        title, *rest = CONVENTIONAL[structure.capability_id](structure, context)
        yield f"\tCapabilities: [{found.offset:02x}] {title}"
    yield from rest


def _power(cap: Any, _: Context) -> Iterator[str]:
    c, s = cap.capabilities, cap.control_status
    yield f"Power Management version {c.version}"
    yield (
        f"\t\tFlags: {flags(c, 'PMEClk=pme_clock DSI=device_specific_initialization D1=d1_support D2=d2_support')} "
        f"AuxCurrent={AUX_MA[c.aux_current]}mA "
        f"PME({flags(c, 'D0=pme_d0 D1=pme_d1 D2=pme_d2 D3hot=pme_d3_hot D3cold=pme_d3_cold').replace(' ', ',')})"
    )
    yield (
        f"\t\tStatus: D{int(s.power_state)} {flags(s, 'NoSoftRst=no_soft_reset PME-Enable=pme_enable')} "
        f"DSel={s.data_select} DScale={s.data_scale} {flags(s, 'PME=pme_status')}"
    )
    b = cap.bridge_extensions
    if b.build() != b"\0":
        yield f"\t\tBridge: {flags(b, 'PM=bus_power_clock_control_enable')} B3{'-' if b.b2_b3 else '+'}"


def _rates(rate: int, agp3: bool) -> str:
    return ",".join(f"x{1 << bit + 2 * agp3}" for bit in range(3) if rate >> bit & 1) or "<none>"


def _agp(cap: Any, _: Context) -> Iterator[str]:
    s, c = cap.status, cap.command
    agp3 = cap.major_revision >= 3 and s.agp_3_mode
    yield f"AGP version {cap.major_revision:x}.{cap.minor_revision:x}"
    yield (
        f"\t\tStatus: RQ={s.request_queue_depth_minus_1 + 1} {flags(s, 'Iso=isochronous_support')} "
        f"ArqSz={s.async_request_size} Cal={s.calibration_cycle} "
        f"{flags(s, 'SBA=side_band_addressing ITACoh=ita_coherent GART64=gart_64_bit HTrans=host_translation_disabled')} "
        f"{flags(s, '64bit=over_4g FW=fast_write AGP3=agp_3_mode')} Rate={_rates(s.rate, agp3)}"
    )
    yield (
        f"\t\tCommand: RQ={c.request_queue_depth_minus_1 + 1} ArqSz={c.async_request_size} Cal={c.calibration_cycle} "
        f"{flags(c, 'SBA=side_band_addressing_enable AGP=agp_enable GART64=gart_64_bit_enable 64bit=over_4g_enable')} "
        f"{flags(c, 'FW=fast_write_enable')} Rate={_rates(c.rate, agp3)}"
    )


def _pci_x(cap: Any, context: Context) -> Iterator[str]:
    yield from _pci_x_bridge(cap) if isinstance(context.function.header, Type1Header) else _pci_x_device(cap)


def _pci_x_device(cap: Any) -> Iterator[str]:
    c, s = cap.command, cap.status
    yield "PCI-X non-bridge device"
    yield (
        f"\t\tCommand: {flags(c, 'DPERE=data_parity_error_recovery_enable ERO=enable_relaxed_ordering')} "
        f"RBC={512 << c.maximum_memory_read_byte_count} OST={SPLITS[c.maximum_outstanding_split_transactions]}"
    )
    yield (
        f"\t\tStatus: Dev={s.bus_number:02x}:{s.device_number:02x}.{s.function_number} "
        f"{flags(s, '64bit=is_64_bit 133MHz=is_133_mhz SCD=split_completion_discarded USC=unexpected_split_completion')} "
        f"DC={'bridge' if s.device_complexity else 'simple'} "
        f"DMMRBC={512 << s.designed_maximum_memory_read_byte_count} "
        f"DMOST={SPLITS[s.designed_maximum_outstanding_split_transactions]} "
        f"DMCRS={8 << s.designed_maximum_cumulative_read_size} "
        f"{flags(s, 'RSCEM=received_split_completion_error_message 266MHz=is_266_mhz 533MHz=is_533_mhz')}"
    )


SPLIT_FLAGS = (
    "64bit=is_64_bit 133MHz=is_133_mhz SCD=split_completion_discarded USC=unexpected_split_completion "
    "SCO=split_completion_overrun SRD=split_request_delayed"
)


def _pci_x_bridge(cap: Any) -> Iterator[str]:
    s = cap.status
    yield "PCI-X bridge device"
    second = cap.secondary_status
    yield f"\t\tSecondary Status: {flags(second, SPLIT_FLAGS)} Freq={CLOCKS[second.secondary_clock_frequency]}"
    yield f"\t\tStatus: Dev={s.bus_number:02x}:{s.device_number:02x}.{s.function_number} {flags(s, SPLIT_FLAGS)}"
    for name, control in (
        ("Upstream", cap.upstream_split_transaction),
        ("Downstream", cap.downstream_split_transaction),
    ):
        yield f"\t\t{name}: Capacity={control.capacity} CommitmentLimit={control.commitment_limit}"


def _msi(cap: Any, _: Context) -> Iterator[str]:
    yield (
        f"MSI: {flags(cap, 'Enable=enable')} Count={1 << cap.multiple_message_enable}/{1 << cap.multiple_message_capable} "
        f"{flags(cap, 'Maskable=per_vector_masking_capable 64bit=is_64_bit')}"
    )
    upper = "" if cap.message_upper_address is None else f"{cap.message_upper_address:08x}"
    yield f"\t\tAddress: {upper}{cap.message_address:08x}  Data: {cap.message_data:04x}"
    if cap.mask_bits is not None:
        yield f"\t\tMasking: {cap.mask_bits:08x}  Pending: {cap.pending_bits:08x}"


def _msix(cap: Any, _: Context) -> Iterator[str]:
    count = cap.table_size_minus_1 + 1
    yield f"MSI-X: {flags(cap, 'Enable=enable')} Count={count} {flags(cap, 'Masked=function_mask')}"
    yield f"\t\tVector table: BAR={cap.table.bir} offset={cap.table.offset_qw << 3:08x}"
    yield f"\t\tPBA: BAR={cap.pba.bir} offset={cap.pba.offset_qw << 3:08x}"


def _vendor(cap: Any, _: Context) -> Iterator[str]:
    if cap.NAME != "VIRTIO_PCI":
        yield f"Vendor Specific Information: Len={cap.length:02x} <?>"
        return
    names = {1: "CommonCfg", 2: "Notify", 3: "ISR", 4: "DeviceCfg"}
    yield f"Vendor Specific Information: VirtIO: {names.get(cap.configuration_type, '<unknown>')}"
    line = f"\t\tBAR={cap.bar} offset={cap.offset:08x} size={cap.size:08x}"
    if cap.configuration_type == 2 and cap.notify_off_multiplier is not None:
        line += f" multiplier={cap.notify_off_multiplier:08x}"
    yield line


def _slot_id(cap: Any, _: Context) -> Iterator[str]:
    first = "+" if cap.first_in_chassis else "-"
    yield f"Slot ID: {cap.expansion_slots} slots, First{first}, chassis {cap.chassis_number:02x}"


def _features(cap: Any, _: Context) -> Iterator[str]:
    yield "PCI Advanced Features"
    yield f"\t\tAFCap: {flags(cap.capabilities, 'TP=transactions_pending_supported FLR=function_level_reset_supported')}"
    yield f"\t\tAFCtrl: {flags(cap.control, 'FLR=initiate_function_level_reset')}"
    yield f"\t\tAFStatus: {flags(cap.status, 'TP=transactions_pending')}"


def _sata(cap: Any, _: Context) -> Iterator[str]:
    where = {15: " InCfgSpace"} | {bar: f" BAR{bar - 4} Offset={cap.bar_offset_dw:08x}" for bar in range(4, 10)}
    yield f"SATA HBA v{cap.major_revision}.{cap.minor_revision}{where.get(cap.bar_location, f' BAR??{cap.bar_location}')}"


def _allocation(cap: Any, context: Context) -> Iterator[str]:
    title = f"Enhanced Allocation (EA): NumEntries={cap.number_of_entries}"
    if isinstance(context.function.header, Type1Header):
        title += f", secondary={cap.fixed_secondary_bus_number}, subordinate={cap.fixed_subordinate_bus_number}"
    yield title
    for index, entry in enumerate(cap.entries):
        yield from _allocation_entry(index, entry)


def _allocation_entry(index: int, entry: Any) -> Iterator[str]:
    yield f"\t\tEntry {index}: {flags(entry, 'Enable=enable Writable=writable')} EntrySize={entry.entry_size_dw}"
    bei = entry.bar_equivalent_indicator
    bars = {number: f"BAR {number}" for number in range(6)} | {
        number: f"VF-BAR {number - 9}" for number in range(9, 15)
    }
    bars |= {6 + number: name for number, name in enumerate(EA_BARS)}
    yield f"\t\t\t BAR Equivalent Indicator: {bars.get(bei, 'reserved')}"
    primary, secondary = entry.primary_properties, entry.secondary_properties
    yield f"\t\t\t PrimaryProperties: {EA.get(primary, f'[{primary:02x}]')}"
    more = ", PrimaryProperties should be used" if secondary == 0xFF else ""
    yield f"\t\t\t SecondaryProperties: {EA.get(secondary, f'[{secondary:02x}]')}{more}"
    base, limit, *upper = entry.resource
    high = [f"{upper.pop(0):x}" if word & 2 else "" for word in (base, limit)]
    yield f"\t\t\t Base: {high[0]}{base & ~3:08x}"
    yield f"\t\t\t MaxOffset: {high[1]}{limit | 3:08x}"


def _express(cap: Any, context: Context) -> Iterator[str]:
    yield f"Express (v{cap.version}) {type_title(cap)}, MSI {cap.interrupt_message_number:02x}"
    yield from express_lines(cap, context.bdf, context.function)


def _named(title: str) -> Callable[[Any, Context], Iterator[str]]:
    return lambda _cap, _context: iter([title])


CONVENTIONAL: dict[int, Callable[[Any, Context], Iterator[str]]] = {
    0x00: _named("Null"),
    0x01: _power,
    0x02: _agp,
    0x04: _slot_id,
    0x05: _msi,
    0x06: _named("CompactPCI hot-swap <?>"),
    0x07: _pci_x,
    0x09: _vendor,
    0x0A: lambda cap, _: iter([f"Debug port: BAR={cap.bar} offset={cap.offset:04x}"]),
    0x0B: _named("CompactPCI central resource control <?>"),
    0x0C: _named("Hot-plug capable"),
    0x0D: lambda cap, _: iter([f"Subsystem: {cap.subsystem_vendor_id:04x}:{cap.subsystem_id:04x}"]),
    0x0E: _named("AGP3 <?>"),
    0x0F: _named("Secure device <?>"),
    0x10: _express,
    0x11: _msix,
    0x12: _sata,
    0x13: _features,
    0x14: _allocation,
}
