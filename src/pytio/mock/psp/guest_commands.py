"""Commands around a guest: its context, its launch, its ASID, its end.

Document: AMD 56860, "SNP_GCTX_CREATE", "SNP_LAUNCH_…", "SNP_ACTIVATE", "SNP_GUEST_STATUS", "SNP_DECOMMISSION".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from pytio.crypto import HashAlgorithm, Secret, digest
from pytio.mock.platform import RmpStep
from pytio.mock.psp.call import Call
from pytio.mock.psp.contexts import VMPCK_COUNT, GuestContext
from pytio.mock.psp.refusal import Refused
from pytio.sev.codes import SevStatus
from pytio.sev.commands import GuestStatus, PageInfo, SnpActivate, SnpLaunchStart, SnpLaunchUpdate
from pytio.sev.guest_envelope import SecretsPage
from pytio.sev.rmp import PageState
from pytio.sev.tio_codes import PAGE_BYTES, GuestState, LaunchPageType

if TYPE_CHECKING:
    from pytio.mock.psp.firmware import Psp

__all__ = (
    "activate",
    "decommission",
    "gctx_create",
    "guest_status",
    "launch_finish",
    "launch_start",
    "launch_update",
)

_VMPCK_BYTES: Final = 32
_PRE_GUEST: Final = frozenset({PageState.PRE_GUEST})
_MEASURED: Final = (LaunchPageType.NORMAL, LaunchPageType.VMSA)


def gctx_create(psp: Psp, call: Call) -> None:
    """SNP_GCTX_CREATE."""
    paddr = call.message.gctx_paddr
    psp.take_over((paddr,))
    psp.guests[paddr] = GuestContext(paddr)


def decommission(psp: Psp, call: Call) -> None:
    """SNP_DECOMMISSION: refused with IN_USE while an interface is the guest's."""
    guest = call.guest
    if any(tdi.is_bound and tdi.guest is guest for tdi in psp.tdis):
        raise Refused(SevStatus.IN_USE, "an interface is bound to the guest")
    del psp.guests[guest.gctx_paddr]
    if guest.asid:
        psp.dirty_asids.add(guest.asid)
        psp.platform.asids.release(guest.asid)
    psp.give_back((guest.gctx_paddr,))


def activate(psp: Psp, call: Call) -> None:
    """SNP_ACTIVATE."""
    asked: SnpActivate = call.message
    _require(call.guest, GuestState.LAUNCH, GuestState.RUNNING)
    if not 1 <= asked.asid <= psp.config.max_asid:
        raise Refused(SevStatus.INVALID_ASID, f"ASID {asked.asid}")
    if call.guest.asid:
        raise Refused(SevStatus.ACTIVE, f"the guest has ASID {call.guest.asid}")
    if any(guest.asid == asked.asid for guest in psp.guests.values()):
        raise Refused(SevStatus.ASID_OWNED, f"ASID {asked.asid} is another guest's")
    if asked.asid in psp.dirty_asids:
        raise Refused(SevStatus.DFFLUSH_REQUIRED, f"ASID {asked.asid} was another guest's")
    call.guest.asid = asked.asid
    psp.platform.asids.activate(asked.asid)
    psp.close_fences(asked.asid)


def guest_status(psp: Psp, call: Call) -> None:
    """SNP_GUEST_STATUS."""
    guest = call.guest
    status = GuestStatus(policy=guest.policy, asid=guest.asid, state=guest.state)
    psp.pages.write(call.message.status_paddr, status.build())


def launch_start(psp: Psp, call: Call) -> None:
    """SNP_LAUNCH_START: draw the guest's keys. There is no migration agent here."""
    asked: SnpLaunchStart = call.message
    guest = call.guest
    _require(guest, GuestState.INIT)
    if asked.ma_en:
        raise Refused(SevStatus.INVALID_GUEST, "there is no migration agent")
    guest.state, guest.policy, guest.imi_en, guest.gosvw = GuestState.LAUNCH, asked.policy, asked.imi_en, asked.gosvw
    guest.report_id = psp.provider.nonce(len(guest.report_id))
    guest.vmpcks = tuple(Secret(psp.provider.nonce(_VMPCK_BYTES)) for _ in range(VMPCK_COUNT))
    for number, key in enumerate(guest.vmpcks):
        psp.on_secret("VMPCK", f"{guest.gctx_paddr:x}/{number}", key)


def launch_update(psp: Psp, call: Call) -> None:
    """SNP_LAUNCH_UPDATE: measure a page, encrypt it in place, and give it to the guest."""
    asked: SnpLaunchUpdate = call.message
    guest = call.guest
    _require(guest, GuestState.LAUNCH)
    if asked.page_type not in _CONTENTS or asked.is_2mib:
        raise Refused(SevStatus.INVALID_PARAM, f"{asked.page_type.name} of {'2 MiB' if asked.is_2mib else '4 KiB'}")
    if asked.imi_page and not guest.imi_en:
        raise Refused(SevStatus.INVALID_PARAM, "the guest has no initial migration image")
    psp.pages.check_states((asked.page_paddr,), _PRE_GUEST, asid=guest.asid)
    memory = psp.platform.memory
    page = _CONTENTS[asked.page_type](guest, memory.read(asked.page_paddr, PAGE_BYTES))
    info = PageInfo(
        digest_current=guest.launch_digest,
        contents=_sha384(page) if asked.page_type in _MEASURED else bytes(len(guest.launch_digest)),
        page_type=asked.page_type,
        imi_page=asked.imi_page,
        vmpl3_perms=asked.vmpl3_perms,
        vmpl2_perms=asked.vmpl2_perms,
        vmpl1_perms=asked.vmpl1_perms,
        gpa=psp.platform.rmp.entry(asked.page_paddr).gpa,
    )
    memory.write(asked.page_paddr, page, guest.asid)
    psp.platform.rmp.step(asked.page_paddr, RmpStep.LAUNCH_UPDATE)
    guest.launch_digest = _sha384(info.build())


def launch_finish(psp: Psp, call: Call) -> None:
    """SNP_LAUNCH_FINISH. Identity blocks are the guest owner's; this firmware does not look at them."""
    _require(call.guest, GuestState.LAUNCH)
    call.guest.state, call.guest.host_data = GuestState.RUNNING, call.message.host_data


def _require(guest: GuestContext, *states: GuestState) -> None:
    if guest.state not in states:
        raise Refused(SevStatus.INVALID_GUEST_STATE, f"the guest is in {guest.state.name}")


def _sha384(data: bytes) -> bytes:
    return digest(HashAlgorithm.SHA_384, data)


def _as_it_is(guest: GuestContext, page: bytes) -> bytes:
    return page


def _zeros(guest: GuestContext, page: bytes) -> bytes:
    return bytes(PAGE_BYTES)


def _secrets(guest: GuestContext, page: bytes) -> bytes:
    keys: dict[str, Any] = {f"vmpck{number}": key.reveal() for number, key in enumerate(guest.vmpcks)}
    return SecretsPage(imi_en=guest.imi_en, gosvw=guest.gosvw, **keys).build().ljust(PAGE_BYTES, b"\0")


_CONTENTS: Final[Mapping[LaunchPageType, Callable[[GuestContext, bytes], bytes]]] = {
    LaunchPageType.NORMAL: _as_it_is,
    LaunchPageType.VMSA: _as_it_is,
    LaunchPageType.ZERO: _zeros,
    LaunchPageType.UNMEASURED: _as_it_is,
    LaunchPageType.SECRETS: _secrets,
    LaunchPageType.CPUID: _as_it_is,
}
"""What a page of each type holds when the guest gets it."""
