"""Which command is run how: one row for each, the same in every revision that has the command."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pytio.mock.psp import (
    device_commands,
    fence_commands,
    guest_commands,
    guest_messages,
    platform_commands,
    tdi_commands,
)
from pytio.mock.psp.call import Call, Guest, Need, Place, Row
from pytio.mock.psp.device_states import DeviceStep
from pytio.mock.psp.tdi_states import TdiStep
from pytio.sev.tio_codes import SevCommand

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytio.mock.psp.firmware import Psp

__all__ = ("ROWS",)

_NEW_DEVICE: Final = {"dev_ctx_sla": Place.NEW_CONTEXT}
_DEVICE: Final = {"dev_ctx_sla": Place.HANDLE}
_NEW_TDI: Final = {"dev_ctx_sla": Place.HANDLE, "tdi_ctx_sla": Place.NEW_CONTEXT}
_TDI: Final = {"dev_ctx_sla": Place.HANDLE, "tdi_ctx_sla": Place.HANDLE}
_GUEST: Final = {"gctx_paddr": Place.PAGE}
_STATUS: Final = {"status_paddr": Place.STATUS}
_EARLY: Final = {"status_paddr": Place.EARLY_STATUS}
_MESSAGE: Final = {"req_paddr": Place.REQUEST_PAGE, "res_paddr": Place.RESPONSE_PAGE}
_PLATFORM_STATUS_BYTES: Final = 32
_FEATURE_INFO_BYTES: Final = 16
_GUEST_STATUS_BYTES: Final = 32


def _device(step: DeviceStep) -> Callable[[Psp, Call], DeviceStep]:
    return lambda psp, call: step


def _tdi(step: TdiStep) -> Callable[[Psp, Call], TdiStep]:
    return lambda psp, call: step


def _force(call: Call) -> bool:
    return bool(getattr(call.message, "force", False))


_TALK: Final = _device(DeviceStep.TALK_TO_TDI)
_KEEP: Final = _device(DeviceStep.KEEP_TDI)

_SNP: Final = {
    SevCommand.SNP_PLATFORM_STATUS: Row(
        handler=platform_commands.platform_status,
        need=Need.NOTHING,
        places=_EARLY,
        status_bytes=lambda psp: _PLATFORM_STATUS_BYTES,
    ),
    SevCommand.SNP_FEATURE_INFO: Row(
        handler=platform_commands.feature_info,
        need=Need.NOTHING,
        places={"feature_info_paddr": Place.EARLY_STATUS},
        status_bytes=lambda psp: _FEATURE_INFO_BYTES,
    ),
    SevCommand.SNP_INIT_EX: Row(handler=platform_commands.init_ex, need=Need.NOTHING),
    SevCommand.SNP_SHUTDOWN_EX: Row(handler=platform_commands.shutdown_ex, need=Need.NOTHING),
    SevCommand.SNP_DF_FLUSH: Row(handler=platform_commands.df_flush, need=Need.SNP),
    SevCommand.SNP_PAGE_SET_STATE: Row(handler=platform_commands.page_set_state, need=Need.SNP),
    SevCommand.SNP_PAGE_RECLAIM: Row(handler=platform_commands.page_reclaim, need=Need.SNP),
    SevCommand.SNP_GCTX_CREATE: Row(
        handler=guest_commands.gctx_create, need=Need.SNP, places={"gctx_paddr": Place.NEW_GUEST_CONTEXT}
    ),
    SevCommand.SNP_DECOMMISSION: Row(
        handler=guest_commands.decommission, need=Need.SNP, places=_GUEST, guest=Guest.KNOWN
    ),
    SevCommand.SNP_ACTIVATE: Row(handler=guest_commands.activate, need=Need.SNP, places=_GUEST, guest=Guest.KNOWN),
    SevCommand.SNP_GUEST_STATUS: Row(
        handler=guest_commands.guest_status,
        need=Need.SNP,
        places=_GUEST | _EARLY,
        status_bytes=lambda psp: _GUEST_STATUS_BYTES,
        guest=Guest.KNOWN,
    ),
    SevCommand.SNP_GUEST_REQUEST: Row(
        handler=guest_messages.snp_guest_request, need=Need.SNP, places=_GUEST | _MESSAGE, guest=Guest.ACTIVE
    ),
    SevCommand.SNP_LAUNCH_START: Row(
        handler=guest_commands.launch_start, need=Need.SNP, places=_GUEST, guest=Guest.KNOWN
    ),
    SevCommand.SNP_LAUNCH_UPDATE: Row(
        handler=guest_commands.launch_update,
        need=Need.SNP,
        places=_GUEST | {"page_paddr": Place.PAGE},
        guest=Guest.ACTIVE,
    ),
    SevCommand.SNP_LAUNCH_FINISH: Row(
        handler=guest_commands.launch_finish, need=Need.SNP, places=_GUEST, guest=Guest.KNOWN
    ),
}
_DEVICES: Final = {
    SevCommand.TIO_STATUS: Row(
        handler=platform_commands.tio_status,
        need=Need.SNP,
        places=_EARLY,
        status_bytes=platform_commands.tio_status_bytes,
    ),
    SevCommand.TIO_INIT: Row(handler=platform_commands.tio_init, need=Need.TIO_ENABLED),
    SevCommand.TIO_DEV_CREATE: Row(handler=device_commands.create, places=_NEW_DEVICE),
    SevCommand.TIO_DEV_RECLAIM: Row(
        handler=device_commands.reclaim, places=_DEVICE, device_step=_device(DeviceStep.RECLAIM)
    ),
    SevCommand.TIO_DEV_CONNECT: Row(
        handler=device_commands.connect,
        places=_DEVICE,
        device_step=_device(DeviceStep.CONNECT),
        has_result=True,
    ),
    SevCommand.TIO_DEV_DISCONNECT: Row(
        handler=device_commands.disconnect,
        places=_DEVICE,
        device_step=device_commands.disconnect_step,
        cancels=_force,
    ),
    SevCommand.TIO_DEV_STATUS: Row(
        handler=device_commands.status,
        places=_DEVICE | _STATUS,
        status_bytes=device_commands.status_bytes,
        device_step=_device(DeviceStep.STATUS),
    ),
    SevCommand.TIO_DEV_MEASUREMENTS: Row(
        handler=device_commands.measurements,
        places=_DEVICE,
        device_step=_device(DeviceStep.ASK),
        has_result=True,
    ),
    SevCommand.TIO_DEV_CERTIFICATES: Row(
        handler=device_commands.certificates,
        places=_DEVICE,
        device_step=_device(DeviceStep.ASK),
        has_result=True,
    ),
    SevCommand.TIO_ROLL_KEY: Row(handler=device_commands.roll_key, places=_DEVICE, device_step=_device(DeviceStep.ASK)),
}
_TDIS: Final = {
    SevCommand.TIO_TDI_CREATE: Row(
        handler=tdi_commands.create, places=_NEW_TDI, device_step=_device(DeviceStep.CREATE_TDI)
    ),
    SevCommand.TIO_TDI_RECLAIM: Row(
        handler=tdi_commands.reclaim, places=_TDI, device_step=_KEEP, tdi_step=_tdi(TdiStep.RECLAIM)
    ),
    SevCommand.TIO_TDI_BIND: Row(
        handler=tdi_commands.bind,
        places=_TDI | _GUEST,
        device_step=_TALK,
        tdi_step=tdi_commands.bind_step,
        guest=Guest.ACTIVE,
        has_result=True,
    ),
    SevCommand.TIO_TDI_UNBIND: Row(
        handler=tdi_commands.unbind,
        places=_TDI | _GUEST,
        device_step=tdi_commands.unbind_step,
        tdi_step=_tdi(TdiStep.UNBIND),
        guest=Guest.KNOWN,
        cancels=_force,
    ),
    SevCommand.TIO_TDI_REPORT: Row(
        handler=tdi_commands.report,
        places=_TDI | _GUEST,
        device_step=_TALK,
        tdi_step=_tdi(TdiStep.REPORT),
        guest=Guest.KNOWN,
        has_result=True,
    ),
    SevCommand.TIO_TDI_STATUS: Row(
        handler=tdi_commands.status,
        places=_TDI | _STATUS,
        status_bytes=tdi_commands.status_bytes,
        device_step=_TALK,
        tdi_step=_tdi(TdiStep.STATUS),
    ),
    SevCommand.TIO_TDI_INFO: Row(
        handler=tdi_commands.info,
        places=_TDI | _STATUS,
        status_bytes=tdi_commands.info_bytes,
        device_step=_KEEP,
        tdi_step=_tdi(TdiStep.INFO),
    ),
    SevCommand.TIO_GUEST_REQUEST: Row(
        handler=guest_messages.guest_request,
        places=_TDI | _GUEST | _MESSAGE,
        device_step=_TALK,
        tdi_step=_tdi(TdiStep.GUEST_REQUEST),
        guest=Guest.ACTIVE,
    ),
}
_FENCES: Final = {
    SevCommand.TIO_ASID_FENCE_CLEAR: Row(handler=fence_commands.clear, places=_DEVICE | _GUEST, guest=Guest.ACTIVE),
    SevCommand.TIO_ASID_FENCE_STATUS: Row(
        handler=fence_commands.status, places=_DEVICE | _STATUS, status_bytes=fence_commands.status_bytes
    ),
}

ROWS: Final[Mapping[SevCommand, Row]] = MappingProxyType({**_SNP, **_DEVICES, **_TDIS, **_FENCES})
"""By command."""
