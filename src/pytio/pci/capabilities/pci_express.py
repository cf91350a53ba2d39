"""PCI Express capability (10h): device, link, slot and root registers.

Document: PCIe Base 6.x section 7.5.3, "PCI Express Capability Structure".
"""

from __future__ import annotations

from pytio.pci.capabilities.base import Capability
from pytio.pci.codes import Aspm, CompletionTimeout, DevicePortType, Indicator, LinkSpeed, ObffControl
from pytio.registers import Register
from pytio.wire import Bit, Bits, Nested, message, wire

__all__ = (
    "DeviceCapabilities",
    "DeviceCapabilities2",
    "DeviceControl",
    "DeviceControl2",
    "DeviceStatus",
    "DeviceStatus2",
    "LinkCapabilities",
    "LinkCapabilities2",
    "LinkControl",
    "LinkControl2",
    "LinkStatus",
    "LinkStatus2",
    "PciExpress",
    "PciExpressDevice",
    "PciExpressLink",
    "PciExpressRoot",
    "PciExpressSlot",
    "RootCapabilities",
    "RootControl",
    "RootStatus",
    "SlotCapabilities",
    "SlotCapabilities2",
    "SlotControl",
    "SlotControl2",
    "SlotStatus",
    "SlotStatus2",
)


@message
class DeviceCapabilities(Register):
    """Device Capabilities Register, 4 bytes."""

    max_payload_size_supported: int = wire(Bits(3), default=0)
    """128 bytes, shifted left by this"""
    phantom_functions_supported: int = wire(Bits(2), default=0)
    """how many bits of the function number"""
    extended_tag_field_supported: bool = wire(Bit, default=False)
    endpoint_l0s_acceptable_latency: int = wire(Bits(3), default=0)
    endpoint_l1_acceptable_latency: int = wire(Bits(3), default=0)
    attention_button_present: bool = wire(Bit, default=False)
    attention_indicator_present: bool = wire(Bit, default=False)
    power_indicator_present: bool = wire(Bit, default=False)
    role_based_error_reporting: bool = wire(Bit, default=False)
    err_cor_subclass_capable: bool = wire(Bit, default=False)
    rx_mps_fixed: bool = wire(Bit, default=False)
    captured_slot_power_limit_value: int = wire(Bits(8), default=0)
    captured_slot_power_limit_scale: int = wire(Bits(2), default=0)
    function_level_reset_capability: bool = wire(Bit, default=False)
    mixed_mps_supported: bool = wire(Bit, default=False)
    tee_io_supported: bool = wire(Bit, default=False)
    """the function implements TDISP"""
    reserved_31: int = wire(Bits(1), default=0)


@message
class DeviceControl(Register):
    """Device Control Register, 2 bytes."""

    correctable_error_reporting_enable: bool = wire(Bit, default=False)
    non_fatal_error_reporting_enable: bool = wire(Bit, default=False)
    fatal_error_reporting_enable: bool = wire(Bit, default=False)
    unsupported_request_reporting_enable: bool = wire(Bit, default=False)
    enable_relaxed_ordering: bool = wire(Bit, default=False)
    max_payload_size: int = wire(Bits(3), default=0)
    """128 bytes, shifted left by this"""
    extended_tag_field_enable: bool = wire(Bit, default=False)
    phantom_functions_enable: bool = wire(Bit, default=False)
    aux_power_pm_enable: bool = wire(Bit, default=False)
    enable_no_snoop: bool = wire(Bit, default=False)
    max_read_request_size: int = wire(Bits(3), default=0)
    """128 bytes, shifted left by this"""
    initiate_function_level_reset: bool = wire(Bit, default=False)
    """of a bridge to PCI: configuration retry enable"""


@message
class DeviceStatus(Register):
    """Device Status Register, 2 bytes."""

    RW1C = frozenset(
        {
            "correctable_error_detected",
            "emergency_power_reduction_detected",
            "fatal_error_detected",
            "non_fatal_error_detected",
            "unsupported_request_detected",
        }
    )

    correctable_error_detected: bool = wire(Bit, default=False)
    non_fatal_error_detected: bool = wire(Bit, default=False)
    fatal_error_detected: bool = wire(Bit, default=False)
    unsupported_request_detected: bool = wire(Bit, default=False)
    aux_power_detected: bool = wire(Bit, default=False)
    transactions_pending: bool = wire(Bit, default=False)
    emergency_power_reduction_detected: bool = wire(Bit, default=False)
    reserved_15_7: int = wire(Bits(9), default=0)


