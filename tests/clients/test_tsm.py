"""The administrator's plans, action by action: what is done, what is believed, what is undone."""

from __future__ import annotations

import pytest

from pytio.clients.tsm import (
    Accept,
    Action,
    CollectEvidence,
    Connect,
    GivenEvidence,
    Lock,
    Look,
    Outcome,
    Plan,
    PortSight,
    Sight,
    Stop,
    accept,
    connect,
    disconnect,
)
from pytio.errors import BackendBusyError, BackendError, LocalProtocolError, VerificationError
from pytio.ids import Bdf

DEVICE = Bdf.parse("0000:e1:00.0")
PORT = Bdf.parse("0000:e0:01.1")
SECURE = (PortSight(DEVICE, 0, 5, True, 2), PortSight(PORT, 0, 5, True, 2))
CONNECTED = Sight(DEVICE, "tsm0", "tsm0", True, ("stream0.0.0",), SECURE)
REFUSED = BackendBusyError("x", "busy", "wait")


def play(plan: Plan[object], *outcomes: Outcome | Exception) -> tuple[list[Action], object]:
    """Send outcomes into a plan; return the actions, and the result or what was raised."""
    actions: list[Action] = []
    waiting = list(outcomes)
    try:
        action = next(plan)
        while True:
            actions.append(action)
            outcome = waiting.pop(0)
            action = plan.throw(outcome) if isinstance(outcome, Exception) else plan.send(outcome)
    except StopIteration as done:
        assert waiting == []
        return actions, done.value
    except Exception as error:  # noqa: BLE001  the test looks at what it was
        assert waiting == []
        return actions, error


def test_a_connect_looks_before_and_after() -> None:
    actions, result = play(connect(DEVICE), Sight(DEVICE), None, CONNECTED)
    assert actions == [Look(DEVICE), Connect(DEVICE), Look(DEVICE)]
    assert result == CONNECTED


def test_a_connected_device_is_left_alone() -> None:
    actions, result = play(connect(DEVICE), CONNECTED)
    assert actions == [Look(DEVICE)]
    assert isinstance(result, LocalProtocolError)
    assert "disconnect it first" in str(result)


def test_a_refusal_needs_no_rollback() -> None:
    actions, result = play(connect(DEVICE), Sight(DEVICE), REFUSED)
    assert actions == [Look(DEVICE), Connect(DEVICE)]
    assert result is REFUSED


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (Sight(DEVICE), "the device is not connected"),
        (Sight(DEVICE, "tsm0", None, True, ("stream0.0.0",), SECURE), "authenticated by nobody"),
        (Sight(DEVICE, "tsm0", "tsm1", True, ("stream0.0.0",), SECURE), "authenticated by tsm1"),
        (Sight(DEVICE, "tsm0", "tsm0", True, (), SECURE), "no IDE stream"),
        (Sight(DEVICE, "tsm0", ports=()), "not enabled on both ports"),
        (Sight(DEVICE, "tsm0", ports=SECURE[:1]), "not enabled on both ports"),
        (
            Sight(DEVICE, "tsm0", ports=(SECURE[0], PortSight(PORT, 3, 5, True, 0))),
            r"selective[3] stream 5: enable=1 state=0",
        ),
        (Sight(DEVICE, "tsm0", ports=(PortSight(DEVICE, 0, 5, True, 7), SECURE[1])), "state=7"),
    ],
)
def test_a_connect_that_is_none_is_undone(seen: Sight, reason: str) -> None:
    actions, result = play(connect(DEVICE), Sight(DEVICE), None, seen, None)
    assert actions[-1] == Stop(DEVICE)
    assert isinstance(result, VerificationError)
    assert reason in str(result)
    assert result.pieces == seen.problems()


def test_what_cannot_be_seen_is_undone() -> None:
    actions, result = play(connect(DEVICE), Sight(DEVICE), None, REFUSED, BackendError("y"))
    assert actions[-1] == Stop(DEVICE)
    assert result is REFUSED  # what failed first is what is raised
    assert REFUSED.__notes__ == ["rolling back failed, too: BackendError: y"]


def test_kernels_without_links_or_authenticated() -> None:
    assert Sight(DEVICE, "tsm0", ports=SECURE).problems() == ()


def test_a_disconnect_looks_after() -> None:
    actions, result = play(disconnect(DEVICE), None, Sight(DEVICE, links=()))
    assert actions == [Stop(DEVICE), Look(DEVICE)]
    assert result == Sight(DEVICE, links=())


def test_a_disconnect_that_is_none() -> None:
    _, result = play(disconnect(DEVICE), None, CONNECTED)
    assert isinstance(result, VerificationError)
    assert "connected to tsm0" in str(result)
    assert "stream0.0.0" in str(result)
    assert "secure" in str(result)


def test_accept_judges_before_it_accepts() -> None:
    evidence = GivenEvidence(DEVICE, report=b"report")
    judged: list[GivenEvidence] = []
    actions, result = play(accept(DEVICE, judged.append), None, evidence, None)
    assert actions == [Lock(DEVICE), CollectEvidence(DEVICE), Accept(DEVICE)]
    assert result is evidence
    assert judged == [evidence]
    assert "report=" not in repr(evidence)


def test_evidence_that_is_not_good_enough() -> None:
    def refuse(evidence: GivenEvidence) -> None:
        raise VerificationError("measurements")

    actions, result = play(accept(DEVICE, refuse, lock_first=False), GivenEvidence(DEVICE), None)
    assert actions == [CollectEvidence(DEVICE), Stop(DEVICE)]
    assert isinstance(result, VerificationError)


def test_a_lock_that_fails_needs_no_stop() -> None:
    actions, result = play(accept(DEVICE, lambda evidence: None), REFUSED)
    assert actions == [Lock(DEVICE)]
    assert result is REFUSED
