"""The RMP: every state by every step against a list of its own, and what accesses it lets through."""

from __future__ import annotations

import pickle

import pytest

from pytio.mock.platform import TRANSITIONS, Rmp, RmpStep, RmpViolation
from pytio.mock.platform.rmp import HUGE_PAGE_BYTES
from pytio.sev.rmp import PageState, RmpEntry, page_state

PAGE = 0x10_0000
GPA = 0x8000
ASID = 7
GUEST = RmpEntry(assigned=1, asid=ASID, gpa=GPA)
OTHER = RmpEntry(assigned=1, asid=ASID, gpa=GPA + 0x1000)
OPERANDS = {
    RmpStep.TO_HYPERVISOR: RmpEntry(),
    RmpStep.TO_FIRMWARE: RmpEntry(assigned=1, immutable=1),
    RmpStep.TO_GUEST: OTHER,
    RmpStep.TO_GUEST_IMMUTABLE: OTHER.replace(immutable=1),
    RmpStep.REPEAT: GUEST,
    RmpStep.FREEZE: GUEST.replace(immutable=1),
}
WAYS = {
    PageState.HYPERVISOR: (),
    PageState.RECLAIM: (RmpStep.TO_FIRMWARE, RmpStep.RECLAIM),
    PageState.FIRMWARE: (RmpStep.TO_FIRMWARE,),
    PageState.CONTEXT: (RmpStep.TO_FIRMWARE, RmpStep.CREATE_CONTEXT),
    PageState.METADATA: (RmpStep.TO_FIRMWARE, RmpStep.CREATE_METADATA),
    PageState.PRE_GUEST: ("guest", RmpStep.FREEZE),
    PageState.GUEST_INVALID: ("guest",),
    PageState.GUEST_VALID: ("guest", RmpStep.PVALIDATE),
    PageState.PRE_SWAP: ("guest", RmpStep.PVALIDATE, RmpStep.FREEZE),
    PageState.HV_FIXED: (RmpStep.TO_FIRMWARE, RmpStep.FIX),
}
# From AMD's page states, by hand: H, R hypervisor and reclaim, F C M firmware, context, metadata, P I V S of a guest,
# X fixed.
EXPECTED = {
    #                         H    R    F    C    M    P    I    V    S    X
    "TO_HYPERVISOR":      "   H    H    -    -    -    -    H    H    -    -",
    "TO_FIRMWARE":        "   F    F    -    -    -    -    F    F    -    -",
    "TO_GUEST_IMMUTABLE": "   P    P    -    -    -    -    P    P    -    -",
    "TO_GUEST":           "   I    I    -    -    -    -    I    I    -    -",
    "FREEZE":             "   .    .    .    .    .    -    P    S    -    .",
    "REPEAT":             "   .    .    .    .    .    -    I    V    -    .",
    "PVALIDATE":          "   -    -    -    -    -    -    V    V    -    -",
    "PVALIDATE_RESCIND":  "   -    -    -    -    -    -    I    I    -    -",
    "RECLAIM":            "   -    -    R    -    R    I    -    -    V    -",
    "LAUNCH_UPDATE":      "   -    -    -    -    -    V    -    -    -    -",
    "VALIDATE":           "   -    -    -    -    -    S    V    V    S    -",
    "INVALIDATE":         "   -    -    -    -    -    P    I    I    P    -",
    "CREATE_CONTEXT":     "   -    -    C    -    -    -    -    -    -    -",
    "DELETE_CONTEXT":     "   -    -    -    F    -    -    -    -    -    -",
    "CREATE_METADATA":    "   -    -    M    -    -    -    -    -    -    -",
    "FIX":                "   -    -    X    -    -    -    -    -    -    -",
}  # fmt: skip
LETTERS = {
    "H": PageState.HYPERVISOR, "R": PageState.RECLAIM, "F": PageState.FIRMWARE, "C": PageState.CONTEXT,
    "M": PageState.METADATA, "P": PageState.PRE_GUEST, "I": PageState.GUEST_INVALID, "V": PageState.GUEST_VALID,
    "S": PageState.PRE_SWAP, "X": PageState.HV_FIXED,
}  # fmt: skip
CELLS = [
    (state, RmpStep[name], after)
    for name, row in EXPECTED.items()
    for state, after in zip(LETTERS.values(), row.split(), strict=True)
    if after != "."  # a page that is no guest's has no guest to repeat
]


def take(rmp: Rmp, step: RmpStep) -> None:
    """Let whoever does it do a step."""
    if step in OPERANDS:
        rmp.update(PAGE, OPERANDS[step])
    elif step in (RmpStep.PVALIDATE, RmpStep.PVALIDATE_RESCIND):
        rmp.pvalidate(PAGE, GPA + 0x123, ASID, is_validated=step is RmpStep.PVALIDATE)
    elif step is RmpStep.RECLAIM:
        rmp.reclaim(PAGE)
    elif step in (RmpStep.VALIDATE, RmpStep.INVALIDATE):
        rmp.set_validated(PAGE, step is RmpStep.VALIDATE)
    else:
        rmp.step(PAGE, step)


def page_in(state: PageState) -> Rmp:
    """Return an RMP with the page in a state, by steps that lead there."""
    rmp = Rmp()
    for step in WAYS[state]:
        if isinstance(step, RmpStep):
            take(rmp, step)
        else:
            rmp.update(PAGE, GUEST)
    assert rmp.state(PAGE) is state
    return rmp