@message
class LinkCapabilities(Register):
    """Link Capabilities Register, 4 bytes."""

    max_link_speed: LinkSpeed = wire(Bits(4, LinkSpeed), default=LinkSpeed.UNKNOWN)
    maximum_link_width: int = wire(Bits(6), default=0)
    aspm_support: Aspm = wire(Bits(2, Aspm), default=Aspm.NONE)
    l0s_exit_latency: int = wire(Bits(3), default=0)
    l1_exit_latency: int = wire(Bits(3), default=0)
    clock_power_management: bool = wire(Bit, default=False)
    surprise_down_error_reporting_capable: bool = wire(Bit, default=False)
    data_link_layer_link_active_reporting_capable: bool = wire(Bit, default=False)
    link_bandwidth_notification_capability: bool = wire(Bit, default=False)
    aspm_optionality_compliance: bool = wire(Bit, default=False)
    reserved_23: int = wire(Bits(1), default=0)
    port_number: int = wire(Bits(8), default=0)


@message
class LinkControl(Register):
    """Link Control Register, 2 bytes."""

    aspm_control: Aspm = wire(Bits(2, Aspm), default=Aspm.NONE)
    ptm_propagation_delay_adaptation_interpretation: bool = wire(Bit, default=False)
    read_completion_boundary: bool = wire(Bit, default=False)
    """64 bytes, or 128"""
    link_disable: bool = wire(Bit, default=False)
    retrain_link: bool = wire(Bit, default=False)
    common_clock_configuration: bool = wire(Bit, default=False)
    extended_synch: bool = wire(Bit, default=False)
    enable_clock_power_management: bool = wire(Bit, default=False)
    hardware_autonomous_width_disable: bool = wire(Bit, default=False)
    link_bandwidth_management_interrupt_enable: bool = wire(Bit, default=False)
    link_autonomous_bandwidth_interrupt_enable: bool = wire(Bit, default=False)
    sris_clocking: bool = wire(Bit, default=False)
    flit_mode_disable: bool = wire(Bit, default=False)
    drs_signaling_control: int = wire(Bits(2), default=0)


@message
class LinkStatus(Register):
    """Link Status Register, 2 bytes."""

    RW1C = frozenset({"link_autonomous_bandwidth_status", "link_bandwidth_management_status"})

    current_link_speed: LinkSpeed = wire(Bits(4, LinkSpeed), default=LinkSpeed.UNKNOWN)
    negotiated_link_width: int = wire(Bits(6), default=0)
    training_error: bool = wire(Bit, default=False)
    link_training: bool = wire(Bit, default=False)
    slot_clock_configuration: bool = wire(Bit, default=False)
    data_link_layer_link_active: bool = wire(Bit, default=False)
    link_bandwidth_management_status: bool = wire(Bit, default=False)
    link_autonomous_bandwidth_status: bool = wire(Bit, default=False)


@message
class SlotCapabilities(Register):
    """Slot Capabilities Register, 4 bytes."""

    attention_button_present: bool = wire(Bit, default=False)
    power_controller_present: bool = wire(Bit, default=False)
    mrl_sensor_present: bool = wire(Bit, default=False)
    attention_indicator_present: bool = wire(Bit, default=False)
    power_indicator_present: bool = wire(Bit, default=False)
    hot_plug_surprise: bool = wire(Bit, default=False)
    hot_plug_capable: bool = wire(Bit, default=False)
    slot_power_limit_value: int = wire(Bits(8), default=0)
    slot_power_limit_scale: int = wire(Bits(2), default=0)
    electromechanical_interlock_present: bool = wire(Bit, default=False)
    no_command_completed_support: bool = wire(Bit, default=False)
    physical_slot_number: int = wire(Bits(13), default=0)


