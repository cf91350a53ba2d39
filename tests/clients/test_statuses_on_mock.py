"""Every status that the firmware puts into a guest message, provoked by a guest or by its hypervisor.

Two are missing: NOT_IO and NOT_4K speak of pages that a device reports and a host maps, and neither mock does so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from pytio.clients.guest import MmioSpan
from pytio.errors import SevMessageError
from pytio.ids import Bdf
from pytio.sev.ghcb import MmioParameter
from pytio.sev.sdte import Sdte
from pytio.sev.tio_codes import (
    PAGE_BYTES,
    GuestMessageStatus,
    MmioConfigStatus,
    MmioValidateStatus,
    Revision,
    SdteWriteStatus,
    ValidateFlags,
)
from tests.clients.machine import BARS_GPA, Guest, Machine

REVISIONS = pytest.mark.parametrize(
    "revision", [Revision.R1, Revision.R2, Revision.P2, Revision.N], ids=lambda revision: revision.name
)
GPA = BARS_GPA[4]
MESSAGES: dict[str, dict[str, Any]] = {
    "TDI_INFO": {},
    "MMIO_VALIDATE": {"subrange_page_count": 4, "range_id": 4, "flags": ValidateFlags.VALIDATED},
    "MMIO_CONFIG": {"range_id": 4},
    "SDTE_WRITE": {"sdte": Sdte.for_guest()},
}


def bound(revision: Revision) -> Guest:
    """Return a guest whose interface is bound, and nothing open to it."""
    guest = Machine(revision).start()
    whole = guest.relay.assignments
    guest.relay.assignments = {rid: attrs.evolve(given, bar_pages={}) for rid, given in whole.items()}  # R1 checks them
    if guest.client.manner.lock:
        guest.run(guest.client.lock(guest.interface, lambda _: None))
    else:
        guest.run(guest.client.tdi_info(guest.interface))
    return guest


def ask(guest: Guest, name: str, *, device: Bdf | None = None, gpa: int = GPA, pages: int = 4, **fields: Any) -> Any:
    """Ask with fields of our own, under the registers of the whole truth."""
    manner, rid = guest.client.manner, guest.interface.guest_rid
    about = guest.interface if device is None else attrs.evolve(guest.interface, function=device, tdi_id=99)
    given = {**MESSAGES[name], **fields}
    if name == "MMIO_VALIDATE":
        given.setdefault("subrange_base", manner.address(GPA))
    rcx, rdx = manner.mmio(MmioSpan(gpa, pages, 4, 0), rid, is_private=True) if "MMIO" in name else (rid, 0)
    return guest.run(guest.client._ask(name, about, given, rcx=rcx, rdx=rdx))


def refused(guest: Guest, name: str, **more: Any) -> int:
    """Return the status of a message that is answered with one; the key stays, since the answer is authentic."""
    with pytest.raises(SevMessageError) as caught:
        ask(guest, name, **more)
    assert guest.channel.is_usable
    return caught.value.status


@REVISIONS
@pytest.mark.parametrize("name", MESSAGES)
def test_an_interface_that_is_not_the_guests(revision: Revision, name: str) -> None:
    guest = bound(revision)
    assert refused(guest, name, device=Bdf.parse("0000:07:00.0")) == GuestMessageStatus.INVALID_TDI


@REVISIONS
@pytest.mark.parametrize("name", MESSAGES)
def test_an_interface_that_is_not_bound_any_more(revision: Revision, name: str) -> None:
    guest = bound(revision)
    [interface] = guest.relay.interfaces.values()
    guest.machine.run(interface.stop())
    assert refused(guest, name) == GuestMessageStatus.UNBOUND


def _validated(guest: Guest) -> None:
    ask(guest, "MMIO_VALIDATE", pages=2, subrange_page_count=2)


def _mutable(guest: Guest) -> None:
    guest.relay._manner = attrs.evolve(guest.relay._manner, are_mmio_pages_immutable=False)


CASES: list[tuple[MmioValidateStatus, Callable[[Guest], None] | None, dict[str, Any]]] = [
    (MmioValidateStatus.NOT_ASSIGNED, None, {"gpa": GPA + 8 * PAGE_BYTES}),
    (MmioValidateStatus.NOT_UNIFORM, _validated, {}),
    (MmioValidateStatus.NOT_IMMUTABLE, _mutable, {}),
    (MmioValidateStatus.NOT_MAPPED, None, {"subrange_base": GPA + PAGE_BYTES}),
    (MmioValidateStatus.NOT_REPORTED, None, {"range_id": 5}),
    (MmioValidateStatus.OUT_OF_RANGE, None, {"range_offset": 14}),
]


@REVISIONS
@pytest.mark.parametrize(("status", "before", "fields"), CASES, ids=[case[0].name for case in CASES])
def test_pages_that_are_not_what_the_guest_says(
    revision: Revision, status: MmioValidateStatus, before: Callable[[Guest], None] | None, fields: dict[str, Any]
) -> None:
    guest = bound(revision)
    has_old_rules = revision in (Revision.R1, Revision.R2)
    if before is not None:
        before(guest)
    if "subrange_base" in fields:
        fields = {**fields, "subrange_base": guest.client.manner.address(fields["subrange_base"])}
    if status is MmioValidateStatus.NOT_IMMUTABLE and has_old_rules:
        ask(guest, "MMIO_VALIDATE", **fields)  # R1 and R2 do not ask for it
        return
    with pytest.raises(SevMessageError) as caught:
        ask(guest, "MMIO_VALIDATE", **fields)
    got = caught.value.status
    assert getattr(got, "name", got) == status.name  # by name: R1 and R2 have other numbers
    assert guest.channel.is_usable


@REVISIONS
def test_mixed_pages_may_be_forced(revision: Revision) -> None:
    guest = bound(revision)
    _validated(guest)
    both = ValidateFlags.VALIDATED | ValidateFlags.FORCE_VALIDATED
    answer, _ = ask(guest, "MMIO_VALIDATE", flags=both)
    assert answer.changed
    answer, _ = ask(guest, "MMIO_VALIDATE", flags=both)
    assert not answer.changed


@REVISIONS
def test_the_other_statuses(revision: Revision) -> None:
    guest = bound(revision)
    assert refused(guest, "MMIO_CONFIG", range_id=5) == MmioConfigStatus.NOT_REPORTED
    assert refused(guest, "MMIO_CONFIG", write=True) == MmioConfigStatus.COULD_NOT_CHANGE
    assert refused(guest, "SDTE_WRITE", sdte=Sdte(v=True, sd=True)) == SdteWriteStatus.RESERVED


def test_the_parameter_of_r1_has_no_t() -> None:
    manner = bound(Revision.R1).client.manner
    _, rdx = manner.mmio(MmioSpan(GPA, 4, 4, 0), 0, is_private=True)
    assert not MmioParameter.parse(rdx.to_bytes(8, "little")).is_private
