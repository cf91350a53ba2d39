"""What ``lspci -vvv`` of Debian 12 prints of CXL's DVSECs, written from decoded ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.pci.lspci_header import flags

INTERLEAVE = (0, 256, 4096, 512, 1024, 2048, 8192, 16384)
MEDIA = ("Volatile", "Non-volatile", "CDAT")
CLASSES = ("DRAM", "Storage", "CDAT")
BLOCKS = ("empty", "component registers", "BAR virtualization", "CXL device registers", "CPMU registers")
TIMES = {
    0: (1, "us"),
    1: (10, "us"),
    2: (100, "us"),
    3: (1, "ms"),
    4: (10, "ms"),
    5: (100, "ms"),
    6: (1, "s"),
    7: (10, "<?>"),
}


def cxl_lines(cap: Any) -> Iterator[str]:
    """Yield the lines below the title."""
    lines = {
        "CXL_DEVICE": _device,
        "CXL_FUNCTION_MAP": _function_map,
        "CXL_PORT_EXTENSIONS": _port,
        "CXL_GPF_PORT": _gpf_port,
        "CXL_GPF_DEVICE": _gpf_device,
        "CXL_FLEX_BUS_PORT": _flex_bus,
        "CXL_REGISTER_LOCATOR": _locator,
        "CXL_MULTI_LOGICAL_DEVICE": _mld,
    }
    return lines[cap.NAME](cap)


def _device(cap: Any) -> Iterator[str]:
    c, d, second = cap.capability, cap.control, cap.capability_2
    shown = flags(c, "Cache=cache_capable IO=io_capable Mem=mem_capable")
    init, viral = flags(c, "Init=mem_hw_init_mode"), flags(c, "Viral=viral_capable")
    yield f"\t\tCXLCap:\t{shown} Mem HW {init} HDMCount {c.hdm_count} {viral}"
    shown = flags(d, "Cache=cache_enable IO=io_enable Mem=mem_enable")
    yield (
        f"\t\tCXLCtl:\t{shown} Cache SF Cov {d.cache_snoop_filter_coverage} "
        f"Cache SF Gran {d.cache_snoop_filter_granularity} Cache {flags(d, 'Clean=cache_clean_eviction')} "
        f"{flags(d, 'Viral=viral_enable')}"
    )
    yield f"\t\tCXLSta:\t{flags(cap.status, 'Viral=viral_status')}"
    shown = "ResetComplete=cxl_reset_complete ResetError=cxl_reset_error PMComplete=power_management_initialization_complete"
    yield f"\t\tCXLSta2:\t{flags(cap.status_2, shown)}"
    sizes = {0: "Cache Size Not Reported", 1: f"Cache Size: {second.cache_size << 16:08x}"}
    sizes[2] = f"Cache Size: {second.cache_size << 20:08x}"
    unit = second.cache_size_unit
    yield f"\t\t{sizes.get(unit, f'Cache Size: {second.cache_size} of unknown unit size ({unit})')}"
    for number, found in ((1, cap.range_1), (2, cap.range_2)):
        yield from _range(number, found)


def _range(number: int, found: Any) -> Iterator[str]:
    low = found.size_low
    size = found.size_high << 32 | low.memory_size_low << 28
    base = found.base_high << 32 | int.from_bytes(found.base_low.build(), "little")
    last = base + size - 1 & (1 << 64) - 1
    yield f"\t\tRange{number}: {base:016x}-{last:016x}"
    yield (
        f"\t\t\t{flags(low, 'Valid=memory_info_valid Active=memory_active')} Type={MEDIA[low.media_type]} "
        f"Class={CLASSES[low.memory_class]} interleave={INTERLEAVE[low.desired_interleave]} "
        f"timeout={1 << 2 * low.memory_active_timeout}s"
    )


def _function_map(cap: Any) -> Iterator[str]:
    for index, dw in enumerate(cap.map):
        yield f"\t\tFuncMap {index}: {dw & 0xFFFF:08x}"  # lspci reads half of each register


def _port(cap: Any) -> Iterator[str]:
    # lspci tests the register's offset, 0Ah, as its mask: bits 1 and 3 instead of bit 0
    raw = int.from_bytes(cap.status.build(), "little")
    yield f"\t\tCXLPortSta:\tPMComplete{'+' if raw & 0x0A else '-'}"
    yield "\t\tCXLPortCtl:\t" + flags(
        cap.control,
        "UnmaskSBR=unmask_sbr UnmaskLinkDisable=unmask_link_disable AltMem=alternate_memory_and_id_space_enable "
        "AltBME=alternate_bus_master_enable ViralEnable=viral_enable",
    )
    yield f"\t\tAlternateBus:\t{cap.alternate_bus_base:02x}-{cap.alternate_bus_limit:02x}"
    yield f"\t\tAlternateBus:\t{cap.alternate_memory_base:04x}-{cap.alternate_memory_limit:04x}"


def _time(name: str, time: Any) -> Iterator[str]:
    if time.time_scale not in TIMES:
        yield f"\t\tReserved time scale encoding {int(time.time_scale):x}"
    factor, unit = TIMES.get(time.time_scale, (1, "<?>"))
    yield f"\t\tGPF Phase {name}: {time.time_base * factor}{unit}"


def _gpf_port(cap: Any) -> Iterator[str]:
    yield from _time("1 Timeout", cap.phase_1_timeout)
    yield from _time("2 Timeout", cap.phase_2_timeout)


def _gpf_device(cap: Any) -> Iterator[str]:
    yield from _time("2 Duration", cap.phase_2_duration)
    yield f"\t\tGPF Phase 2 Power: {cap.phase_2_power}mW"


def _flex_bus(cap: Any) -> Iterator[str]:
    revision = cap.dvsec_revision
    if revision < 1:
        yield f"\t\tRevision {revision} not supported"
        return
    c, d, s = cap.capability, cap.control, cap.status
    more = "256BFlit=latency_optimized_256b_flit_{0} PBRFlit=pbr_flit_{0}"
    shown = flags(
        c,
        "Cache=cache_capable IO=io_capable Mem=mem_capable 68BFlit=flit_68b_and_vh_capable "
        "MltLogDev=multi_logical_device_capable",
    )
    yield f"\t\tFBCap:\t{shown}" + (f" {flags(c, more.format('capable'))}" if revision > 1 else "")
    common = (
        "Cache=cache_{0} IO=io_{0} Mem=mem_{0} SynHdrByp=sync_header_bypass_{0} DrftBuf=drift_buffer_{0} "
        "68BFlit=flit_68b_and_vh_{0} MltLogDev=multi_logical_device_{0}"
    )
    extra = " RCD=disable_rcd_training Retimer1=retimer_1_present Retimer2=retimer_2_present"
    shown = flags(d, common.format("enable") + extra)
    yield f"\t\tFBCtl:\t{shown}" + (f" {flags(d, more.format('enable'))}" if revision > 1 else "")
    shown = flags(s, common.format("enabled"))
    yield f"\t\tFBSta:\t{shown}" + (f" {flags(s, more.format('enabled'))}" if revision > 1 else "")
    yield f"\t\tFBModTS:\tReceived FB Data: {cap.modified_ts_data.received_flex_bus_data:06x}"
    if revision > 1:
        yield f"\t\tFBCap2:\t{flags(cap.capability_2, 'NOPHint=nop_hint_capable')}"
        yield f"\t\tFBCtl2:\t{flags(cap.control_2, 'NOPHint=nop_hint_enable')}"
        yield f"\t\tFBSta2:\tNOPHintInfo: {cap.status_2.nop_hint_info:x}"


def _locator(cap: Any) -> Iterator[str]:
    for index, block in enumerate(cap.blocks):
        kind = int(block.block_id)
        if kind:
            name = "vendor-specific" if kind == 0xFF else BLOCKS[kind] if kind < len(BLOCKS) else "<?>"
            offset = block.offset_64k << 16
            yield f"\t\tBlock{index + 1}: BIR: bar{block.bir}, ID: {name}, offset: {offset:016x}"


def _mld(cap: Any) -> Iterator[str]:
    if 0 < cap.number_of_lds_supported <= 16:
        yield f"\t\tNumLogDevs: {cap.number_of_lds_supported}"
