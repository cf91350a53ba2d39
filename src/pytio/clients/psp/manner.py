"""What a host of each revision does: which structures it reads, in which order it takes its steps.

Document: AMD 58271, and the kernel's driver for each revision; the columns of SEV-TIO's sequences "Connect" and "Bind"
are the tuples here. Layouts of commands are in `pytio.sev.commands.COMMANDS`. Nothing here performs a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias

import attrs

from pytio.sev.commands import COMMANDS, TRAFFIC_CLASSES, UNUSED_STREAM
from pytio.sev.structures import (
    AsidFence,
    AsidFenceR1,
    DeviceStatus,
    DeviceStatusR1,
    DeviceStatusR2,
    TdiInfo,
    TdiInfoR1,
    TdiInfoR2,
    TdiStatus,
    TdiStatusR1,
    TioPlatformStatus,
    TioPlatformStatusR1,
)
from pytio.sev.tio_codes import Revision, SevCommand
from pytio.wire import WireStruct

__all__ = (
    "HOST_MANNERS",
    "AnyDeviceStatus",
    "AnyFence",
    "AnyTdiInfo",
    "AnyTdiStatus",
    "AnyTioStatus",
    "BindStep",
    "ConnectStep",
    "HostManner",
)

AnyTioStatus: TypeAlias = TioPlatformStatusR1 | TioPlatformStatus
"""What TIO_STATUS writes."""
AnyDeviceStatus: TypeAlias = DeviceStatusR1 | DeviceStatusR2 | DeviceStatus
"""What TIO_DEV_STATUS writes."""
AnyTdiInfo: TypeAlias = TdiInfoR1 | TdiInfoR2 | TdiInfo
"""What TIO_TDI_INFO writes."""
AnyTdiStatus: TypeAlias = TdiStatusR1 | TdiStatus
"""What TIO_TDI_STATUS writes."""
AnyFence: TypeAlias = AsidFenceR1 | AsidFence
"""What TIO_ASID_FENCE_STATUS writes."""


class ConnectStep(Enum):
    """A step of connecting a device."""

    CREATE_CONTEXT = "TIO_DEV_CREATE"
    SET_UP_IDE = "program the IDE registers of both ports, without Enable"
    SWITCH_IDE_ON = "set Enable at both ports, before there are keys"
    ALLOCATE_BUFFERS = "allocate the SPDM buffers"
    CONNECT = "TIO_DEV_CONNECT"
    MEASURE = "TIO_DEV_MEASUREMENTS"
    TRY_TO_MEASURE = "TIO_DEV_MEASUREMENTS, whose failure is let pass"
    READ_CERTIFICATES = "TIO_DEV_CERTIFICATES"
    ENABLE_IDE = "set Enable at both ports, and see both secure"
    SEE_SECURE = "see both ports secure"


class BindStep(Enum):
    """A step of binding an interface to a guest."""

    CREATE_CONTEXT = "TIO_TDI_CREATE"
    LOCK_AND_START = "TIO_TDI_BIND, which does both"
    LOCK = "TIO_TDI_BIND run=0"
    LOCK_OR_START = "TIO_TDI_BIND run=0, and run=1 where that fails"
    STATUS = "TIO_TDI_STATUS"
    START_IF_LOCKED = "TIO_TDI_BIND run=1, where the device says CONFIG_LOCKED"


_CONNECT_U: Final = (
    ConnectStep.CREATE_CONTEXT,
    ConnectStep.SET_UP_IDE,
    ConnectStep.ALLOCATE_BUFFERS,
    ConnectStep.CONNECT,
    ConnectStep.ENABLE_IDE,
)
_CONNECT_P2: Final = (*_CONNECT_U[:-1], ConnectStep.MEASURE, ConnectStep.ENABLE_IDE)
_CONNECT_R2: Final = (
    ConnectStep.SET_UP_IDE,
    ConnectStep.SWITCH_IDE_ON,
    ConnectStep.CREATE_CONTEXT,
    ConnectStep.ALLOCATE_BUFFERS,
    ConnectStep.CONNECT,
    ConnectStep.TRY_TO_MEASURE,
    ConnectStep.SEE_SECURE,
)
_CONNECT_R1: Final = (
    ConnectStep.SET_UP_IDE,
    ConnectStep.CREATE_CONTEXT,
    ConnectStep.ALLOCATE_BUFFERS,
    ConnectStep.CONNECT,
    ConnectStep.MEASURE,
    ConnectStep.READ_CERTIFICATES,
    ConnectStep.ENABLE_IDE,
)
_BIND_R1: Final = (BindStep.CREATE_CONTEXT, BindStep.LOCK_AND_START)
_BIND_R2: Final = (
    BindStep.CREATE_CONTEXT,
    BindStep.LOCK_OR_START,
    BindStep.STATUS,
    BindStep.START_IF_LOCKED,
)
_BIND_P2: Final = (BindStep.CREATE_CONTEXT, BindStep.LOCK, BindStep.STATUS)


@attrs.frozen
class HostManner:
    """What a host of one revision does.

    Attributes:
        revision: whose manner it is.
        commands: the layouts of its commands.
        tio_status: what it reads of the platform.
        device_status: what it reads of a device.
        tdi_info: what it reads of an interface.
        tdi_status: what it reads of the device's word on an interface.
        fence: what it reads of a fence.
        tio_features: the bits of `FeatureInfo`, any of which says that the firmware has SEV-TIO.
        donates_status_pages: whether the firmware is given the pages that it writes status to.
        goes_on_when_initialized: whether a platform with TIO_INIT done is taken as it is, and is no error.
        has_root_port_number: whether TIO_DEV_CREATE names the port; R1 writes 0.
        names_streams: whether TIO_DEV_CONNECT names the stream; R1 writes 0.
        unused_stream: what stands for a traffic class without a stream.
        connect: the steps of a connect.
        bind: the steps of a bind.
        starts_on_request: whether an interface is started by an action of its own, after the bind.
    """

    revision: Revision
    commands: Mapping[SevCommand, type[WireStruct]] = attrs.field(repr=False)
    tio_status: type[AnyTioStatus] = TioPlatformStatus
    device_status: type[AnyDeviceStatus] = DeviceStatus
    tdi_info: type[AnyTdiInfo] = TdiInfo
    tdi_status: type[AnyTdiStatus] = TdiStatus
    fence: type[AnyFence] = AsidFence
    tio_features: tuple[str, ...] = ("sev_tio",)
    donates_status_pages: bool = True
    goes_on_when_initialized: bool = False
    has_root_port_number: bool = True
    names_streams: bool = True
    unused_stream: int = UNUSED_STREAM
    connect: tuple[ConnectStep, ...] = _CONNECT_P2
    bind: tuple[BindStep, ...] = _BIND_P2
    starts_on_request: bool = True

    def has_field(self, command: SevCommand, field: str) -> bool:
        """Return whether this revision lays a command out, with that field in it."""
        layout = self.commands.get(command)
        return layout is not None and field in attrs.fields_dict(layout)

    def stream_ids(self, stream_id: int) -> tuple[int, ...]:
        """Return IDE_STREAM_ID for a stream of traffic class 0."""
        return (stream_id if self.names_streams else 0, *[self.unused_stream] * (TRAFFIC_CLASSES - 1))


def _manners(*manners: HostManner) -> Mapping[Revision, HostManner]:
    return MappingProxyType({manner.revision: manner for manner in manners})


HOST_MANNERS: Final = _manners(
    HostManner(
        Revision.R1,
        COMMANDS[Revision.R1],
        tio_status=TioPlatformStatusR1,
        device_status=DeviceStatusR1,
        tdi_info=TdiInfoR1,
        tdi_status=TdiStatusR1,
        fence=AsidFenceR1,
        tio_features=("reserved_ebx_0", "sev_tio"),  # R1 looks at bit 0; firmware that it meets may have moved on
        donates_status_pages=False,
        goes_on_when_initialized=True,
        has_root_port_number=False,
        names_streams=False,
        unused_stream=0,
        connect=_CONNECT_R1,
        bind=_BIND_R1,
        starts_on_request=False,
    ),
    HostManner(
        Revision.R2,
        COMMANDS[Revision.R2],
        tio_status=TioPlatformStatusR1,
        device_status=DeviceStatusR2,
        tdi_info=TdiInfoR2,
        tdi_status=TdiStatusR1,
        fence=AsidFenceR1,
        goes_on_when_initialized=True,
        unused_stream=0,
        connect=_CONNECT_R2,
        bind=_BIND_R2,
        starts_on_request=False,
    ),
    HostManner(Revision.U, COMMANDS[Revision.U], connect=_CONNECT_U, bind=()),
    HostManner(Revision.P2, COMMANDS[Revision.P2]),
    HostManner(Revision.N, COMMANDS[Revision.N]),
)
"""The manner of each revision."""