@message
class SlotControl(Register):
    """Slot Control Register, 2 bytes."""

    attention_button_pressed_enable: bool = wire(Bit, default=False)
    power_fault_detected_enable: bool = wire(Bit, default=False)
    mrl_sensor_changed_enable: bool = wire(Bit, default=False)
    presence_detect_changed_enable: bool = wire(Bit, default=False)
    command_completed_interrupt_enable: bool = wire(Bit, default=False)
    hot_plug_interrupt_enable: bool = wire(Bit, default=False)
    attention_indicator_control: Indicator = wire(Bits(2, Indicator), default=Indicator.RESERVED)
    power_indicator_control: Indicator = wire(Bits(2, Indicator), default=Indicator.RESERVED)
    power_controller_control: bool = wire(Bit, default=False)
    """set turns the slot off"""
    electromechanical_interlock_control: bool = wire(Bit, default=False)
    data_link_layer_state_changed_enable: bool = wire(Bit, default=False)
    auto_slot_power_limit_disable: bool = wire(Bit, default=False)
    in_band_pd_disable: bool = wire(Bit, default=False)
    reserved_15: int = wire(Bits(1), default=0)


@message
class SlotStatus(Register):
    """Slot Status Register, 2 bytes."""

    RW1C = frozenset(
        {
            "attention_button_pressed",
            "command_completed",
            "data_link_layer_state_changed",
            "mrl_sensor_changed",
            "power_fault_detected",
            "presence_detect_changed",
        }
    )

    attention_button_pressed: bool = wire(Bit, default=False)
    power_fault_detected: bool = wire(Bit, default=False)
    mrl_sensor_changed: bool = wire(Bit, default=False)
    presence_detect_changed: bool = wire(Bit, default=False)
    command_completed: bool = wire(Bit, default=False)
    mrl_sensor_state: bool = wire(Bit, default=False)
    presence_detect_state: bool = wire(Bit, default=False)
    electromechanical_interlock_status: bool = wire(Bit, default=False)
    data_link_layer_state_changed: bool = wire(Bit, default=False)
    reserved_15_9: int = wire(Bits(7), default=0)


@message
class RootControl(Register):
    """Root Control Register, 2 bytes."""

    system_error_on_correctable_error_enable: bool = wire(Bit, default=False)
    system_error_on_non_fatal_error_enable: bool = wire(Bit, default=False)
    system_error_on_fatal_error_enable: bool = wire(Bit, default=False)
    pme_interrupt_enable: bool = wire(Bit, default=False)
    configuration_rrs_software_visibility_enable: bool = wire(Bit, default=False)
    no_nfm_subtree_below_this_root_port: bool = wire(Bit, default=False)
    reserved_15_6: int = wire(Bits(10), default=0)


@message
class RootCapabilities(Register):
    """Root Capabilities Register, 2 bytes."""

    configuration_rrs_software_visibility: bool = wire(Bit, default=False)
    reserved_15_1: int = wire(Bits(15), default=0)


@message
class RootStatus(Register):
    """Root Status Register, 4 bytes."""

    RW1C = frozenset({"pme_status"})

    pme_requester_id: int = wire(Bits(16), default=0)
    pme_status: bool = wire(Bit, default=False)
    pme_pending: bool = wire(Bit, default=False)
    reserved_31_18: int = wire(Bits(14), default=0)


@message
class DeviceCapabilities2(Register):
    """Device Capabilities 2 Register, 4 bytes."""

    completion_timeout_ranges_supported: int = wire(Bits(4), default=0)
    """ranges A to D, a bit each"""
    completion_timeout_disable_supported: bool = wire(Bit, default=False)
    ari_forwarding_supported: bool = wire(Bit, default=False)
    atomic_op_routing_supported: bool = wire(Bit, default=False)
    atomic_op_32_completer_supported: bool = wire(Bit, default=False)
    atomic_op_64_completer_supported: bool = wire(Bit, default=False)
    cas_128_completer_supported: bool = wire(Bit, default=False)
    no_ro_enabled_pr_pr_passing: bool = wire(Bit, default=False)
    ltr_mechanism_supported: bool = wire(Bit, default=False)
    tph_completer_supported: int = wire(Bits(2), default=0)
    ln_system_cls: int = wire(Bits(2), default=0)
    ten_bit_tag_completer_supported: bool = wire(Bit, default=False)
    ten_bit_tag_requester_supported: bool = wire(Bit, default=False)
    obff_supported: int = wire(Bits(2), default=0)
    """bit 0 by message, bit 1 by WAKE#"""
    extended_fmt_field_supported: bool = wire(Bit, default=False)
    end_end_tlp_prefix_supported: bool = wire(Bit, default=False)
    max_end_end_tlp_prefixes: int = wire(Bits(2), default=0)
    """0 means 4"""
    emergency_power_reduction_supported: int = wire(Bits(2), default=0)
    emergency_power_reduction_initialization_required: bool = wire(Bit, default=False)
    reserved_27: int = wire(Bits(1), default=0)
    dmwr_completer_supported: bool = wire(Bit, default=False)
    dmwr_lengths_supported: int = wire(Bits(2), default=0)
    frs_supported: bool = wire(Bit, default=False)


