"""What ``lspci -vvv`` of Debian 12 prints of a PCI Express capability, written from a decoded one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytio.ids import Bdf
from pytio.pci.codes import DevicePortType
from pytio.pci.dump import Function
from tests.pci.lspci_header import FULL, flags

EP, LEGACY, ROOT, UP, DOWN, TO_PCI, FROM_PCI, INTEGRATED, COLLECTOR = DevicePortType
TITLES = {
    EP: "Endpoint",
    LEGACY: "Legacy Endpoint",
    ROOT: "Root Port (Slot{})",
    UP: "Upstream Port",
    DOWN: "Downstream Port (Slot{})",
    TO_PCI: "PCI-Express to PCI/PCI-X Bridge",
    FROM_PCI: "PCI/PCI-X to PCI-Express Bridge (Slot{})",
    INTEGRATED: "Root Complex Integrated Endpoint",
    COLLECTOR: "Root Complex Event Collector",
}
L0S = ("<64ns", "<128ns", "<256ns", "<512ns", "<1us", "<2us", "<4us", "unlimited")
L1 = ("<1us", "<2us", "<4us", "<8us", "<16us", "<32us", "<64us", "unlimited")
SPEEDS = {1: "2.5GT/s", 2: "5GT/s", 3: "8GT/s", 4: "16GT/s", 5: "32GT/s", 6: "64GT/s"}
SCALES = (1.0, 0.1, 0.01, 0.001)
ASPM = ("not supported", "L0s", "L1", "L0s L1")
ASPM_ON = ("Disabled", "L0s Enabled", "L1 Enabled", "L0s L1 Enabled")
INDICATORS = ("Unknown", "On", "Blink", "Off")
RANGES = {0: "Not Supported", 1: "Range A", 2: "Range B", 3: "Range AB", 6: "Range BC", 7: "Range ABC", 14: "Range BCD"}
RANGES[15] = "Range ABCD"
TIMEOUTS = {
    0: "50us to 50ms",
    1: "50us to 100us",
    2: "1ms to 10ms",
    5: "16ms to 55ms",
    6: "65ms to 210ms",
    9: "260ms to 900ms",
    10: "1s to 3.5s",
    13: "4s to 13s",
    14: "17s to 64s",
}
OBFF = ("Not Supported", "Via message", "Via WAKE#", "Via message/WAKE#")
OBFF_ON = ("Disabled", "Via message A", "Via message B", "Via WAKE#")
REDUCTION = ("Not Supported", "Dev Specific", "Form Factor Dev Specific", "Reserved")
CACHE_LINES = ("Not Supported", "64byte cachelines", "128byte cachelines", "Reserved")
HINTS = ("TPHComp- ExtTPHComp-", "TPHComp+ ExtTPHComp-", "", "TPHComp+ ExtTPHComp+")
PRESETS = (
    "-6dB de-emphasis, 0dB preshoot",
    "-3.5dB de-emphasis, 0dB preshoot",
    "-4.4dB de-emphasis, 0dB preshoot",
    "-2.5dB de-emphasis, 0dB preshoot",
    "0dB de-emphasis, 0dB preshoot",
    "0dB de-emphasis, 1.9dB preshoot",
    "0dB de-emphasis, 2.5dB preshoot",
    "-6.0dB de-emphasis, 3.5dB preshoot",
    "-3.5dB de-emphasis, 3.5dB preshoot",
    "0dB de-emphasis, 3.5dB preshoot",
)
MARGINS = (
    "Normal Operating Range",
    "800-1200mV(full-swing)/400-700mV(half-swing)",
    *("200-400mV(full-swing)/100-200mV(half-swing)",) * 4,
    *("Unknown",) * 2,
)
CROSSLINK = ("unsupported", "Upstream Port", "Downstream Port", "incomplete")
PRESENCE = {
    0: "Link Down - Not Determined",
    1: "Link Down - Not Present",
    2: "Link Down - Present",
    4: "Link Up - Present",
    5: "Link Up - Present and DRS Received",
}


def type_title(cap: Any) -> str:
    """Return the kind of function, as the title has it."""
    title = TITLES.get(cap.device_port_type, f"Unknown type {int(cap.device_port_type)}")
    return title.format("+" if cap.slot_implemented else "-")


def power_limit(value: int, scale: int) -> str:
    """Return a power limit in watts."""
    if scale == 0 and value >= 0xF0:
        return ">600W" if value == 0xFF else f"{250 + 25 * (value - 0xF0):g}W"
    return f"{value * SCALES[scale]:g}W"


def express_lines(cap: Any, bdf: Bdf, function: Function) -> Iterator[str]:
    """Yield the lines below the title."""
    kind = cap.device_port_type
    has_link = kind not in {INTEGRATED, COLLECTOR}
    has_slot = cap.slot_implemented and kind in {ROOT, DOWN, FROM_PCI}
    yield from _device(cap, kind)
    if has_link:
        yield from _link(cap, kind)
    if has_slot:
        yield from _slot(cap)
    if kind in {ROOT, COLLECTOR}:
        yield from _root(cap)
    if cap.version >= 2:
        yield from _device_2(cap, kind, function)
        if has_link:
            yield from _link_2(cap, kind, bdf)


def _device(cap: Any, kind: int) -> Iterator[str]:
    c, d, s = cap.device_capabilities, cap.device_control, cap.device_status
    line = f"\t\tDevCap:\tMaxPayload {128 << c.max_payload_size_supported} bytes, "
    line += f"PhantFunc {(1 << c.phantom_functions_supported) - 1}"
    if kind in {EP, LEGACY}:
        line += f", Latency L0s {L0S[c.endpoint_l0s_acceptable_latency]}, L1 {L1[c.endpoint_l1_acceptable_latency]}"
    yield line
    line = f"\t\t\t{flags(c, 'ExtTag=extended_tag_field_supported')}"
    if kind in {EP, LEGACY, UP, TO_PCI}:
        shown = "AttnBtn=attention_button_present AttnInd=attention_indicator_present PwrInd=power_indicator_present"
        line += f" {flags(c, shown)}"
    line += f" {flags(c, 'RBE=role_based_error_reporting')}"
    if kind in {EP, LEGACY, INTEGRATED}:
        line += f" {flags(c, 'FLReset=function_level_reset_capability')}"
    if kind in {EP, UP, TO_PCI}:
        limit = power_limit(c.captured_slot_power_limit_value, c.captured_slot_power_limit_scale)
        line += f" SlotPowerLimit {limit}"
    yield line
    errors = (
        "CorrErr=correctable_error_reporting_enable NonFatalErr=non_fatal_error_reporting_enable "
        "FatalErr=fatal_error_reporting_enable UnsupReq=unsupported_request_reporting_enable"
    )
    yield f"\t\tDevCtl:\t{flags(d, errors)}"
    enables = (
        "RlxdOrd=enable_relaxed_ordering ExtTag=extended_tag_field_enable PhantFunc=phantom_functions_enable "
        "AuxPwr=aux_power_pm_enable NoSnoop=enable_no_snoop"
    )
    line = f"\t\t\t{flags(d, enables)}"
    if kind == TO_PCI:
        line += f" {flags(d, 'BrConfRtry=initiate_function_level_reset')}"
    if kind in {EP, LEGACY, INTEGRATED} and c.function_level_reset_capability:
        line += f" {flags(d, 'FLReset=initiate_function_level_reset')}"
    yield line
    yield f"\t\t\tMaxPayload {128 << d.max_payload_size} bytes, MaxReadReq {128 << d.max_read_request_size} bytes"
    states = (
        "CorrErr=correctable_error_detected NonFatalErr=non_fatal_error_detected FatalErr=fatal_error_detected "
        "UnsupReq=unsupported_request_detected AuxPwr=aux_power_detected TransPend=transactions_pending"
    )
    yield f"\t\tDevSta:\t{flags(s, states)}"


def _compared(kind: int, status: int, capability: int) -> str:
    if status > capability:
        return " (overdriven)"
    return "" if status == capability or kind in {ROOT, DOWN, FROM_PCI} else " (downgraded)"


def _link(cap: Any, kind: int) -> Iterator[str]:
    c, d, s = cap.link_capabilities, cap.link_control, cap.link_status
    speed = SPEEDS.get(c.max_link_speed, "unknown")
    line = (
        f"\t\tLnkCap:\tPort #{c.port_number}, Speed {speed}, Width x{c.maximum_link_width}, ASPM {ASPM[c.aspm_support]}"
    )
    exits = [f"L0s {L0S[c.l0s_exit_latency]}"] if c.aspm_support & 1 else []
    exits += [f"L1 {L1[c.l1_exit_latency]}"] if c.aspm_support & 2 else []
    yield line + (f", Exit Latency {', '.join(exits)}" if exits else "")
    yield "\t\t\t" + flags(
        c,
        "ClockPM=clock_power_management Surprise=surprise_down_error_reporting_capable "
        "LLActRep=data_link_layer_link_active_reporting_capable BwNot=link_bandwidth_notification_capability "
        "ASPMOptComp=aspm_optionality_compliance",
    )
    line = f"\t\tLnkCtl:\tASPM {ASPM_ON[d.aspm_control]};"
    if kind in {ROOT, EP, LEGACY, TO_PCI}:
        line += f" RCB {128 if d.read_completion_boundary else 64} bytes,"
    yield f"{line} {flags(d, 'Disabled=link_disable CommClk=common_clock_configuration')}"
    yield "\t\t\t" + flags(
        d,
        "ExtSynch=extended_synch ClockPM=enable_clock_power_management AutWidDis=hardware_autonomous_width_disable "
        "BWInt=link_bandwidth_management_interrupt_enable AutBWInt=link_autonomous_bandwidth_interrupt_enable",
    )
    speed = SPEEDS.get(s.current_link_speed, "unknown") + _compared(kind, s.current_link_speed, c.max_link_speed)
    width = f"x{s.negotiated_link_width}{_compared(kind, s.negotiated_link_width, c.maximum_link_width)}"
    yield f"\t\tLnkSta:\tSpeed {speed}, Width {width}"
    yield "\t\t\t" + flags(
        s,
        "TrErr=training_error Train=link_training SlotClk=slot_clock_configuration DLActive=data_link_layer_link_active "
        "BWMgmt=link_bandwidth_management_status ABWMgmt=link_autonomous_bandwidth_status",
    )


def _slot(cap: Any) -> Iterator[str]:
    c, d, s = cap.slot_capabilities, cap.slot_control, cap.slot_status
    yield "\t\tSltCap:\t" + flags(
        c,
        "AttnBtn=attention_button_present PwrCtrl=power_controller_present MRL=mrl_sensor_present "
        "AttnInd=attention_indicator_present PwrInd=power_indicator_present HotPlug=hot_plug_capable "
        "Surprise=hot_plug_surprise",
    )
    limit = power_limit(c.slot_power_limit_value, c.slot_power_limit_scale)
    extra = flags(c, "Interlock=electromechanical_interlock_present NoCompl=no_command_completed_support")
    yield f"\t\t\tSlot #{c.physical_slot_number}, PowerLimit {limit}; {extra}"
    yield "\t\tSltCtl:\tEnable: " + flags(
        d,
        "AttnBtn=attention_button_pressed_enable PwrFlt=power_fault_detected_enable MRL=mrl_sensor_changed_enable "
        "PresDet=presence_detect_changed_enable CmdCplt=command_completed_interrupt_enable "
        "HPIrq=hot_plug_interrupt_enable LinkChg=data_link_layer_state_changed_enable",
    )
    indicators = f"AttnInd {INDICATORS[d.attention_indicator_control]}, PwrInd {INDICATORS[d.power_indicator_control]}"
    extra = flags(d, "Power=power_controller_control Interlock=electromechanical_interlock_control")
    yield f"\t\t\tControl: {indicators}, {extra}"
    yield "\t\tSltSta:\tStatus: " + flags(
        s,
        "AttnBtn=attention_button_pressed PowerFlt=power_fault_detected MRL=mrl_sensor_state CmdCplt=command_completed "
        "PresDet=presence_detect_state Interlock=electromechanical_interlock_status",
    )
    yield "\t\t\tChanged: " + flags(
        s, "MRL=mrl_sensor_changed PresDet=presence_detect_changed LinkState=data_link_layer_state_changed"
    )


def _root(cap: Any) -> Iterator[str]:
    c, d, s = cap.root_capabilities, cap.root_control, cap.root_status
    yield f"\t\tRootCap: {flags(c, 'CRSVisible=configuration_rrs_software_visibility')}"
    yield "\t\tRootCtl: " + flags(
        d,
        "ErrCorrectable=system_error_on_correctable_error_enable ErrNon-Fatal=system_error_on_non_fatal_error_enable "
        "ErrFatal=system_error_on_fatal_error_enable PMEIntEna=pme_interrupt_enable "
        "CRSVisible=configuration_rrs_software_visibility_enable",
    )
    yield f"\t\tRootSta: PME ReqID {s.pme_requester_id:04x}, {flags(s, 'PMEStatus=pme_status PMEPending=pme_pending')}"


def _has_memory_bar(function: Function) -> bool:
    """Return what lspci takes for it: any BAR register with an address that is no I/O."""
    skip = False
    for bar in function.header.bars:  # type: ignore[union-attr]  # no other layouts here
        value = bar.value
        if skip or value in {0, FULL}:
            skip = False
            continue
        skip = not bar.is_io and bar.memory_type == 2
        if not bar.is_io:
            return True
    return False


def _device_2(cap: Any, kind: int, function: Function) -> Iterator[str]:
    c, d = cap.device_capabilities_2, cap.device_control_2
    ranges = RANGES.get(c.completion_timeout_ranges_supported, "Unknown")
    extra = flags(
        c,
        "TimeoutDis=completion_timeout_disable_supported NROPrPrP=no_ro_enabled_pr_pr_passing LTR=ltr_mechanism_supported",
    )
    yield f"\t\tDevCap2: Completion Timeout: {ranges}, {extra}"
    tags = flags(c, "10BitTagComp=ten_bit_tag_completer_supported 10BitTagReq=ten_bit_tag_requester_supported")
    extra = flags(c, "ExtFmt=extended_fmt_field_supported EETLPPrefix=end_end_tlp_prefix_supported")
    line = f"\t\t\t {tags} OBFF {OBFF[c.obff_supported]}, {extra}"
    if c.end_end_tlp_prefix_supported:
        line += f", MaxEETLPPrefixes {c.max_end_end_tlp_prefixes or 4}"
    yield line
    extra = flags(c, "EmergencyPowerReductionInit=emergency_power_reduction_initialization_required")
    yield f"\t\t\t EmergencyPowerReduction {REDUCTION[c.emergency_power_reduction_supported]}, {extra}"
    line = f"\t\t\t {flags(c, 'FRS=frs_supported')}"
    if kind == ROOT:
        line += f" LN System CLS {CACHE_LINES[c.ln_system_cls]},"
    if kind in {ROOT, EP}:
        line += f" {HINTS[c.tph_completer_supported]}"
    if kind in {ROOT, DOWN}:
        line += f" {flags(c, 'ARIFwd=ari_forwarding_supported')}"
    yield line
    routes, has_memory = kind in {ROOT, UP, DOWN}, _has_memory_bar(function)
    if routes or has_memory:
        line = "\t\t\t AtomicOpsCap:"
        line += f" {flags(c, 'Routing=atomic_op_routing_supported')}" if routes else ""
        if kind == ROOT or has_memory:
            sizes = "32bit=atomic_op_32_completer_supported 64bit=atomic_op_64_completer_supported"
            line += f" {flags(c, f'{sizes} 128bitCAS=cas_128_completer_supported')}"
        yield line
    timeout = TIMEOUTS.get(d.completion_timeout_value, "Unknown")
    extra = flags(
        d, "TimeoutDis=completion_timeout_disable LTR=ltr_mechanism_enable 10BitTagReq=ten_bit_tag_requester_enable"
    )
    line = f"\t\tDevCtl2: Completion Timeout: {timeout}, {extra} OBFF {OBFF_ON[d.obff_enable]},"
    yield line + (f" {flags(d, 'ARIFwd=ari_forwarding_enable')}" if kind in {ROOT, DOWN} else "")
    if kind in {ROOT, UP, DOWN, EP, INTEGRATED, LEGACY}:
        line = "\t\t\t AtomicOpsCtl:"
        if kind in {ROOT, EP, INTEGRATED, LEGACY}:
            line += f" {flags(d, 'ReqEn=atomic_op_requester_enable')}"
        yield line + (f" {flags(d, 'EgressBlck=atomic_op_egress_blocking')}" if routes else "")


def _speeds(vector: int) -> str:
    if vector & 0x60:
        return "RsvdP"
    found = [name for bit, name in enumerate(("2.5", "5", "8", "16", "32")) if vector >> bit & 1]
    if not found:
        return "Unknown"
    return "2.5GT/s" if found[-1] == "2.5" else f"2.5-{found[-1]}GT/s"


def _link_2(cap: Any, kind: int, bdf: Bdf) -> Iterator[str]:
    c, d, s = cap.link_capabilities_2, cap.link_control_2, cap.link_status_2
    has_capabilities = kind not in {EP, LEGACY} or (bdf.device == 0 and bdf.function == 0)
    if has_capabilities:
        if c.build() != bytes(4):
            shown = (
                "Crosslink=crosslink_supported Retimer=retimer_presence_detect_supported "
                "2Retimers=two_retimers_presence_detect_supported DRS=drs_supported"
            )
            speeds = _speeds(c.supported_link_speeds_vector)
            yield f"\t\tLnkCap2: Supported Link Speeds: {speeds}, {flags(c, shown)}"
        target = SPEEDS.get(d.target_link_speed or 1, "Unknown")
        extra = flags(d, "EnterCompliance=enter_compliance SpeedDis=hardware_autonomous_speed_disable")
        line = f"\t\tLnkCtl2: Target Link Speed: {target}, {extra}"
        yield line + (f", Selectable De-emphasis: {_emphasis(d.selectable_de_emphasis)}" if kind == DOWN else "")
        extra = flags(d, "EnterModifiedCompliance=enter_modified_compliance ComplianceSOS=compliance_sos")
        yield f"\t\t\t Transmit Margin: {MARGINS[d.transmit_margin]}, {extra}"
        preset = d.compliance_preset_de_emphasis
        shown = PRESETS[preset] if preset < len(PRESETS) else "Unknown"
        yield f"\t\t\t Compliance Preset/De-emphasis: {shown}"
    extra = flags(
        s,
        "EqualizationComplete=equalization_8_0_complete EqualizationPhase1=equalization_8_0_phase_1_successful",
    )
    yield f"\t\tLnkSta2: Current De-emphasis Level: {_emphasis(s.current_de_emphasis_level)}, {extra}"
    yield "\t\t\t " + flags(
        s,
        "EqualizationPhase2=equalization_8_0_phase_2_successful EqualizationPhase3=equalization_8_0_phase_3_successful "
        "LinkEqualizationRequest=link_equalization_request_8_0",
    )
    line = f"\t\t\t {flags(s, 'Retimer=retimer_presence_detected 2Retimers=two_retimers_presence_detected')} "
    line += f"CrosslinkRes: {CROSSLINK[s.crosslink_resolution]}"
    if kind in {ROOT, DOWN, FROM_PCI} and has_capabilities and c.drs_supported:
        yield f"{line}, {flags(s, 'DRS=drs_message_received')}"
        yield f"\t\t\t DownstreamComp: {PRESENCE.get(s.downstream_component_presence, 'Reserved')}"
    else:
        yield line


def _emphasis(level: int) -> str:
    return "-3.5dB" if level else "-6dB"
