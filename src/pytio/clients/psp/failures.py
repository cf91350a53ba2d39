"""What a status of the firmware means to the host, and what to do about it.

Document: AMD 58271, "Status codes". Which condition gives which status is mostly not public; what stands here is true
of any choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pytio.errors import SevCommandError
from pytio.sev.codes import SevStatus
from pytio.sev.tio_codes import SevCommand

__all__ = ("MEANINGS", "command_error")

MEANINGS: Final[Mapping[SevStatus, tuple[str, str]]] = MappingProxyType(
    {
        SevStatus.INVALID_PLATFORM_STATE: (
            "the firmware is not initialized for this, or is already",
            "SNP_INIT_EX with TIO_EN, then TIO_INIT, each once; a shutdown drops both",
        ),
        SevStatus.INVALID_GUEST_STATE: ("the guest is not that far", "finish its launch first"),
        SevStatus.INVALID_LEN: ("LENGTH is not that of this command", "the revisions of host and firmware differ"),
        SevStatus.INACTIVE: ("the guest has no ASID", "SNP_ACTIVATE it first"),
        SevStatus.INVALID_ADDRESS: ("an address is misaligned, reserved or outside of memory", ""),
        SevStatus.BAD_SIGNATURE: ("a guest's message does not authenticate, or its number is not the next one", ""),
        SevStatus.ASID_OWNED: ("another guest has the ASID", "take another one"),
        SevStatus.INVALID_ASID: ("there is no such ASID", "it is out of the range that SNP_INIT_EX set"),
        SevStatus.INVALID_GUEST: ("the context is not that guest's", ""),
        SevStatus.INVALID_COMMAND: ("the firmware has no such command", "update it, or choose another revision"),
        SevStatus.UNSUPPORTED: (
            "the firmware was built, or booted, without it",
            "enable SEV-TIO in the firmware setup",
        ),
        SevStatus.INVALID_PARAM: ("a reserved bit is set, or a parameter is out of range", ""),
        SevStatus.RESOURCE_LIMIT: ("the firmware has no room left", "disconnect another device"),
        SevStatus.INVALID_PAGE_STATE: ("a page is not in the state that the command wants", "look at its RMP entry"),
        SevStatus.INVALID_PAGE_OWNER: ("a page belongs to another guest", ""),
        SevStatus.INVALID_PAGE_SIZE: ("a page has another size than the RMP says", ""),
        SevStatus.AEAD_OFLOW: ("the guest's messages are used up", "start the guest anew"),
        SevStatus.INCORRECT_BUFFER_LENGTH: ("a buffer is smaller than TIO_STATUS says", "ask for TIO_STATUS again"),
        SevStatus.EXPAND_BUFFER_LENGTH_REQUEST: ("the firmware wants a larger buffer, and does not say which", ""),
        SevStatus.SPDM_ERROR: (
            "the exchange with the device went wrong",
            "look at the SPDM messages: a refusal, a signature, a broken session",
        ),
        SevStatus.ERR_IN_DEV_CONN: ("authenticated, but the device could not be set up", "look at IDE_KM and TDISP"),
        SevStatus.INVALID_DEV_CTX: ("no device has this context", "it was reclaimed, or never created"),
        SevStatus.INVALID_TDI_CTX: ("no interface has this context", "it was reclaimed, or never created"),
        SevStatus.INVALID_TDI: ("the interface belongs to another device", ""),
        SevStatus.RECLAIM_REQUIRED: ("contexts of interfaces are left", "reclaim the interfaces first"),
        SevStatus.IN_USE: (
            "it exists, is bound, or waits for the answer to another command",
            "unbind interfaces first; one command that speaks to the device at a time",
        ),
        SevStatus.INVALID_DEV_STATE: (
            "the device is not in a state for this",
            "ask for its status; disconnect by force",
        ),
        SevStatus.INVALID_TDI_STATE: ("the interface is not in a state for this", "unbind it"),
        SevStatus.DEV_CERT_CHANGED: ("the certificates are not those of the connect", "disconnect, and judge it anew"),
        SevStatus.RESYNC_REQ: ("host and firmware have lost one another", "disconnect by force and connect again"),
        SevStatus.RESPONSE_TOO_LARGE: ("the device's response does not fit into the response buffer", ""),
    }
)
"""Meaning and hint by status; a hint may be empty."""


def command_error(command: SevCommand, status: SevStatus) -> SevCommandError:
    """Return the error for a command that ended with a status other than success."""
    meaning, hint = MEANINGS.get(status, ("", ""))
    return SevCommandError(command, status, meaning, hint)
