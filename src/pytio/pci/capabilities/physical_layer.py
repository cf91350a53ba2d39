"""The physical layer: Secondary PCI Express (19h), 16, 32 and 64 GT/s (26h, 2Ah, 31h), margining (27h), link (25h).

Document: PCIe Base 6.x sections 7.7.3 to 7.7.8. How many lanes there are says the Link Capabilities Register, so what
is there once for each lane runs to where the capability ends.
"""

from __future__ import annotations

from pytio.pci.capabilities.base import ExtendedCapability
from pytio.registers import Register
from pytio.wire import REST, U8, U16, U32, Array, Bit, Bits, Nested, message, wire

__all__ = (
    "Capabilities32GT",
    "Control32GT",
    "DataLinkFeature",
    "DataLinkFeatureCapabilities",
    "DataLinkFeatureStatus",
    "LaneMargining",
    "LinkControl3",
    "MarginingLane",
    "MarginingPortCapabilities",
    "MarginingPortStatus",
    "PhysicalLayer16GT",
    "PhysicalLayer32GT",
    "PhysicalLayer64GT",
    "SecondaryPciExpress",
    "Status16GT",
    "Status32GT",
    "Status64GT",
)


@message
class LinkControl3(Register):
    """Link Control 3 Register, 4 bytes."""

    perform_equalization: bool = wire(Bit, default=False)
    link_equalization_request_interrupt_enable: bool = wire(Bit, default=False)
    reserved_8_2: int = wire(Bits(7), default=0)
    enable_lower_skp_os_generation_vector: int = wire(Bits(7), default=0)
    reserved_31_16: int = wire(Bits(16), default=0)


@message
class SecondaryPciExpress(ExtendedCapability):
    """Secondary PCI Express: 12 bytes, and 2 for each lane."""

    link_control_3: LinkControl3 = wire(Nested(LinkControl3), default=LinkControl3())
    lane_error_status: int = wire(U32, default=0)
    """RW1C, one bit for each lane"""
    lane_equalization_control: tuple[int, ...] = wire(Array(REST, U16), default=())


@message
class Status16GT(Register):
    """16.0 GT/s Status Register, 4 bytes."""

    RW1C = frozenset({"link_equalization_request"})

    equalization_complete: bool = wire(Bit, default=False)
    equalization_phase_1_successful: bool = wire(Bit, default=False)
    equalization_phase_2_successful: bool = wire(Bit, default=False)
    equalization_phase_3_successful: bool = wire(Bit, default=False)
    link_equalization_request: bool = wire(Bit, default=False)
    reserved_31_5: int = wire(Bits(27), default=0)


@message
class PhysicalLayer16GT(ExtendedCapability):
    """Physical Layer 16.0 GT/s: 32 bytes, and one for each lane."""

    capabilities: int = wire(U32, default=0)
    control: int = wire(U32, default=0)
    status: Status16GT = wire(Nested(Status16GT), default=Status16GT())
    local_data_parity_mismatch_status: int = wire(U32, default=0)
    first_retimer_data_parity_mismatch_status: int = wire(U32, default=0)
    second_retimer_data_parity_mismatch_status: int = wire(U32, default=0)
    reserved: int = wire(U32, default=0)
    lane_equalization_control: tuple[int, ...] = wire(Array(REST, U8), default=())


@message
class Capabilities32GT(Register):
    """32.0 GT/s Capabilities Register, 4 bytes."""

    equalization_bypass_to_highest_rate_supported: bool = wire(Bit, default=False)
    no_equalization_needed_supported: bool = wire(Bit, default=False)
    reserved_7_2: int = wire(Bits(6), default=0)
    modified_ts_usage_mode_0_supported: bool = wire(Bit, default=False)
    modified_ts_usage_mode_1_supported: bool = wire(Bit, default=False)
    modified_ts_usage_mode_2_supported: bool = wire(Bit, default=False)
    modified_ts_reserved_usage_modes: int = wire(Bits(5), default=0)
    reserved_31_16: int = wire(Bits(16), default=0)


@message
class Control32GT(Register):
    """32.0 GT/s Control Register, 4 bytes."""

    equalization_bypass_to_highest_rate_disable: bool = wire(Bit, default=False)
    no_equalization_needed_disable: bool = wire(Bit, default=False)
    reserved_7_2: int = wire(Bits(6), default=0)
    modified_ts_usage_mode_selected: int = wire(Bits(3), default=0)
    reserved_31_11: int = wire(Bits(21), default=0)


@message
class Status32GT(Register):
    """32.0 GT/s Status Register, 4 bytes."""

    RW1C = frozenset({"link_equalization_request"})

    equalization_complete: bool = wire(Bit, default=False)
    equalization_phase_1_successful: bool = wire(Bit, default=False)
    equalization_phase_2_successful: bool = wire(Bit, default=False)
    equalization_phase_3_successful: bool = wire(Bit, default=False)
    link_equalization_request: bool = wire(Bit, default=False)
    modified_ts_received: bool = wire(Bit, default=False)
    received_enhanced_link_behavior_control: int = wire(Bits(2), default=0)
    transmitter_precoding_on: bool = wire(Bit, default=False)
    transmitter_precoding_request: bool = wire(Bit, default=False)
    no_equalization_needed_received: bool = wire(Bit, default=False)
    reserved_31_11: int = wire(Bits(21), default=0)


