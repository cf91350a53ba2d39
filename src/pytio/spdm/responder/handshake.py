"""KEY_EXCHANGE and FINISH, PSK_EXCHANGE and PSK_FINISH, as the responder answers them (DSP0274)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytio.crypto import Secret
from pytio.errors import SpdmDecodeError, VerificationError
from pytio.spdm import algorithms
from pytio.spdm.capabilities import ResponderCapabilities
from pytio.spdm.checks import CheckFailedError, check_hmac, made_hmac
from pytio.spdm.codes import (
    NONCE_BYTES,
    KeyUsage,
    MutAuthRequested,
    SessionPolicy,
    SpdmCode,
    SpdmErrorCode,
    SpdmVersion,
)
from pytio.spdm.events import Checked, Event, SessionEstablished, SessionStarted
from pytio.spdm.messages.key_exchange import Finish, FinishRsp, KeyExchange, KeyExchangeRsp
from pytio.spdm.messages.psk import PskExchange, PskExchangeRsp, PskFinish, PskFinishRsp
from pytio.spdm.refusal import Refusal, require
from pytio.spdm.responder.calls import Call
from pytio.spdm.responder.gate import outside_error
from pytio.spdm.secured import session_id
from pytio.spdm.secured_negotiation import SecuredTerms, read_offer, record_rules, selection
from pytio.spdm.session import Session, Side
from pytio.spdm.signing import SigningContext
from pytio.spdm.state import SessionState
from pytio.spdm.transcript import Piece, SessionTranscript

if TYPE_CHECKING:
    from pytio.spdm.responder.engine import Responder

__all__ = ("answer_finish", "answer_key_exchange", "answer_psk_exchange", "answer_psk_finish")

_E = SpdmErrorCode


def _check_sessions(responder: Responder) -> None:
    agreed = responder.negotiated
    require(agreed.is_authenticated, "sessions need MAC_CAP of both sides")
    is_table = agreed.version < SpdmVersion.V1_2 or agreed.opaque_format & agreed.opaque_format.OPAQUE_DATA_FMT1
    require(is_table, "sessions need OpaqueDataFmt1")


def _check_policy(responder: Responder, policy: SessionPolicy) -> None:
    if responder.version >= SpdmVersion.V1_3 and SessionPolicy.EVENT_ALL_POLICY in policy:
        has_events = ResponderCapabilities.EVENT_CAP in responder.negotiated.responder
        require(has_events, "a subscription to all events without EVENT_CAP")


def _choose_version(responder: Responder, opaque: bytes) -> tuple[SecuredTerms, int]:
    """Return what the requester says about records, and the highest version that both sides have."""
    try:
        terms = read_offer(opaque, responder.version)
    except SpdmDecodeError as error:
        raise Refusal(_E.INVALID_REQUEST, str(error)) from error
    common = set(terms.versions) & set(responder.config.secured_versions)
    require(common, f"no version of secured messages in common with {terms.versions}")
    return terms, max(common)


def _new_session(
    responder: Responder, call: Call, terms: SecuredTerms, version: int, transcript: SessionTranscript, rsp_half: int
) -> Session:
    agreed, config = responder.negotiated, responder.config
    limits = (terms.aead_limit_exponent, config.aead_limit_exponent)
    return Session(
        session_id=session_id(call.request.req_session_id, rsp_half),
        schedule=agreed.key_schedule(),
        transcript=transcript,
        rules=record_rules(responder.record_rules, agreed, version, limits),
        is_psk=call.code is SpdmCode.PSK_EXCHANGE,
        secured_version=version,
        policy=call.request.session_policy,
        heartbeat_period_s=config.heartbeat_period_s if agreed.has_heartbeat else 0,
    )


def _started(session: Session, summary: bytes) -> SessionStarted:
    return SessionStarted(
        session.session_id, session.is_psk, session.secured_version, summary, session.heartbeat_period_s
    )


def answer_key_exchange(responder: Responder, call: Call) -> KeyExchangeRsp:
    """Start a session with a signature by the key of a slot."""
    request: KeyExchange = call.request
    agreed, config = responder.negotiated, responder.config
    _check_sessions(responder)
    summary = responder.summary_hash(request.measurement_summary_hash_type)
    key = responder.identity.signing_key(request.slot_id, KeyUsage.KEY_EX_USE)
    _check_policy(responder, request.session_policy)
    terms, version = _choose_version(responder, request.opaque_data)
    rsp_half = responder.new_session_half(request.req_session_id)
    mutual, slot = responder.mutual_authentication()
    try:
        answer = responder.provider.encapsulate(
            algorithms.exchange_algorithm(agreed.dhe or agreed.kem), request.exchange_data
        )
    except VerificationError as error:
        raise Refusal(_E.INVALID_REQUEST, str(error)) from error
    signer = responder.signer(of_requester=False)
    signature_size = signer.algorithm.signature_size
    verify_size = 0 if agreed.is_handshake_in_the_clear else signer.hash_algorithm.digest_size
    message = KeyExchangeRsp(
        version=responder.version,
        heartbeat_period_s=config.heartbeat_period_s if agreed.has_heartbeat else 0,
        rsp_session_id=rsp_half,
        mut_auth_requested=mutual,
        req_slot_id=slot,
        random_data=responder.nonce(NONCE_BYTES),
        exchange_data=answer.response,
        measurement_summary_hash=summary,
        opaque_data=selection(responder.version, version, config.aead_limit_exponent),
        signature=bytes(signature_size),
        responder_verify_data=bytes(verify_size),
    )
    name = SpdmCode.KEY_EXCHANGE_RSP.name
    transcript = SessionTranscript(
        vca=responder.transcript.vca,
        exchange=Piece(SpdmCode.KEY_EXCHANGE.name, call.raw, "K"),
        response=Piece(name, message.build(), "K"),
        signature_size=signature_size,
        verify_size=verify_size,
        digests=responder.transcript.first_digests if agreed.is_responder_multi_key else None,
        chain=responder.identity.chain_hash(request.slot_id, "Ct"),
    )
    signed = responder.sign(
        key,
        transcript.exchange_signature(),
        request.slot_id,
        what="KEY_EXCHANGE_RSP signature",
        context=SigningContext.RESPONDER_KEY_EXCHANGE_RSP,
    )
    message = message.replace(signature=signed.signature)
    transcript.response = Piece(name, message.build(), "K")
    session = _new_session(responder, call, terms, version, transcript, rsp_half)
    session.start(session.schedule.handshake_secret(answer.secret))
    call.events.append(Checked(signed))
    if verify_size:
        key_of_finish = session.finished_key(Side.RESPONSE)
        what = "KEY_EXCHANGE_RSP ResponderVerifyData"
        mac = made_hmac(session.schedule, key_of_finish, what, transcript.th1())
        message = message.replace(responder_verify_data=mac.value)
        transcript.response = Piece(name, message.build(), "K")
        call.events.append(Checked(mac))
    call.events.append(_started(session, summary))
    responder.begin_session(session, mutual, slot)
    return message


def _handshake(responder: Responder, call: Call) -> Session:
    """Return the session whose handshake FINISH confirms."""
    in_clear = responder.negotiated.is_handshake_in_the_clear
    if call.session is None and not in_clear:
        raise Refusal(outside_error(responder.version), "FINISH outside the session")
    require(call.session is None or not in_clear, "FINISH in the session", _E.UNEXPECTED_REQUEST)
    session = call.session or responder.handshake_in_the_clear
    require(session is not None and not session.is_psk, "no handshake to finish", _E.UNEXPECTED_REQUEST)
    assert session is not None
    return session


def answer_finish(responder: Responder, call: Call) -> FinishRsp:
    """Check the requester's signature, if it has to sign, and its verify data; data keys follow."""
    request: Finish = call.request
    session = _handshake(responder, call)
    responder.require_mutual_authentication(session)
    require(request.signature_included == session.is_mutual, "a signature where none was asked for, or none")
    slot = session.requester_slot if session.is_mutual else 0
    require(request.req_slot_id == slot, f"slot {request.req_slot_id} instead of {slot}")
    transcript = session.transcript
    verify_data = request.requester_verify_data
    unverified = call.raw[: -len(verify_data)]
    events: list[Event] = []
    try:
        if session.is_mutual:
            signature = request.signature or b""
            pieces = transcript.finish_signature(unverified[: -len(signature)])
            events.append(Checked(responder.verify_requester(session, signature, pieces)))
        key = session.finished_key(Side.REQUEST)
        what = "FINISH RequesterVerifyData"
        events.append(Checked(check_hmac(session.schedule, key, what, transcript.finish_hmac(unverified), verify_data)))
    except CheckFailedError as error:
        call.end(session, str(error))
        raise Refusal(_E.DECRYPT_ERROR, str(error)) from error
    call.events.extend(events)
    transcript.finish = Piece(SpdmCode.FINISH.name, call.raw, "F")
    size = session.schedule.hash_algorithm.digest_size if responder.negotiated.is_handshake_in_the_clear else 0
    message = FinishRsp(version=responder.version, responder_verify_data=bytes(size))
    if size:
        pieces = transcript.finish_response_hmac(message.build()[:-size])
        mac = made_hmac(session.schedule, session.finished_key(Side.RESPONSE), "FINISH_RSP ResponderVerifyData", pieces)
        message = message.replace(responder_verify_data=mac.value)
        call.events.append(Checked(mac))
    transcript.finish_response = Piece(SpdmCode.FINISH_RSP.name, message.build(), "F")
    if session.is_mutual:
        call.events.append(responder.peer_authenticated(session, session.requester_slot))
    _establish_after(responder, call, session)
    return message


