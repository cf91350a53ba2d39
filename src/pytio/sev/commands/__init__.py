"""Command buffers of the PSP, by revision: what the host asks the firmware for.

Document: AMD 58271, "Command buffers"; AMD 56860 for SNP's own. `COMMANDS` says which class lays out which command in
which revision; no command remembers its revision.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pytio.sev.commands.device import (
    TRAFFIC_CLASSES,
    UNUSED_STREAM,
    TioDevCertificates,
    TioDevConnect,
    TioDevCreate,
    TioDevDisconnect,
    TioDevMeasurements,
    TioDevMeasurementsR1,
    TioDevReclaim,
    TioDevStatus,
    TioDevStatusR1,
    TioRollKey,
)
from pytio.sev.commands.fence import (
    TioAsidFenceClear,
    TioAsidFenceClearR1,
    TioAsidFenceStatus,
    TioAsidFenceStatusR1,
)
from pytio.sev.commands.interface import (
    LockFlags,
    TioGuestRequest,
    TioTdiBind,
    TioTdiBindR1,
    TioTdiBindR2,
    TioTdiCreate,
    TioTdiInfo,
    TioTdiInfoR1,
    TioTdiReclaim,
    TioTdiReport,
    TioTdiStatus,
    TioTdiUnbind,
    TioTdiUnbindR1,
)
from pytio.sev.commands.launch import (
    GuestStatus,
    PageInfo,
    SnpActivate,
    SnpDecommission,
    SnpGctxCreate,
    SnpGuestRequest,
    SnpGuestStatusCommand,
    SnpLaunchFinish,
    SnpLaunchStart,
    SnpLaunchUpdate,
)
from pytio.sev.commands.platform import (
    PageRange,
    PageRangeList,
    SnpFeatureInfo,
    SnpInitEx,
    SnpPageReclaim,
    SnpPageSetState,
    SnpPlatformStatusCommand,
    SnpShutdownEx,
    TioInit,
    TioStatus,
)
from pytio.sev.tio_codes import Revision, SevCommand
from pytio.wire import WireStruct

__all__ = (
    "COMMANDS",
    "SPDM_AWARE",
    "TRAFFIC_CLASSES",
    "UNUSED_STREAM",
    "GuestStatus",
    "LockFlags",
    "PageInfo",
    "PageRange",
    "PageRangeList",
    "SnpActivate",
    "SnpDecommission",
    "SnpFeatureInfo",
    "SnpGctxCreate",
    "SnpGuestRequest",
    "SnpGuestStatusCommand",
    "SnpInitEx",
    "SnpLaunchFinish",
    "SnpLaunchStart",
    "SnpLaunchUpdate",
    "SnpPageReclaim",
    "SnpPageSetState",
    "SnpPlatformStatusCommand",
    "SnpShutdownEx",
    "TioAsidFenceClear",
    "TioAsidFenceClearR1",
    "TioAsidFenceStatus",
    "TioAsidFenceStatusR1",
    "TioDevCertificates",
    "TioDevConnect",
    "TioDevCreate",
    "TioDevDisconnect",
    "TioDevMeasurements",
    "TioDevMeasurementsR1",
    "TioDevReclaim",
    "TioDevStatus",
    "TioDevStatusR1",
    "TioGuestRequest",
    "TioInit",
    "TioRollKey",
    "TioStatus",
    "TioTdiBind",
    "TioTdiBindR1",
    "TioTdiBindR2",
    "TioTdiCreate",
    "TioTdiInfo",
    "TioTdiInfoR1",
    "TioTdiReclaim",
    "TioTdiReport",
    "TioTdiStatus",
    "TioTdiUnbind",
    "TioTdiUnbindR1",
)

_Table = Mapping[SevCommand, type[WireStruct]]

_U: Final[_Table] = {
    SevCommand.SNP_PLATFORM_STATUS: SnpPlatformStatusCommand,
    SevCommand.SNP_INIT_EX: SnpInitEx,
    SevCommand.SNP_SHUTDOWN_EX: SnpShutdownEx,
    SevCommand.SNP_DECOMMISSION: SnpDecommission,
    SevCommand.SNP_ACTIVATE: SnpActivate,
    SevCommand.SNP_GUEST_STATUS: SnpGuestStatusCommand,
    SevCommand.SNP_GCTX_CREATE: SnpGctxCreate,
    SevCommand.SNP_GUEST_REQUEST: SnpGuestRequest,
    SevCommand.SNP_LAUNCH_START: SnpLaunchStart,
    SevCommand.SNP_LAUNCH_UPDATE: SnpLaunchUpdate,
    SevCommand.SNP_LAUNCH_FINISH: SnpLaunchFinish,
    SevCommand.SNP_PAGE_SET_STATE: SnpPageSetState,
    SevCommand.SNP_PAGE_RECLAIM: SnpPageReclaim,
    SevCommand.SNP_FEATURE_INFO: SnpFeatureInfo,
    SevCommand.TIO_STATUS: TioStatus,
    SevCommand.TIO_INIT: TioInit,
    SevCommand.TIO_DEV_CREATE: TioDevCreate,
    SevCommand.TIO_DEV_RECLAIM: TioDevReclaim,
    SevCommand.TIO_DEV_CONNECT: TioDevConnect,
    SevCommand.TIO_DEV_DISCONNECT: TioDevDisconnect,
}
_P2: Final[_Table] = {
    **_U,
    SevCommand.TIO_DEV_STATUS: TioDevStatus,
    SevCommand.TIO_DEV_MEASUREMENTS: TioDevMeasurements,
    SevCommand.TIO_DEV_CERTIFICATES: TioDevCertificates,
    SevCommand.TIO_TDI_CREATE: TioTdiCreate,
    SevCommand.TIO_TDI_RECLAIM: TioTdiReclaim,
    SevCommand.TIO_TDI_BIND: TioTdiBind,
    SevCommand.TIO_TDI_UNBIND: TioTdiUnbind,
    SevCommand.TIO_TDI_REPORT: TioTdiReport,
    SevCommand.TIO_TDI_STATUS: TioTdiStatus,
    SevCommand.TIO_GUEST_REQUEST: TioGuestRequest,
    SevCommand.TIO_ASID_FENCE_CLEAR: TioAsidFenceClear,
    SevCommand.TIO_ASID_FENCE_STATUS: TioAsidFenceStatus,
    SevCommand.TIO_TDI_INFO: TioTdiInfo,
    SevCommand.TIO_ROLL_KEY: TioRollKey,
}
_R2: Final[_Table] = {
    **_P2,
    SevCommand.TIO_DEV_STATUS: TioDevStatusR1,
    SevCommand.TIO_TDI_BIND: TioTdiBindR2,
    SevCommand.TIO_TDI_UNBIND: TioTdiUnbindR1,
    SevCommand.TIO_ASID_FENCE_CLEAR: TioAsidFenceClearR1,
    SevCommand.TIO_ASID_FENCE_STATUS: TioAsidFenceStatusR1,
}
_R1: Final[_Table] = {
    **_R2,
    SevCommand.TIO_DEV_MEASUREMENTS: TioDevMeasurementsR1,
    SevCommand.TIO_TDI_BIND: TioTdiBindR1,
    SevCommand.TIO_TDI_INFO: TioTdiInfoR1,
}

COMMANDS: Final[Mapping[Revision, _Table]] = MappingProxyType(
    {
        revision: MappingProxyType(table)
        for revision, table in {
            Revision.R1: _R1,
            Revision.R2: _R2,
            Revision.U: _U,
            Revision.P2: _P2,
            Revision.N: _P2,
        }.items()
    }
)
"""The class that lays out a command, by revision and command."""

SPDM_AWARE: Final = frozenset(
    {
        SevCommand.TIO_DEV_CONNECT,
        SevCommand.TIO_DEV_DISCONNECT,
        SevCommand.TIO_DEV_MEASUREMENTS,
        SevCommand.TIO_DEV_CERTIFICATES,
        SevCommand.TIO_TDI_BIND,
        SevCommand.TIO_TDI_UNBIND,
        SevCommand.TIO_TDI_REPORT,
        SevCommand.TIO_TDI_STATUS,
        SevCommand.TIO_GUEST_REQUEST,
        SevCommand.TIO_ROLL_KEY,
    }
)
"""Commands that carry an `SpdmControl`, and may ask the host to carry messages to the device."""