@message
class PhysicalLayer32GT(ExtendedCapability):
    """Physical Layer 32.0 GT/s: 32 bytes, and one for each lane."""

    capabilities: Capabilities32GT = wire(Nested(Capabilities32GT), default=Capabilities32GT())
    control: Control32GT = wire(Nested(Control32GT), default=Control32GT())
    status: Status32GT = wire(Nested(Status32GT), default=Status32GT())
    received_modified_ts_data_1: int = wire(U32, default=0)
    received_modified_ts_data_2: int = wire(U32, default=0)
    transmitted_modified_ts_data_1: int = wire(U32, default=0)
    transmitted_modified_ts_data_2: int = wire(U32, default=0)
    lane_equalization_control: tuple[int, ...] = wire(Array(REST, U8), default=())


@message
class Status64GT(Register):
    """64.0 GT/s Status Register, 4 bytes."""

    RW1C = frozenset({"link_equalization_request"})

    equalization_complete: bool = wire(Bit, default=False)
    equalization_phase_1_successful: bool = wire(Bit, default=False)
    equalization_phase_2_successful: bool = wire(Bit, default=False)
    equalization_phase_3_successful: bool = wire(Bit, default=False)
    link_equalization_request: bool = wire(Bit, default=False)
    transmitter_precoding_on: bool = wire(Bit, default=False)
    transmitter_precoding_request: bool = wire(Bit, default=False)
    no_equalization_needed_received: bool = wire(Bit, default=False)
    reserved_31_8: int = wire(Bits(24), default=0)


@message
class PhysicalLayer64GT(ExtendedCapability):
    """Physical Layer 64.0 GT/s: 16 bytes, and one for each lane."""

    capabilities: int = wire(U32, default=0)
    control: int = wire(U32, default=0)
    status: Status64GT = wire(Nested(Status64GT), default=Status64GT())
    lane_equalization_control: tuple[int, ...] = wire(Array(REST, U8), default=())


@message
class MarginingPortCapabilities(Register):
    """Margining Port Capabilities Register, 2 bytes."""

    uses_driver_software: bool = wire(Bit, default=False)
    reserved_15_1: int = wire(Bits(15), default=0)


@message
class MarginingPortStatus(Register):
    """Margining Port Status Register, 2 bytes."""

    margining_ready: bool = wire(Bit, default=False)
    margining_software_ready: bool = wire(Bit, default=False)
    reserved_15_2: int = wire(Bits(14), default=0)


@message
class MarginingLane(Register):
    """Margining Lane Control and Status Registers of one lane, 4 bytes."""

    receiver_number: int = wire(Bits(3), default=0)
    margin_type: int = wire(Bits(3), default=0)
    usage_model: bool = wire(Bit, default=False)
    reserved_7: int = wire(Bits(1), default=0)
    margin_payload: int = wire(Bits(8), default=0)
    receiver_number_status: int = wire(Bits(3), default=0)
    margin_type_status: int = wire(Bits(3), default=0)
    usage_model_status: bool = wire(Bit, default=False)
    reserved_23: int = wire(Bits(1), default=0)
    margin_payload_status: int = wire(Bits(8), default=0)


@message
class LaneMargining(ExtendedCapability):
    """Lane Margining at the Receiver: 8 bytes, and 4 for each lane."""

    port_capabilities: MarginingPortCapabilities = wire(
        Nested(MarginingPortCapabilities), default=MarginingPortCapabilities()
    )
    port_status: MarginingPortStatus = wire(Nested(MarginingPortStatus), default=MarginingPortStatus())
    lanes: tuple[MarginingLane, ...] = wire(Array(REST, Nested(MarginingLane)), default=())


@message
class DataLinkFeatureCapabilities(Register):
    """Data Link Feature Capabilities Register, 4 bytes."""

    scaled_flow_control_supported: bool = wire(Bit, default=False)
    other_local_features_supported: int = wire(Bits(22), default=0)
    reserved_30_23: int = wire(Bits(8), default=0)
    data_link_feature_exchange_enable: bool = wire(Bit, default=False)


@message
class DataLinkFeatureStatus(Register):
    """Data Link Feature Status Register, 4 bytes."""

    remote_scaled_flow_control_supported: bool = wire(Bit, default=False)
    other_remote_features_supported: int = wire(Bits(22), default=0)
    reserved_30_23: int = wire(Bits(8), default=0)
    remote_data_link_feature_supported_valid: bool = wire(Bit, default=False)


@message
class DataLinkFeature(ExtendedCapability):
    """Data Link Feature, 12 bytes."""

    capabilities: DataLinkFeatureCapabilities = wire(
        Nested(DataLinkFeatureCapabilities), default=DataLinkFeatureCapabilities()
    )
    status: DataLinkFeatureStatus = wire(Nested(DataLinkFeatureStatus), default=DataLinkFeatureStatus())
