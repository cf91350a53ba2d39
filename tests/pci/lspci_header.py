"""What ``lspci -vvv -n`` of Debian 12 prints of a header, written from a decoded one. An oracle for agreement, no product.

Facts of the output format: lspci 3.9.0, with a dump as its input, so without sizes and kernel's views.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

from pytio.pci.header import Type0Header, Type1Header

DEVSEL = {0: "fast", 1: "medium", 2: "slow", 3: "??"}
MEMORY = {0: "32-bit", 1: "low-1M", 2: "64-bit", 3: "type 3"}
FULL = 0xFFFF_FFFF


def get(structure: object, path: str) -> Any:
    """Return an attribute, however deep."""
    return reduce(getattr, path.split("."), structure)


def flags(structure: object, spec: str) -> str:
    """Return ``Name+`` or ``Name-`` for each ``Name=attribute``."""
    parts = (word.rpartition("=") for word in spec.split())
    return " ".join(f"{name}{'+' if get(structure, path) else '-'}" for name, _, path in parts)


CONTROL = (
    "I/O=io_space_enable Mem=memory_space_enable BusMaster=bus_master_enable SpecCycle=special_cycle_enable "
    "MemWINV=memory_write_and_invalidate VGASnoop=vga_palette_snoop ParErr=parity_error_response "
    "Stepping=idsel_stepping SERR=serr_enable FastB2B=fast_back_to_back_enable DisINTx=interrupt_disable"
)
ABORTS = ">TAbort=signaled_target_abort <TAbort=received_target_abort <MAbort=received_master_abort"
BRIDGE = (
    "Parity=parity_error_response_enable SERR=serr_enable NoISA=isa_enable VGA=vga_enable VGA16=vga_16_bit_decode "
    "MAbort=master_abort_mode >Reset=secondary_bus_reset FastB2B=fast_back_to_back_enable"
)
DISCARD = (
    "PriDiscTmr=primary_discard_timer SecDiscTmr=secondary_discard_timer DiscTmrStat=discard_timer_status "
    "DiscTmrSERREn=discard_timer_serr_enable"
)


def header_lines(header: Type0Header | Type1Header) -> Iterator[str]:
    """Yield the lines from the second on, up to the capabilities."""
    if isinstance(header, Type0Header):
        if header.class_code >> 8 == 0x0604:
            yield "\t!!! Invalid class 0604 for header type 00"
        if header.subsystem_vendor_id not in {0, 0xFFFF}:
            yield f"\tSubsystem: {header.subsystem_vendor_id:04x}:{header.subsystem_id:04x}"
    elif header.class_code >> 16 != 0x06:
        yield f"\t!!! Invalid class {header.class_code >> 8:04x} for header type 01"
    yield f"\tControl: {flags(header.command, CONTROL)}"
    status = header.status
    yield (
        f"\tStatus: {flags(status, 'Cap=capabilities_list 66MHz=is_66_mhz_capable UDF=user_definable_features')} "
        f"{flags(status, 'FastB2B=fast_back_to_back_capable ParErr=master_data_parity_error')} "
        f"DEVSEL={DEVSEL[status.devsel_timing]} {flags(status, ABORTS)} "
        f"{flags(status, '>SERR=signaled_system_error <PERR=detected_parity_error INTx=interrupt_status')}"
    )
    yield from _latency(header)
    if header.interrupt_pin or header.interrupt_line:
        pin = chr((ord("A") + header.interrupt_pin - 1) & 0xFF) if header.interrupt_pin else "?"
        yield f"\tInterrupt: pin {pin} routed to IRQ {header.interrupt_line}"
    if header.bist_capable:
        yield "\tBIST is running" if header.start_bist else f"\tBIST result: {header.bist_completion_code:02x}"
    yield from _regions(header)
    yield from _rom(header) if isinstance(header, Type0Header) else _bridge(header)


def _latency(header: Type0Header | Type1Header) -> Iterator[str]:
    if not header.command.bus_master_enable:
        return
    line = f"\tLatency: {header.latency_timer}"
    if isinstance(header, Type0Header) and (header.min_gnt or header.max_lat):
        times = [(header.min_gnt, "min"), (header.max_lat, "max")]
        line += f" ({', '.join(f'{time * 250}ns {name}' for time, name in times if time)})"
    if header.cache_line_size_dw:
        line += f", Cache Line Size: {header.cache_line_size_dw * 4} bytes"
    yield line


def _regions(header: Type0Header | Type1Header) -> Iterator[str]:
    values = [bar.value for bar in header.bars]
    addresses = [0] * len(values)
    upper: set[int] = set()
    at = 0
    while at < len(values):  # how libpci takes addresses out of the registers
        value = values[at]
        bar = header.bars[at]
        if value not in {0, FULL}:
            if bar.is_io or bar.memory_type != 2:
                addresses[at] = value
            elif at + 1 < len(values):
                addresses[at] = value | values[at + 1] << 32
                at += 1
                upper.add(at)
        at += 1
    for index, (value, address) in enumerate(zip(values, addresses, strict=True)):
        flag_bits = 0 if value == FULL else value
        if not address and not flag_bits:
            continue
        if flag_bits & 1:
            base = address & ~3
            shown = f"{base:04x}" if base or header.command.io_space_enable else "<unassigned>"
            yield f"\tRegion {index}: I/O ports at {shown}{'' if header.command.io_space_enable else ' [disabled]'}"
            continue
        base = address & ~0xF
        yield (
            f"\tRegion {index}: Memory at {f'{base:08x}' if base else '<unassigned>'} "
            f"({MEMORY[flag_bits >> 1 & 3]}, {'' if flag_bits & 8 else 'non-'}prefetchable)"
            f"{'' if header.command.memory_space_enable else ' [disabled]'}"
        )


def _rom(header: Type0Header | Type1Header) -> Iterator[str]:
    rom = header.expansion_rom
    raw = int.from_bytes(rom.build(), "little")
    if not raw:
        return
    base = raw & ~0x7FF
    known = base if raw not in {0, FULL} else 0
    line = f"\tExpansion ROM at {f'{known:08x}' if known else '<ignored>' if base else '<unassigned>'}"
    if not rom.enable:
        line += " [disabled]"
    elif not header.command.memory_space_enable:
        line += " [disabled by cmd]"
    yield line


def _size(count: int) -> str:
    for suffix in ("", "K", "M", "G", "T"):
        if suffix == "T" or count % 1024:
            return f" [size={count & FULL}{suffix}]"
        count //= 1024
    raise AssertionError


def _range(title: str, base: int, limit: int, bits: int) -> str:
    digits = bits // 4
    size = _size(limit - base + 1) if base <= limit else " [disabled]"
    return f"\t{title}: {base:0{digits}x}-{limit:0{digits}x}{size} [{bits}-bit]"


def _bridge(header: Type1Header) -> Iterator[str]:
    yield (
        f"\tBus: primary={header.primary_bus_number:02x}, secondary={header.secondary_bus_number:02x}, "
        f"subordinate={header.subordinate_bus_number:02x}, sec-latency={header.secondary_latency_timer}"
    )
    yield from _io_window(header)
    yield from _memory_window(header)
    yield from _prefetchable_window(header)
    status = header.secondary_status
    yield (
        f"\tSecondary status: {flags(status, '66MHz=is_66_mhz_capable FastB2B=fast_back_to_back_capable')} "
        f"{flags(status, 'ParErr=master_data_parity_error')} DEVSEL={DEVSEL[status.devsel_timing]} "
        f"{flags(status, ABORTS)} {flags(status, '<SERR=received_system_error <PERR=detected_parity_error')}"
    )
    yield from _rom(header)
    yield f"\tBridgeCtl: {flags(header.bridge_control, BRIDGE)}"
    yield f"\t\t{flags(header.bridge_control, DISCARD)}"


def _io_window(header: Type1Header) -> Iterator[str]:
    base, limit = header.io_base, header.io_limit
    kind = base.addressing_capability
    if kind != limit.addressing_capability or kind not in {0, 1}:
        raw = (base.address_15_12 << 4 | kind, limit.address_15_12 << 4 | limit.addressing_capability)
        yield f"\t!!! Unknown I/O range types {raw[0]:x}/{raw[1]:x}"
        return
    low, high = base.address_15_12 << 12, limit.address_15_12 << 12
    if kind == 1:
        low, high = low | header.io_base_upper_16 << 16, high | header.io_limit_upper_16 << 16
    yield _range("I/O behind bridge", low, high + 0xFFF & FULL, 32 if kind == 1 else 16)


def _memory_window(header: Type1Header) -> Iterator[str]:
    base, limit = header.memory_base, header.memory_limit
    if base.addressing_capability or limit.addressing_capability:
        raw = (
            base.address_31_20 << 4 | base.addressing_capability,
            limit.address_31_20 << 4 | limit.addressing_capability,
        )
        yield f"\t!!! Unknown memory range types {raw[0]:x}/{raw[1]:x}"
        return
    yield _range("Memory behind bridge", base.address_31_20 << 20, (limit.address_31_20 << 20) + 0xFFFFF & FULL, 32)


def _prefetchable_window(header: Type1Header) -> Iterator[str]:
    base, limit = header.prefetchable_memory_base, header.prefetchable_memory_limit
    kind = base.addressing_capability
    if kind != limit.addressing_capability or kind not in {0, 1}:
        raw = (base.address_31_20 << 4 | kind, limit.address_31_20 << 4 | limit.addressing_capability)
        yield f"\t!!! Unknown prefetchable memory range types {raw[0]:x}/{raw[1]:x}"
        return
    low, high = base.address_31_20 << 20, limit.address_31_20 << 20
    if kind == 1:
        low |= header.prefetchable_base_upper_32 << 32
        high |= header.prefetchable_limit_upper_32 << 32
    yield _range("Prefetchable memory behind bridge", low, high + 0xFFFFF, 64 if kind == 1 else 32)
