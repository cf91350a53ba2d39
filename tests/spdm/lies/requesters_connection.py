"""How requesters lie about versions, capabilities and algorithms, and ask out of place (DSP0274)."""

from __future__ import annotations

from pytio.spdm.capabilities import ResponderCapabilities
from pytio.spdm.codes import SpdmCode, SpdmErrorCode, SpdmVersion
from pytio.spdm.requests import Authenticate, Connect, KeepAlive, Measure
from tests.spdm.lies.telling import FLOW, lie, on_the_wire, put, refused, turned_away, unconnected
from tests.spdm.test_engine_flows import mutual_pair
from tests.spdm.test_engine_sessions import ready, started

P, E = ResponderCapabilities, SpdmErrorCode
V1_2 = SpdmVersion.V1_2


# messages, and where they come


@lie
def a_request_of_another_version() -> None:
    refused(ready(), "11810000", E.VERSION_MISMATCH)


@lie
def a_request_for_which_the_capability_is_missing() -> None:
    refused(ready(without=P.CHAL_CAP), "12830000" + 32 * "00", E.UNSUPPORTED_REQUEST)


@lie
def capabilities_once_more() -> None:
    two = ready()
    again = next(message for _, message in two.wire if message[1] == SpdmCode.GET_CAPABILITIES)
    refused(two, again, E.UNEXPECTED_REQUEST)


@lie
def a_request_in_a_handshake_that_belongs_behind_it() -> None:
    two = ready()
    number = started(two, stops_before_finish=True)
    refused(two, "12810000", E.UNEXPECTED_REQUEST, number)


@lie
def a_new_connection_inside_a_session() -> None:
    two = ready()
    refused(two, "10840000", E.UNEXPECTED_REQUEST, started(two))


@lie
def a_connection_that_was_lost() -> None:
    two = ready()
    two.responder.require_resynchronization()
    refused(two, "12810000", E.REQUEST_RESYNCH)


@lie
def something_else_during_mutual_authentication() -> None:
    two = mutual_pair(V1_2, mutual_authentication=FLOW)
    started(two, stops_before_finish=True)
    refused(two, "12810000", E.REQUEST_IN_FLIGHT)


@lie
def bytes_behind_a_heartbeat() -> None:
    two = ready(heartbeat_period_s=5)
    refused(two, "12e8000000", E.INVALID_REQUEST, started(two))


# negotiation


@lie
def a_requester_that_takes_hardly_anything() -> None:
    two = unconnected()
    on_the_wire(two, SpdmCode.GET_CAPABILITIES, lambda message: put(13, 0)(put(12, 41)(message)), side="request")
    turned_away(two, Connect(), E.INVALID_REQUEST)


@lie
def a_requester_whose_capabilities_need_others() -> None:
    two = unconnected()
    encrypt_and_mac = 0xC0
    on_the_wire(two, SpdmCode.GET_CAPABILITIES, lambda m: put(8, m[8] & ~encrypt_and_mac)(m), side="request")
    turned_away(two, Connect(), E.INVALID_REQUEST)


@lie
def a_requester_without_a_hash() -> None:
    two = unconnected()
    on_the_wire(two, SpdmCode.NEGOTIATE_ALGORITHMS, lambda m: m[:12] + bytes(4) + m[16:], side="request")
    turned_away(two, Connect(), E.INVALID_REQUEST)


@lie
def algorithms_out_of_order() -> None:
    two = unconnected()
    on_the_wire(two, SpdmCode.NEGOTIATE_ALGORITHMS, lambda m: m[:32] + m[36:40] + m[32:36] + m[40:], side="request")
    turned_away(two, Connect(), E.INVALID_REQUEST)


# and an honest requester is heard afterwards


@lie
def after_a_lie_an_honest_requester_is_heard() -> None:
    two = ready(heartbeat_period_s=5)
    number = started(two)
    refused(two, "11810000", E.VERSION_MISMATCH)
    refused(two, "12830033" + 32 * "00", E.INVALID_REQUEST)
    refused(two, "12e50000" + 64 * "00", E.SESSION_REQUIRED)
    two.run(KeepAlive(), number)
    two.run(Authenticate())
    two.run(Measure(slot=0))