def _establish_after(responder: Responder, call: Call, session: Session) -> None:
    """Move on to data keys once the response has been sealed with handshake keys."""

    def establish() -> list[Event]:
        session.establish()
        session.touch(call.now, 2)
        return [SessionEstablished(session.session_id, session.is_mutual)]

    call.afterwards.append(establish)


# pre-shared keys


def answer_psk_exchange(responder: Responder, call: Call) -> PskExchangeRsp:
    """Start a session with verify data by a pre-shared key."""
    request: PskExchange = call.request
    agreed, config = responder.negotiated, responder.config
    _check_sessions(responder)
    summary = responder.summary_hash(request.measurement_summary_hash_type)
    _check_policy(responder, request.session_policy)
    terms, version = _choose_version(responder, request.opaque_data)
    psk = _find_psk(config.pre_shared_keys, request.psk_hint)
    rsp_half = responder.new_session_half(request.req_session_id)
    digest_size = agreed.key_schedule().hash_algorithm.digest_size
    message = PskExchangeRsp(
        version=responder.version,
        heartbeat_period_s=config.heartbeat_period_s if agreed.has_heartbeat else 0,
        rsp_session_id=rsp_half,
        measurement_summary_hash=summary,
        responder_context=responder.nonce(config.psk_context_bytes) if agreed.has_psk_finish else b"",
        opaque_data=selection(responder.version, version, config.aead_limit_exponent),
        responder_verify_data=bytes(digest_size),
    )
    name = SpdmCode.PSK_EXCHANGE_RSP.name
    transcript = SessionTranscript(
        vca=responder.transcript.vca,
        exchange=Piece(SpdmCode.PSK_EXCHANGE.name, call.raw, "K"),
        response=Piece(name, message.build(), "K"),
        verify_size=digest_size,
    )
    session = _new_session(responder, call, terms, version, transcript, rsp_half)
    session.start(session.schedule.psk_handshake_secret(psk))
    what = "PSK_EXCHANGE_RSP ResponderVerifyData"
    mac = made_hmac(session.schedule, session.finished_key(Side.RESPONSE), what, transcript.th1())
    message = message.replace(responder_verify_data=mac.value)
    transcript.response = Piece(name, message.build(), "K")
    call.events.extend((Checked(mac), _started(session, summary)))
    responder.begin_session(session, MutAuthRequested(0), 0)
    if not agreed.has_psk_finish:
        _establish_after(responder, call, session)
    return message


