"""How requesters lie in handshakes (DSP0274)."""

from __future__ import annotations

import attrs

from pytio.spdm.codes import SpdmErrorCode, SpdmVersion
from pytio.spdm.configuration import Limits
from pytio.spdm.messages.key_exchange import Finish
from pytio.spdm.messages.psk import PskFinish
from pytio.spdm.requests import StartPskSession, StartSession
from pytio.spdm.session import Session, Side
from pytio.spdm.transcript import Pieces
from tests.spdm.lies.telling import FLOW, flip, lie, refused, turned_away, with_hmac
from tests.spdm.pair import PSK_HINT, Pair
from tests.spdm.test_engine_flows import mutual_pair
from tests.spdm.test_engine_sessions import ready, started

E = SpdmErrorCode
V1_2 = SpdmVersion.V1_2


def handshaking(two: Pair) -> tuple[int, Session]:
    """Start a session, and stop before FINISH."""
    number = started(two, stops_before_finish=True)
    return number, two.requester.sessions[number]


def handshaking_by_psk(two: Pair) -> tuple[int, Session]:
    """Start a session from a pre-shared key, and stop before PSK_FINISH."""
    two.run(StartPskSession(PSK_HINT, stops_before_finish=True))
    return next(iter(two.requester.sessions.items()))


FINISH = Finish(version=V1_2, requester_verify_data=b"")
PSK_FINISH = PskFinish(version=V1_2, requester_verify_data=b"")


@lie
def a_finish_without_the_secret_that_a_session_has() -> None:
    two = ready()
    number, mine = handshaking(two)
    refused(two, flip(-1)(with_hmac(two, mine, FINISH)), E.DECRYPT_ERROR, number)


@lie
def a_finish_for_another_slot() -> None:
    two = ready()
    number, mine = handshaking(two)
    refused(two, with_hmac(two, mine, FINISH.replace(req_slot_id=1)), E.INVALID_REQUEST, number)


@lie
def a_finish_with_a_signature_that_nobody_wants() -> None:
    two = mutual_pair(V1_2)
    number, mine = handshaking(two)
    size = two.responder.signer(of_requester=True).algorithm.signature_size
    signed = FINISH.replace(signature_included=True, signature=bytes(size))
    refused(two, with_hmac(two, mine, signed), E.INVALID_REQUEST, number)


@lie
def a_finish_in_clear() -> None:
    two = ready()
    _, mine = handshaking(two)
    refused(two, with_hmac(two, mine, FINISH), E.SESSION_REQUIRED)


@lie
def a_finish_after_psk_exchange() -> None:
    two = ready()
    number, mine = handshaking_by_psk(two)
    refused(two, with_hmac(two, mine, FINISH), E.UNEXPECTED_REQUEST, number)


@lie
def a_psk_finish_after_key_exchange() -> None:
    two = ready()
    number, mine = handshaking(two)
    refused(two, with_hmac(two, mine, PSK_FINISH), E.UNEXPECTED_REQUEST, number)


@lie
def a_psk_finish_without_the_secret() -> None:
    two = ready()
    number, mine = handshaking_by_psk(two)
    refused(two, flip(-1)(with_hmac(two, mine, PSK_FINISH)), E.DECRYPT_ERROR, number)


@lie
def a_finish_signed_without_the_key() -> None:
    two = mutual_pair(V1_2, mutual_authentication=FLOW)
    sign = two.requester.sign

    def crooked(slot: int, pieces: Pieces) -> object:
        check = sign(slot, pieces)
        return attrs.evolve(check, proof=attrs.evolve(check.proof, value=flip(-1)(check.proof.value)))

    setattr(two.requester, "sign", crooked)  # noqa: B010  a method, on this object alone
    turned_away(two, StartSession(), E.DECRYPT_ERROR)
    assert not two.responder.sessions


@lie
def a_finish_after_mutual_authentication_failed() -> None:
    two = mutual_pair(V1_2, mutual_authentication=FLOW)
    number, mine = handshaking(two)
    ask = mine.seal(Side.REQUEST, bytes.fromhex("12ea0000"), two.requester.provider)
    two.responder.receive(ask, now=two.now, is_secured=True)
    question = two.responder.bytes_to_send()
    assert question is not None
    mine.open(Side.RESPONSE, question)
    refused(two, "12eb0100" + "12020000", E.INVALID_RESPONSE_CODE, number)
    refused(two, with_hmac(two, mine, FINISH), E.UNEXPECTED_REQUEST, number)


@lie
def records_of_no_version_in_common() -> None:
    two = ready(secured_versions=(0x11,), of_requester={"secured_versions": (0x12,)})
    turned_away(two, StartSession(), E.INVALID_REQUEST)


@lie
def one_session_more_than_there_may_be() -> None:
    two = ready(limits=Limits(max_sessions=1))
    started(two)
    turned_away(two, StartSession(), E.SESSION_LIMIT_EXCEEDED)


@lie
def a_summary_of_a_kind_that_there_is_not() -> None:
    refused(ready(), "12830033" + 32 * "00", E.INVALID_REQUEST)
