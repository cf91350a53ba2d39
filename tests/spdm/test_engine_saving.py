"""Connections that are put to sleep and resumed: at every point, with and without secrets."""

from __future__ import annotations

from typing import Any

import pytest

from pytio.errors import DecodeError, LocalProtocolError
from pytio.spdm.codes import KeyUpdateOperation, SpdmVersion
from pytio.spdm.configuration import MutualAuthentication
from pytio.spdm.requester import Requester
from pytio.spdm.requests import (
    Authenticate,
    Connect,
    InstallCertificate,
    KeepAlive,
    LeaveSession,
    Measure,
    ReadCertificate,
    ReadDigests,
    StartPskSession,
    StartSession,
    UpdateKeys,
)
from pytio.spdm.responder import Responder
from pytio.spdm.secured import RECORD_FORMATS, RecordTransport
from pytio.spdm.session import Side
from pytio.spdm.state import ConnectionState, SessionState
from tests.spdm.pair import PSK_HINT, Pair
from tests.spdm.test_engine_flows import mutual_pair
from tests.spdm.test_engine_provisioning import new_chain, provisioned
from tests.spdm.test_engine_sessions import FROM_1_1, assert_agreement, ready, started

MCTP = RECORD_FORMATS[RecordTransport.MCTP]


def resumed(two: Pair, form: Any = MCTP) -> None:
    """Save both ends, and go on with what was saved."""
    requester, responder = two.requester, two.responder
    two.requester = Requester.load(requester.save(with_secrets=True), requester.config, record_format=form)
    two.responder = Responder.load(responder.save(with_secrets=True), responder.config, record_format=form)


@pytest.mark.parametrize("version", list(SpdmVersion))
def test_after_every_step(version: SpdmVersion) -> None:
    """A conversation that is put to sleep after each exchange is the same conversation."""
    two = ready(version, heartbeat_period_s=9)
    steps: list[Any] = [ReadDigests(), ReadCertificate(), Authenticate(), Measure(1), Measure(2), Measure(slot=0)]
    for step in steps:
        resumed(two)
        two.run(step)
    if version < SpdmVersion.V1_1:
        return
    number = started(two)
    steps = [KeepAlive(), Measure(1), Measure(slot=0), UpdateKeys(), UpdateKeys(KeyUpdateOperation.UPDATE_KEY)]
    for step in (*steps, KeepAlive(), LeaveSession()):
        resumed(two)
        assert two.requester.wake_at() is not None
        assert_agreement(two, number)
        two.run(step, number)
    assert not two.requester.sessions


@pytest.mark.parametrize("version", FROM_1_1)
@pytest.mark.parametrize(
    "intent", [StartSession(stops_before_finish=True), StartPskSession(PSK_HINT, stops_before_finish=True)]
)
def test_in_a_handshake(version: SpdmVersion, intent: Any) -> None:
    two = ready(version)
    two.run(intent)
    (number,) = two.requester.sessions
    resumed(two)
    two.requester.finish(number, now=two.now)
    two.settle()
    assert_agreement(two, number)


def test_with_mutual_authentication() -> None:
    two = mutual_pair(SpdmVersion.V1_3, multi_key=True, mutual_authentication=MutualAuthentication.WITH_ENCAPSULATION)
    number = started(two)
    resumed(two, RECORD_FORMATS[RecordTransport.PCI_DOE])
    assert_agreement(two, number)
    assert two.requester.sessions[number].is_mutual
    two.run(ReadDigests(), number)


def test_what_is_saved_without_secrets_holds_none() -> None:
    two = ready()
    number = started(two)
    mine = two.requester.sessions[number]
    secrets = [mine.direction(side).secret.reveal() for side in Side] + [mine.export_master_secret.reveal()]
    secrets += [mine.finished_key(side).reveal() for side in Side]
    data = two.requester.save()
    for secret in secrets:
        assert secret.hex() not in data.decode()
    assert mine.state is SessionState.ESTABLISHED
    again = Requester.load(data, two.requester.config, record_format=MCTP)
    assert not again.sessions
    assert again.negotiated == two.requester.negotiated
    assert secrets[0].hex() in two.requester.save(with_secrets=True).decode()


def test_a_session_that_was_handed_over_is_over_here() -> None:
    """No nonce is used twice."""
    two = ready()
    number = started(two)
    mine = two.requester.sessions[number]
    two.requester.save(with_secrets=True)
    assert mine.state is SessionState.ENDED
    with pytest.raises(KeyError):
        two.requester.send(ReadDigests(), session=number, now=0)


def test_slots_outlive_the_process() -> None:
    two = provisioned(SpdmVersion.V1_2)
    chain = new_chain(two)
    number = started(two)
    two.run(InstallCertificate(3, chain), number)
    two.responder = Responder.load(two.responder.save(), two.responder.config)
    two.connect()
    two.run(ReadCertificate(3))


def test_in_the_middle_of_something_nothing_is_saved() -> None:
    two = ready()
    number = started(two)
    two.requester.send(ReadDigests(), session=number, now=two.now)
    with pytest.raises(LocalProtocolError):
        two.requester.save()
    two.responder.receive(bytes.fromhex("12810000"), now=two.now)
    with pytest.raises(LocalProtocolError, match="waits to be sent"):
        two.responder.save()
    assert two.responder.bytes_to_send() is not None
    two.settle()
    two.responder.sessions[number].direction(Side.REQUEST).update()
    with pytest.raises(LocalProtocolError, match="key update"):
        two.responder.save(with_secrets=True)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"null", b'{"format": 1}', b"\xff", b'{"format": 2, "is_requester": true}']
)
def test_what_was_never_saved(data: bytes) -> None:
    for kind in (Requester, Responder):
        with pytest.raises(DecodeError):
            kind.load(data)


def test_a_requester_is_no_responder() -> None:
    two = ready()
    with pytest.raises(DecodeError):
        Responder.load(two.requester.save(), two.responder.config)


def test_every_cut_is_noticed() -> None:
    two = ready()
    started(two)
    data = two.requester.save(with_secrets=True)
    for size in range(0, len(data), 997):
        with pytest.raises(DecodeError) as error:
            Requester.load(data[:size], two.requester.config)
        assert error.value.data == b""


def test_an_error_is_still_an_error() -> None:
    two = ready()
    two.tap = lambda side, message: message[:-1] if side == "response" else message
    with pytest.raises(ValueError, match="63 left"):
        two.run(ReadDigests())
    again = Requester.load(two.requester.save(), two.requester.config, record_format=MCTP)
    assert again.state is ConnectionState.ERROR
    again.send(Connect(), now=0)