def _find_psk(keys: Any, hint: bytes) -> Secret:
    """Return the key of a hint; an empty hint means the first one, as the reference implementation has it."""
    found: Secret | None = keys.get(hint) or (next(iter(keys.values()), None) if not hint else None)
    if found is None:
        raise Refusal(_E.UNSPECIFIED, "no pre-shared key goes with this hint")
    return found


def answer_psk_finish(responder: Responder, call: Call) -> PskFinishRsp:
    """Check the requester's verify data; data keys follow."""
    request: PskFinish = call.request
    session = call.session
    is_psk = session is not None and session.is_psk and session.state is SessionState.HANDSHAKING
    require(is_psk, "PSK_FINISH of a session that no pre-shared key made", _E.UNEXPECTED_REQUEST)
    assert session is not None
    verify_data = request.requester_verify_data
    pieces = session.transcript.finish_hmac(call.raw[: -len(verify_data)])
    key = session.finished_key(Side.REQUEST)
    try:
        check = check_hmac(session.schedule, key, "PSK_FINISH RequesterVerifyData", pieces, verify_data)
    except CheckFailedError as error:
        call.end(session, str(error))
        raise Refusal(_E.DECRYPT_ERROR, str(error)) from error
    call.events.append(Checked(check))
    message = PskFinishRsp(version=responder.version)
    session.transcript.finish = Piece(SpdmCode.PSK_FINISH.name, call.raw, "F")
    session.transcript.finish_response = Piece(SpdmCode.PSK_FINISH_RSP.name, message.build(), "F")
    _establish_after(responder, call, session)
    return message