@message
class DeviceControl2(Register):
    """Device Control 2 Register, 2 bytes."""

    completion_timeout_value: CompletionTimeout = wire(Bits(4, CompletionTimeout), default=CompletionTimeout.DEFAULT)
    completion_timeout_disable: bool = wire(Bit, default=False)
    ari_forwarding_enable: bool = wire(Bit, default=False)
    atomic_op_requester_enable: bool = wire(Bit, default=False)
    atomic_op_egress_blocking: bool = wire(Bit, default=False)
    ido_request_enable: bool = wire(Bit, default=False)
    ido_completion_enable: bool = wire(Bit, default=False)
    ltr_mechanism_enable: bool = wire(Bit, default=False)
    emergency_power_reduction_request: bool = wire(Bit, default=False)
    ten_bit_tag_requester_enable: bool = wire(Bit, default=False)
    obff_enable: ObffControl = wire(Bits(2, ObffControl), default=ObffControl.DISABLED)
    end_end_tlp_prefix_blocking: bool = wire(Bit, default=False)


@message
class DeviceStatus2(Register):
    """Device Status 2 Register, 2 bytes; all reserved."""

    reserved_15_0: int = wire(Bits(16), default=0)


@message
class LinkCapabilities2(Register):
    """Link Capabilities 2 Register, 4 bytes."""

    reserved_0: int = wire(Bits(1), default=0)
    supported_link_speeds_vector: int = wire(Bits(7), default=0)
    """bit 0 for 2.5 GT/s, and so on"""
    crosslink_supported: bool = wire(Bit, default=False)
    lower_skp_os_generation_supported_speeds_vector: int = wire(Bits(7), default=0)
    lower_skp_os_reception_supported_speeds_vector: int = wire(Bits(7), default=0)
    retimer_presence_detect_supported: bool = wire(Bit, default=False)
    two_retimers_presence_detect_supported: bool = wire(Bit, default=False)
    reserved_30_25: int = wire(Bits(6), default=0)
    drs_supported: bool = wire(Bit, default=False)


@message
class LinkControl2(Register):
    """Link Control 2 Register, 2 bytes."""

    target_link_speed: LinkSpeed = wire(Bits(4, LinkSpeed), default=LinkSpeed.UNKNOWN)
    enter_compliance: bool = wire(Bit, default=False)
    hardware_autonomous_speed_disable: bool = wire(Bit, default=False)
    selectable_de_emphasis: bool = wire(Bit, default=False)
    transmit_margin: int = wire(Bits(3), default=0)
    enter_modified_compliance: bool = wire(Bit, default=False)
    compliance_sos: bool = wire(Bit, default=False)
    compliance_preset_de_emphasis: int = wire(Bits(4), default=0)


@message
class LinkStatus2(Register):
    """Link Status 2 Register, 2 bytes."""

    RW1C = frozenset({"drs_message_received", "link_equalization_request_8_0"})

    current_de_emphasis_level: bool = wire(Bit, default=False)
    equalization_8_0_complete: bool = wire(Bit, default=False)
    equalization_8_0_phase_1_successful: bool = wire(Bit, default=False)
    equalization_8_0_phase_2_successful: bool = wire(Bit, default=False)
    equalization_8_0_phase_3_successful: bool = wire(Bit, default=False)
    link_equalization_request_8_0: bool = wire(Bit, default=False)
    retimer_presence_detected: bool = wire(Bit, default=False)
    two_retimers_presence_detected: bool = wire(Bit, default=False)
    crosslink_resolution: int = wire(Bits(2), default=0)
    flit_mode_status: bool = wire(Bit, default=False)
    reserved_11: int = wire(Bits(1), default=0)
    downstream_component_presence: int = wire(Bits(3), default=0)
    drs_message_received: bool = wire(Bit, default=False)