@pytest.mark.parametrize(("state", "step", "after"), CELLS)
def test_every_step_from_every_state(state: PageState, step: RmpStep, after: str) -> None:
    rmp = page_in(state)
    entry, is_validated = rmp.entry(PAGE), rmp.is_validated(PAGE)
    if after == "-":
        with pytest.raises(RmpViolation) as caught:
            take(rmp, step)
        assert (caught.value.paddr, caught.value.state) == (PAGE, state)
        assert (rmp.state(PAGE), rmp.entry(PAGE), rmp.is_validated(PAGE)) == (state, entry, is_validated)
    else:
        take(rmp, step)
        assert rmp.state(PAGE) is LETTERS[after]
    assert rmp.state(PAGE + 0x1000) is PageState.HYPERVISOR


def test_the_table_has_nothing_that_the_list_lacks() -> None:
    listed = {(state, step): LETTERS[after] for state, step, after in CELLS if after in LETTERS}
    assert listed == TRANSITIONS
    assert {step.name for step in RmpStep} == set(EXPECTED)


@pytest.mark.parametrize("state", PageState)
def test_an_entry_looks_like_its_state(state: PageState) -> None:
    rmp = page_in(state)
    seen = page_state(rmp.entry(PAGE), is_validated=rmp.is_validated(PAGE))
    of_firmware = {PageState.CONTEXT, PageState.METADATA}
    assert seen is (PageState.FIRMWARE if state in of_firmware else state)
    assert bool(rmp.entry(PAGE).asid) is (rmp.entry(PAGE).gpa == GPA)


def test_a_huge_page_is_changed_whole_or_not_at_all() -> None:
    rmp = Rmp()
    huge = RmpEntry(assigned=1, asid=ASID, gpa=HUGE_PAGE_BYTES, pagesize=1)
    rmp.update(HUGE_PAGE_BYTES, huge)
    last = 2 * HUGE_PAGE_BYTES - 0x1000
    assert rmp.entry(last).gpa == last
    rmp.update(HUGE_PAGE_BYTES, RmpEntry(pagesize=1))
    rmp.update(last, OPERANDS[RmpStep.TO_FIRMWARE])
    with pytest.raises(RmpViolation):
        rmp.update(HUGE_PAGE_BYTES, huge)
    assert rmp.state(HUGE_PAGE_BYTES) is PageState.HYPERVISOR


@pytest.mark.parametrize(
    ("paddr", "entry"),
    [(PAGE + 1, GUEST), (PAGE, GUEST.replace(gpa=1)), (PAGE, GUEST.replace(gpa=0, pagesize=1))],
)
def test_addresses_begin_pages(paddr: int, entry: RmpEntry) -> None:
    with pytest.raises(ValueError, match="begin a page"):
        Rmp().update(paddr, entry)


@pytest.mark.parametrize(
    "entry",
    [
        RmpEntry(assigned=1),
        RmpEntry(assigned=1, immutable=1, gpa=0x1000),
        RmpEntry(immutable=1),
        RmpEntry(asid=ASID, gpa=GPA),
    ],
)
def test_no_host_makes_such_a_page(entry: RmpEntry) -> None:
    with pytest.raises(RmpViolation, match="RMPUPDATE"):
        Rmp().update(PAGE, entry)


@pytest.mark.parametrize(("gpa", "asid"), [(GPA, ASID + 1), (GPA + 0x1000, ASID)])
def test_a_guest_validates_its_own_pages_where_they_are(gpa: int, asid: int) -> None:
    with pytest.raises(RmpViolation, match="PVALIDATE"):
        page_in(PageState.GUEST_INVALID).pvalidate(PAGE, gpa, asid)


@pytest.mark.parametrize("state", PageState)
def test_private_access_needs_a_validated_page_of_that_guest(state: PageState) -> None:
    rmp = page_in(state)
    if rmp.is_validated(PAGE):
        rmp.check_private(PAGE, GPA + 5, ASID)
    else:
        with pytest.raises(RmpViolation):
            rmp.check_private(PAGE, GPA, ASID)
    for gpa, asid in ((GPA, ASID + 1), (GPA + 0x1000, ASID)):
        with pytest.raises(RmpViolation, match=f"ASID {asid}"):
            rmp.check_private(PAGE, gpa, asid)


@pytest.mark.parametrize("state", PageState)
def test_shared_writes_need_a_page_of_the_hypervisor(state: PageState) -> None:
    rmp = page_in(state)
    if state in (PageState.HYPERVISOR, PageState.HV_FIXED):
        rmp.check_shared_write(PAGE - 1, 0x1002)
    else:
        with pytest.raises(RmpViolation, match=state.value):
            rmp.check_shared_write(PAGE - 0x1001, 0x1002)
        rmp.check_shared_write(PAGE - 0x1001, 0x1001)


def test_the_firmware_writes_what_it_likes() -> None:
    rmp = Rmp()
    rmp.firmware_set(PAGE, GUEST, is_validated=True)
    assert rmp.state(PAGE) is PageState.GUEST_VALID
    with pytest.raises(ValueError, match="no page state"):
        rmp.firmware_set(PAGE, RmpEntry(immutable=1, asid=ASID))


def test_a_violation_survives_pickling() -> None:
    violation = RmpViolation(PAGE, PageState.FIRMWARE, "a test")
    again = pickle.loads(pickle.dumps(violation))
    assert str(again) == str(violation) == "page 0x100000 is Firmware: a test is refused"
