"""What ``lspci -vvv`` of Debian 12 prints of extended capabilities, written from decoded ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pytio.pci.codes import DevicePortType
from tests.pci.lspci_cxl import cxl_lines
from tests.pci.lspci_header import FULL, flags

EP, _LEGACY, ROOT, UP, DOWN, *_BRIDGES, INTEGRATED, COLLECTOR = DevicePortType
UNCORRECTABLE = (
    "DLP=data_link_protocol_error SDES=surprise_down_error TLP=poisoned_tlp_received FCP=flow_control_protocol_error "
    "CmpltTO=completion_timeout CmpltAbrt=completer_abort UnxCmplt=unexpected_completion RxOF=receiver_overflow "
    "MalfTLP=malformed_tlp ECRC=ecrc_error UnsupReq=unsupported_request_error ACSViol=acs_violation"
)
CORRECTABLE = (
    "RxErr=receiver_error BadTLP=bad_tlp BadDLLP=bad_dllp Rollover=replay_num_rollover Timeout=replay_timer_timeout "
    "AdvNonFatalErr=advisory_non_fatal_error"
)
ARBITRATION = ("Fixed", "WRR32", "WRR64", "WRR128", "??4", "??5", "??6", "??7")
VC_ARBITRATION = ("Fixed", "WRR32", "WRR64", "WRR128", "TWRR128", "WRR256", "??6", "??7")


def _aer(cap: Any, context: Any) -> Iterator[str]:
    yield "Advanced Error Reporting"
    yield f"\t\tUESta:\t{flags(cap.uncorrectable_error_status, UNCORRECTABLE)}"
    yield f"\t\tUEMsk:\t{flags(cap.uncorrectable_error_mask, UNCORRECTABLE)}"
    yield f"\t\tUESvrt:\t{flags(cap.uncorrectable_error_severity, UNCORRECTABLE)}"
    yield f"\t\tCESta:\t{flags(cap.correctable_error_status, CORRECTABLE)}"
    yield f"\t\tCEMsk:\t{flags(cap.correctable_error_mask, CORRECTABLE)}"
    c = cap.capabilities_control
    extra = flags(
        c,
        "ECRCGenCap=ecrc_generation_capable ECRCGenEn=ecrc_generation_enable ECRCChkCap=ecrc_check_capable "
        "ECRCChkEn=ecrc_check_enable",
    )
    yield f"\t\tAERCap:\tFirst Error Pointer: {c.first_error_pointer:02x}, {extra}"
    yield "\t\t\t" + flags(
        c,
        "MultHdrRecCap=multiple_header_recording_capable MultHdrRecEn=multiple_header_recording_enable "
        "TLPPfxPres=tlp_prefix_log_present HdrLogCap=completion_timeout_prefix_header_log_capable",
    )
    yield f"\t\tHeaderLog: {' '.join(f'{dw:08x}' for dw in cap.header_log)}"
    if context.port_type in {ROOT, COLLECTOR}:
        yield from _aer_root(cap)


def _aer_root(cap: Any) -> Iterator[str]:
    command, status = cap.root_error_command, cap.root_error_status
    yield "\t\tRootCmd: " + flags(
        command,
        "CERptEn=correctable_error_reporting_enable NFERptEn=non_fatal_error_reporting_enable "
        "FERptEn=fatal_error_reporting_enable",
    )
    yield "\t\tRootSta: " + flags(
        status,
        "CERcvd=err_cor_received MultCERcvd=multiple_err_cor_received UERcvd=err_fatal_nonfatal_received "
        "MultUERcvd=multiple_err_fatal_nonfatal_received",
    )
    extra = flags(
        status,
        "FirstFatal=first_uncorrectable_fatal NonFatalMsg=non_fatal_error_messages_received "
        "FatalMsg=fatal_error_messages_received",
    )
    yield f"\t\t\t {extra} IntMsg {status.interrupt_message_number}"
    correctable, other = cap.err_cor_source_identification, cap.err_fatal_nonfatal_source_identification
    yield f"\t\tErrorSrc: ERR_COR: {correctable:04x} ERR_FATAL/NONFATAL: {other:04x}"


def _dpc(cap: Any, _: Any) -> Iterator[str]:
    c, d, s = cap.capability, cap.control, cap.status
    yield "Downstream Port Containment"
    extra = flags(
        c,
        "RPExt=rp_extensions PoisonedTLP=poisoned_tlp_egress_blocking_supported SwTrigger=software_triggering_supported",
    )
    active = flags(c, "DL_ActiveErr=dl_active_err_cor_signaling_supported")
    yield f"\t\tDpcCap:\tINT Msg #{c.interrupt_message_number}, {extra} RP PIO Log {c.rp_pio_log_size}, {active}"
    extra = flags(
        d,
        "Cmpl=completion_control INT=interrupt_enable ErrCor=err_cor_enable "
        "PoisonedTLP=poisoned_tlp_egress_blocking_enable SwTrigger=software_trigger DL_ActiveErr=dl_active_err_cor_enable",
    )
    yield f"\t\tDpcCtl:\tTrigger:{int(d.trigger_enable):x} {extra}"
    trigger, interrupt = flags(s, "Trigger=trigger_status"), flags(s, "INT=interrupt_status RPBusy=rp_busy")
    yield (
        f"\t\tDpcSta:\t{trigger} Reason:{int(s.trigger_reason):02x} {interrupt} "
        f"TriggerExt:{s.trigger_reason_extension:02x} RP PIO ErrPtr:{s.rp_pio_first_error_pointer:02x}"
    )
    yield f"\t\tSource:\t{cap.error_source_id:04x}"


def _acs(cap: Any, _: Any) -> Iterator[str]:
    names = ["SrcValid", "TransBlk", "ReqRedir", "CmpltRedir", "UpstreamFwd", "EgressCtrl", "DirectTrans"]
    fields = [
        "source_validation",
        "translation_blocking",
        "p2p_request_redirect",
        "p2p_completion_redirect",
        "upstream_forwarding",
        "p2p_egress_control",
        "direct_translated_p2p",
    ]
    yield "Access Control Services"
    pairs = list(zip(names, fields, strict=True))
    yield f"\t\tACSCap:\t{flags(cap, ' '.join(f'{name}={field}' for name, field in pairs))}"
    yield f"\t\tACSCtl:\t{flags(cap.control, ' '.join(f'{name}={field}_enable' for name, field in pairs))}"


def _ari(cap: Any, _: Any) -> Iterator[str]:
    c, d = cap.capability, cap.control
    yield "Alternative Routing-ID Interpretation (ARI)"
    extra = flags(c, "MFVC=mfvc_function_groups_capability ACS=acs_function_groups_capability")
    yield f"\t\tARICap:\t{extra}, Next Function: {c.next_function_number}"
    extra = flags(d, "MFVC=mfvc_function_groups_enable ACS=acs_function_groups_enable")
    yield f"\t\tARICtl:\t{extra}, Function Group: {d.function_group}"


def _ats(cap: Any, _: Any) -> Iterator[str]:
    yield "Address Translation Service (ATS)"
    yield f"\t\tATSCap:\tInvalidate Queue Depth: {cap.capability.invalidate_queue_depth:02x}"
    unit = cap.control.smallest_translation_unit
    yield f"\t\tATSCtl:\t{flags(cap.control, 'Enable=enable')}, Smallest Translation Unit: {unit:02x}"


def _pri(cap: Any, _: Any) -> Iterator[str]:
    yield "Page Request Interface (PRI)"
    yield f"\t\tPRICtl: {flags(cap.control, 'Enable=enable Reset=reset')}"
    shown = "RF=response_failure UPRGI=unexpected_page_request_group_index Stopped=stopped"
    yield f"\t\tPRISta: {flags(cap.status, shown)}"
    capacity, allocation = cap.outstanding_page_request_capacity, cap.outstanding_page_request_allocation
    yield f"\t\tPage Request Capacity: {capacity:08x}, Page Request Allocation: {allocation:08x}"


def _pasid(cap: Any, _: Any) -> Iterator[str]:
    yield "Process Address Space ID (PASID)"
    shown = flags(cap.capability, "Exec=execute_permission_supported Priv=privileged_mode_supported")
    yield f"\t\tPASIDCap: {shown}, Max PASID Width: {cap.capability.max_pasid_width:02x}"
    shown = "Enable=enable Exec=execute_permission_enable Priv=privileged_mode_enable"
    yield f"\t\tPASIDCtl: {flags(cap.control, shown)}"


def _sriov(cap: Any, _: Any) -> Iterator[str]:
    c, d = cap.capabilities, cap.control
    yield "Single Root I/O Virtualization (SR-IOV)"
    shown = flags(c, "Migration=vf_migration_capable 10BitTagReq=vf_ten_bit_tag_requester_supported")
    yield f"\t\tIOVCap:\t{shown} Interrupt Message Number: {c.vf_migration_interrupt_message_number:03x}"
    yield "\t\tIOVCtl:\t" + flags(
        d,
        "Enable=vf_enable Migration=vf_migration_enable Interrupt=vf_migration_interrupt_enable "
        "MSE=vf_memory_space_enable ARIHierarchy=ari_capable_hierarchy 10BitTagReq=vf_ten_bit_tag_requester_enable",
    )
    yield f"\t\tIOVSta:\t{flags(cap.status, 'Migration=vf_migration_status')}"
    yield (
        f"\t\tInitial VFs: {cap.initial_vfs}, Total VFs: {cap.total_vfs}, Number of VFs: {cap.num_vfs}, "
        f"Function Dependency Link: {cap.function_dependency_link:02x}"
    )
    yield f"\t\tVF offset: {cap.first_vf_offset}, stride: {cap.vf_stride}, Device ID: {cap.vf_device_id:04x}"
    pages = f"Supported Page Size: {cap.supported_page_sizes:08x}, System Page Size: {cap.system_page_size:08x}"
    yield f"\t\t{pages}"
    index, after = 0, int.from_bytes(cap.vf_migration_state_array_offset.build(), "little")
    registers = (*cap.vf_bars, after)  # lspci takes what follows for the upper half of a 64-bit BAR 5
    while index < 6:
        bar = registers[index]
        if bar not in {0, FULL}:
            kind, upper = bar >> 1 & 3, ""
            line = f"\t\tRegion {index}: Memory at "
            if kind == 2:
                index += 1
                upper = f"{registers[index]:08x}"
            width = "32" if kind == 0 else "64"
            yield f"{line}{upper}{bar & ~0xF:08x} ({width}-bit, {'' if bar & 8 else 'non-'}prefetchable)"
        index += 1
    array = cap.vf_migration_state_array_offset
    yield f"\t\tVF Migration: offset: {array.offset_qw << 3:08x}, BIR: {array.bir:x}"


def _multicast(cap: Any, context: Any) -> Iterator[str]:
    yield "Multicast"
    c, kind = cap.capability, context.port_type
    line = f"\t\tMcastCap: MaxGroups {c.max_groups_minus_1 + 1}"
    if kind in {EP, INTEGRATED}:
        size = c.window_size_requested
        line += f", WindowSz {size} ({_shifted(size)} bytes)"
    line += f", {flags(c, 'ECRCRegen=ecrc_regeneration_supported')}\n" if kind in {ROOT, UP, DOWN} else ""
    control = f"\t\tMcastCtl: NumGroups {cap.control.num_groups_minus_1 + 1}, {flags(cap.control, 'Enable=enable')}"
    yield from (line + control).split("\n")  # for other kinds lspci forgets to end the line
    base = cap.base_address
    yield f"\t\tMcastBAR: IndexPos {base.index_position}, BaseAddr {base.base_address_page << 12:016x}"
    yield f"\t\tMcastReceiveVec:      {cap.receive:016x}"
    yield f"\t\tMcastBlockAllVec:     {cap.block_all:016x}"
    yield f"\t\tMcastBlockUntransVec: {cap.block_untranslated:016x}"
    if kind not in {EP, INTEGRATED}:
        size = cap.overlay.overlay_size
        shown = f"({_shifted(size)} bytes)" if size >= 6 else "(disabled)"
        address = cap.overlay.overlay_base_address_64b << 6
        yield f"\t\tMcastOverlayBAR: OverlaySize {size} {shown}, BaseAddr {address:016x}"


def _shifted(size: int) -> int:
    """Return 1 << size as a C int on x86, which takes 5 bits of the count."""
    value = 1 << (size & 31)
    return value - (1 << 32) if value >> 31 else value


def _vc(cap: Any, context: Any) -> Iterator[str]:
    yield "Virtual Channel"
    clock = "100ns" if cap.reference_clock == 0 else f"??{cap.reference_clock}"
    bits = 1 << cap.port_arbitration_table_entry_size
    yield f"\t\tCaps:\tLPEVC={cap.low_priority_extended_vc_count} RefClk={clock} PATEntryBits={bits}"
    second = cap.port_capability_2
    yield f"\t\tArb:\t{_arbitration(ARBITRATION, second.vc_arbitration_capability)}"
    yield f"\t\tCtrl:\tArbSelect={ARBITRATION[cap.port_control.vc_arbitration_select]}"
    yield f"\t\tStatus:\t{flags(cap.port_status, 'InProgress=vc_arbitration_table_status')}"
    if second.vc_arbitration_table_offset:
        at = next(found.offset for found in context.function.capabilities if found.structure is cap)
        yield f"\t\tPort Arbitration Table [{at + 16 * second.vc_arbitration_table_offset:x}] <?>"
    for index, resource in enumerate(cap.resources):
        yield from _resource(index, resource)


def _arbitration(names: tuple[str, ...], capability: int) -> str:
    shown = (
        f"{name}{'+' if capability >> bit & 1 else '-'}"
        for bit, name in enumerate(names)
        if name[0] != "?" or capability >> bit & 1
    )
    return " ".join(shown)


def _resource(index: int, resource: Any) -> Iterator[str]:
    c, d = resource.capability, resource.control
    yield (
        f"\t\tVC{index}:\tCaps:\tPATOffset={c.port_arbitration_table_offset:02x} "
        f"MaxTimeSlots={c.maximum_time_slots_minus_1 + 1} {flags(c, 'RejSnoopTrans=reject_snoop_transactions')}"
    )
    yield f"\t\t\tArb:\t{_arbitration(VC_ARBITRATION, c.port_arbitration_capability)}"
    select = VC_ARBITRATION[d.port_arbitration_select]
    yield f"\t\t\tCtrl:\t{flags(d, 'Enable=vc_enable')} ID={d.vc_id} ArbSelect={select} TC/VC={d.tc_vc_map:02x}"
    shown = "NegoPending=vc_negotiation_pending InProgress=port_arbitration_table_status"
    yield f"\t\t\tStatus:\t{flags(resource.status, shown)}"
    if c.port_arbitration_table_offset:
        yield "\t\t\tPort Arbitration Table <?>"


def _serial(cap: Any, _: Any) -> Iterator[str]:
    digits = f"{cap.serial_number:016x}"
    yield f"Device Serial Number {'-'.join(digits[at : at + 2] for at in range(0, 16, 2))}"


def _links(cap: Any, _: Any) -> Iterator[str]:
    yield "Root Complex Link"
    kinds = ("Config", "Egress", "Internal")
    kind = cap.element_type | cap.reserved_7_4 << 4  # lspci takes the reserved bits for a part of it
    shown = kinds[kind] if kind < len(kinds) else f"??{kind}"
    yield f"\t\tDesc:\tPortNumber={cap.port_number:02x} ComponentID={cap.component_id:02x} EltType={shown}"
    for index, link in enumerate(cap.links):
        d, address = link.description, link.address
        yield (
            f"\t\tLink{index}:\tDesc:\tTargetPort={d.target_port_number:02x} TargetComponent={d.target_component_id:02x} "
            f"{flags(d, 'AssocRCRB=associate_rcrb_header')} LinkType={'Config' if d.link_type else 'MemMapped'} "
            f"{flags(d, 'LinkValid=link_valid')}"
        )
        if d.link_type:
            buses = address & 7 or 8
            low = address & FULL
            bus = low >> 20 & (1 << buses) - 1
            yield f"\t\t\tAddr:\t{bus:02x}:{low >> 15 & 31:02x}.{low >> 12 & 7}  CfgSpace={address:016x}"
        else:
            yield f"\t\t\tAddr:\t{address:016x}"


def _collector(cap: Any, _: Any) -> Iterator[str]:
    yield "Root Complex Event Collector Endpoint Association"
    bitmap = cap.association_bitmap
    yield f"\t\tRCiEPBitmap: {_devices(bitmap) if bitmap else '00000000 [none]'}"
    if cap.capability_version >= 2:
        none = cap.last_bus == 0 and cap.next_bus == 0xFF
        yield f"\t\tAssociatedBusNumbers: {'ff-00 [none]' if none else f'{cap.next_bus:02x}-{cap.last_bus:02x}'}"


def _devices(bitmap: int) -> str:
    """Return the devices as lspci lists them; of a run that reaches device 31 it shows the start alone."""
    shown, run = "RCiEP at Device(s):", 0
    first = True
    for device in range(32):
        if bitmap >> device & 1:
            if not run:
                shown += f"{'' if first else ','} {device}"
                first = False
            run += 1
        else:
            shown += f"-{device - 1}" if run > 1 else ""
            run = 0
    return shown


def _dvsec(cap: Any, context: Any) -> Iterator[str]:
    title = (
        f"Designated Vendor-Specific: Vendor={cap.dvsec_vendor_id:04x} ID={cap.dvsec_id:04x} "
        f"Rev={cap.dvsec_revision} Len={cap.dvsec_length}"
    )
    if cap.dvsec_vendor_id == 0x1E98 and cap.dvsec_length >= 16:
        yield f"{title}: CXL"
        yield from cxl_lines(cap)
    else:
        yield f"{title} <?>"


def _vsec(cap: Any, _: Any) -> Iterator[str]:
    yield f"Vendor Specific Information: ID={cap.vsec_id:04x} Rev={cap.vsec_revision} Len={cap.vsec_length:03x} <?>"


def _power_on(scale: int, value: int) -> str:
    return f"{(2, 10, 100)[scale] * value}us" if scale < 3 else "<error>"


def _l1(cap: Any, _: Any) -> Iterator[str]:
    c, one, two = cap.capabilities, cap.control_1, cap.control_2
    yield "L1 PM Substates"
    names = "PCI-PM_L1.2=pci_pm_l1_2_{0} PCI-PM_L1.1=pci_pm_l1_1_{0} ASPM_L1.2=aspm_l1_2_{0} ASPM_L1.1=aspm_l1_1_{0}"
    yield f"\t\tL1SubCap: {flags(c, names.format('supported'))} {flags(c, 'L1_PM_Substates=l1_pm_substates_supported')}"
    has_l1_2 = c.pci_pm_l1_2_supported or c.aspm_l1_2_supported
    if has_l1_2:
        on = _power_on(c.port_t_power_on_scale, c.port_t_power_on_value)
        yield f"\t\t\t  PortCommonModeRestoreTime={c.port_common_mode_restore_time}us PortTPowerOnTime={on}"
    yield f"\t\tL1SubCtl1: {flags(one, names.format('enable'))}"
    if has_l1_2:
        line = f"\t\t\t   T_CommonMode={one.common_mode_restore_time}us"
        if c.aspm_l1_2_supported:
            scale = one.ltr_l1_2_threshold_scale
            shown = "<error>" if scale > 5 else f"{one.ltr_l1_2_threshold_value << 5 * scale}ns"
            line += f" LTR1.2_Threshold={shown}"
        yield line
    on = _power_on(two.t_power_on_scale, two.t_power_on_value)
    yield f"\t\tL1SubCtl2:{f' T_PwrOn={on}' if has_l1_2 else ''}"


def _granularity(value: int, none: str) -> str:
    return {0: none, 255: "Greater than 254ns"}.get(value, f"{value}ns")


def _ptm(cap: Any, _: Any) -> Iterator[str]:
    c, d = cap.capability, cap.control
    yield "Precision Time Measurement"
    yield f"\t\tPTMCap: {flags(c, 'Requester:=requester_capable Responder:=responder_capable Root:=root_capable')}"
    yield f"\t\tPTMClockGranularity: {_granularity(c.local_clock_granularity, 'Unimplemented')}"
    yield f"\t\tPTMControl: {flags(d, 'Enabled:=enable RootSelected:=root_select')}"
    yield f"\t\tPTMEffectiveGranularity: {_granularity(d.effective_granularity, 'Unknown')}"


def _rebar_size(size: int) -> str:
    units = ("MB", "GB", "TB", "PB", "EB")
    return f" {1 << size % 10}{units[size // 10]}" if size < 44 else " <unknown>"


def _rebar(title: str) -> Callable[[Any, Any], Iterator[str]]:
    def lines(cap: Any, _: Any) -> Iterator[str]:
        yield f"{title} Resizable BAR"
        count = cap.bars[0].control.number_of_resizable_bars
        if not 1 <= count <= 6:
            yield f"\t\t<error in resizable BAR: num_bars={count} is out of specification>"
            return
        for bar in cap.bars:
            sizes = [bit for bit in range(28) if bar.capability.supported_sizes >> bit & 1]
            sizes += [bit + 28 for bit in range(16) if bar.control.supported_sizes_extended >> bit & 1]
            line = f"\t\tBAR {bar.control.bar_index}: current size:{_rebar_size(bar.control.bar_size)}"
            yield line + (f", supported:{''.join(map(_rebar_size, sizes))}" if sizes else "")

    return lines


def _tph(cap: Any, _: Any) -> Iterator[str]:
    yield "Transaction Processing Hints"
    if cap.interrupt_vector_mode_supported:
        yield "\t\tInterrupt vector mode supported"
    if cap.device_specific_mode_supported:
        yield "\t\tDevice specific mode supported"
    if cap.extended_tph_requester_supported:
        yield "\t\tExtended requester support"
    yield {
        0: "\t\tNo steering table available",
        1: "\t\tSteering table in TPH capability structure",
        2: "\t\tSteering table in MSI-X table",
        3: "\t\tReserved steering table location",
    }[int(cap.st_table_location)]


def _ltr(cap: Any, _: Any) -> Iterator[str]:
    yield "Latency Tolerance Reporting"
    for name, latency in (("snoop", cap.max_snoop_latency), ("no snoop", cap.max_no_snoop_latency)):
        scale = (1 << (latency.scale * 5 & 31)) & FULL  # a C int on x86, for the scales that are reserved
        yield f"\t\tMax {name} latency: {latency.value * scale}ns"


def _secondary(cap: Any, _: Any) -> Iterator[str]:
    yield "Secondary PCI Express"
    shown = "LnkEquIntrruptEn=link_equalization_request_interrupt_enable PerformEqu=perform_equalization"
    yield f"\t\tLnkCtl3: {flags(cap.link_control_3, shown)}"
    lanes = [str(lane) for lane in range(16) if cap.lane_error_status >> lane & 1]  # lspci reads half of the register
    yield f"\t\tLaneErrStat: {'LaneErr at lane: ' + ' '.join(lanes) if lanes else '0'}"


def _doe(cap: Any, _: Any) -> Iterator[str]:
    yield "Data Object Exchange"
    yield f"\t\tDOECap: {flags(cap.capabilities, 'IntSup=interrupt_support')}"
    if cap.capabilities.interrupt_support:
        yield f"\t\t\tInterrupt Message Number {cap.capabilities.interrupt_message_number:03x}"
    yield f"\t\tDOECtl: {flags(cap.control, 'IntEn=interrupt_enable')}"
    s = cap.status
    error = "+" if s.busy or s.interrupt_status else "-"  # lspci tests bits 0 and 1 for it, instead of bit 2
    shown = flags(s, "Busy=busy IntSta=interrupt_status"), flags(s, "ObjectReady=data_object_ready")
    yield f"\t\tDOESta: {shown[0]} Error{error} {shown[1]}"


def _named(title: str) -> Callable[[Any, Any], Iterator[str]]:
    return lambda _cap, _context: iter([title])


EXTENDED: dict[int, Callable[[Any, Any], Iterator[str]]] = {
    0x00: _named("Null"),
    0x01: _aer,
    0x02: _vc,
    0x03: _serial,
    0x04: _named("Power Budgeting <?>"),
    0x05: _links,
    0x06: _named("Root Complex Internal Link <?>"),
    0x07: _collector,
    0x08: _named("Multi-Function Virtual Channel <?>"),
    0x09: _vc,
    0x0A: _named("Root Complex Register Block <?>"),
    0x0B: _vsec,
    0x0D: _acs,
    0x0E: _ari,
    0x0F: _ats,
    0x10: _sriov,
    0x11: _named("Multi-Root I/O Virtualization <?>"),
    0x12: _multicast,
    0x13: _pri,
    0x15: _rebar("Physical"),
    0x16: _named("Dynamic Power Allocation <?>"),
    0x17: _tph,
    0x18: _ltr,
    0x19: _secondary,
    0x1A: _named("Protocol Multiplexing <?>"),
    0x1B: _pasid,
    0x1C: _named("LN Requester <?>"),
    0x1D: _dpc,
    0x1E: _l1,
    0x1F: _ptm,
    0x20: _named("PCI Express over M_PHY <?>"),
    0x21: _named("FRS Queueing <?>"),
    0x22: _named("Readiness Time Reporting <?>"),
    0x23: _dvsec,
    0x24: _rebar("Virtual"),
    0x25: _named("Data Link Feature <?>"),
    0x26: _named("Physical Layer 16.0 GT/s <?>"),
    0x27: _named("Lane Margining at the Receiver <?>"),
    0x28: _named("Hierarchy ID <?>"),
    0x29: _named("Native PCIe Enclosure Management <?>"),
    0x2E: _doe,
}
EXTENDED |= {
    number: _named(f"Extended Capability ID {number:#x}") for number in (0x2A, 0x2B, 0x2F, 0x30, 0x31, 0x32, 0x34, 0x36)
}