@message
class SlotCapabilities2(Register):
    """Slot Capabilities 2 Register, 4 bytes."""

    in_band_pd_disable_supported: bool = wire(Bit, default=False)
    reserved_31_1: int = wire(Bits(31), default=0)


@message
class SlotControl2(Register):
    """Slot Control 2 Register, 2 bytes; all reserved."""

    reserved_15_0: int = wire(Bits(16), default=0)


@message
class SlotStatus2(Register):
    """Slot Status 2 Register, 2 bytes; all reserved."""

    reserved_15_0: int = wire(Bits(16), default=0)


@message
class PciExpressDevice(Capability):
    """PCI Express capability of version 1 without link, 12 bytes: an integrated function."""

    version: int = wire(Bits(4), default=0)
    device_port_type: DevicePortType = wire(Bits(4, DevicePortType), default=DevicePortType.PCI_EXPRESS_ENDPOINT)
    slot_implemented: bool = wire(Bit, default=False)
    interrupt_message_number: int = wire(Bits(5), default=0)
    reserved_14: int = wire(Bits(1), default=0)
    flit_mode_supported: bool = wire(Bit, default=False)
    device_capabilities: DeviceCapabilities = wire(Nested(DeviceCapabilities), default=DeviceCapabilities())
    device_control: DeviceControl = wire(Nested(DeviceControl), default=DeviceControl())
    device_status: DeviceStatus = wire(Nested(DeviceStatus), default=DeviceStatus())


@message
class PciExpressLink(PciExpressDevice):
    """PCI Express capability of version 1 without slot, 20 bytes."""

    link_capabilities: LinkCapabilities = wire(Nested(LinkCapabilities), default=LinkCapabilities())
    link_control: LinkControl = wire(Nested(LinkControl), default=LinkControl())
    link_status: LinkStatus = wire(Nested(LinkStatus), default=LinkStatus())


@message
class PciExpressSlot(PciExpressLink):
    """PCI Express capability of version 1 of a port with a slot, 28 bytes."""

    slot_capabilities: SlotCapabilities = wire(Nested(SlotCapabilities), default=SlotCapabilities())
    slot_control: SlotControl = wire(Nested(SlotControl), default=SlotControl())
    slot_status: SlotStatus = wire(Nested(SlotStatus), default=SlotStatus())


@message
class PciExpressRoot(PciExpressSlot):
    """PCI Express capability of version 1 of a root port or event collector, 36 bytes."""

    root_control: RootControl = wire(Nested(RootControl), default=RootControl())
    root_capabilities: RootCapabilities = wire(Nested(RootCapabilities), default=RootCapabilities())
    root_status: RootStatus = wire(Nested(RootStatus), default=RootStatus())


@message
class PciExpress(PciExpressRoot):
    """PCI Express capability of version 2, 60 bytes: all registers, whatever the function is."""

    device_capabilities_2: DeviceCapabilities2 = wire(Nested(DeviceCapabilities2), default=DeviceCapabilities2())
    device_control_2: DeviceControl2 = wire(Nested(DeviceControl2), default=DeviceControl2())
    device_status_2: DeviceStatus2 = wire(Nested(DeviceStatus2), default=DeviceStatus2())
    link_capabilities_2: LinkCapabilities2 = wire(Nested(LinkCapabilities2), default=LinkCapabilities2())
    link_control_2: LinkControl2 = wire(Nested(LinkControl2), default=LinkControl2())
    link_status_2: LinkStatus2 = wire(Nested(LinkStatus2), default=LinkStatus2())
    slot_capabilities_2: SlotCapabilities2 = wire(Nested(SlotCapabilities2), default=SlotCapabilities2())
    slot_control_2: SlotControl2 = wire(Nested(SlotControl2), default=SlotControl2())
    slot_status_2: SlotStatus2 = wire(Nested(SlotStatus2), default=SlotStatus2())
