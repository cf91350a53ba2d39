"""KEY_EXCHANGE and FINISH, PSK_EXCHANGE and PSK_FINISH: how the requester starts sessions (DSP0274)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytio.crypto import Secret
from pytio.crypto.exchange import Exchange as Agreement
from pytio.errors import LocalProtocolError
from pytio.spdm import algorithms
from pytio.spdm.checks import check_hmac, made_hmac
from pytio.spdm.codes import (
    NONCE_BYTES,
    MutAuthRequested,
    SessionPolicy,
    SpdmCode,
    SpdmVersion,
)
from pytio.spdm.events import Checked, Event, SessionEstablished, SessionStarted
from pytio.spdm.messages.key_exchange import Finish, FinishRsp, KeyExchange, KeyExchangeRsp
from pytio.spdm.messages.psk import PskExchange, PskExchangeRsp, PskFinish, PskFinishRsp
from pytio.spdm.requests import StartPskSession, StartSession
from pytio.spdm.secured import session_id
from pytio.spdm.secured_negotiation import SecuredTerms, offer, read_selection, record_rules
from pytio.spdm.session import Session, Side
from pytio.spdm.signing import SigningContext
from pytio.spdm.transcript import Piece, SessionTranscript

if TYPE_CHECKING:
    from pytio.spdm.requester.engine import Requester
    from pytio.spdm.requester.exchange import Answer

__all__ = (
    "build_key_exchange",
    "build_psk_exchange",
    "finish",
    "take_finish_rsp",
    "take_key_exchange_rsp",
    "take_psk_exchange_rsp",
    "take_psk_finish_rsp",
)


def _check_sessions(requester: Requester, intent: object) -> None:
    agreed = requester.negotiated
    if not agreed.is_authenticated:
        raise LocalProtocolError(requester.state, intent, "sessions need MAC_CAP of both sides")
    is_table = agreed.version < SpdmVersion.V1_2 or agreed.opaque_format & agreed.opaque_format.OPAQUE_DATA_FMT1
    if not is_table:
        raise LocalProtocolError(requester.state, intent, "sessions need OpaqueDataFmt1")
    if len(requester.sessions) >= requester.config.limits.max_sessions:
        raise LocalProtocolError(requester.state, intent, "as many sessions as are allowed")


def _offer(requester: Requester) -> bytes:
    config = requester.config
    return offer(requester.version, config.secured_versions, config.aead_limit_exponent)


def _policy(requester: Requester, policy: SessionPolicy) -> SessionPolicy:
    return policy if requester.version >= SpdmVersion.V1_2 else SessionPolicy(0)


def build_key_exchange(requester: Requester, intent: StartSession) -> tuple[KeyExchange, Agreement]:
    """Begin a session that certificates authenticate; remember the private half of the agreement."""
    _check_sessions(requester, intent)
    agreed = requester.negotiated
    if not requester.knows_key_of(intent.slot):
        raise LocalProtocolError(requester.state, intent, "the key of the slot is not known; read its chain first")
    agreement = requester.provider.new_exchange(algorithms.exchange_algorithm(agreed.dhe or agreed.kem))
    message = KeyExchange(
        version=requester.version,
        measurement_summary_hash_type=intent.summary,
        slot_id=intent.slot,
        req_session_id=requester.new_session_id(),
        session_policy=_policy(requester, intent.policy),
        random_data=requester.nonce(NONCE_BYTES),
        exchange_data=agreement.request,
        opaque_data=_offer(requester),
    )
    return message, agreement


def _selected(requester: Requester, answer: Answer) -> tuple[SecuredTerms, int]:
    """Return what the responder says about records, and which version it selected."""
    terms = read_selection(answer.message.opaque_data, requester.version)
    (version,) = terms.versions
    answer.require(version in requester.config.secured_versions, f"secured messages of version {version:#x}")
    return terms, version


def _session(requester: Requester, answer: Answer, transcript: SessionTranscript, *, is_psk: bool) -> Session:
    """Return the session that a response starts, without keys."""
    message, request = answer.message, answer.request
    number = session_id(request.req_session_id, message.rsp_session_id)
    answer.require(number and number not in requester.sessions, f"session id {number:#x}")
    terms, version = _selected(requester, answer)
    limits = (terms.aead_limit_exponent, requester.config.aead_limit_exponent)
    period = message.heartbeat_period_s
    answer.require(not period or requester.negotiated.has_heartbeat, "a heartbeat without HBEAT_CAP")
    return Session(
        session_id=number,
        schedule=requester.negotiated.key_schedule(),
        transcript=transcript,
        rules=record_rules(requester.record_rules, requester.negotiated, version, limits),
        is_psk=is_psk,
        secured_version=version,
        policy=request.session_policy,
        heartbeat_period_s=period,
    )


def _check_mutual(requester: Requester, answer: Answer) -> None:
    message: KeyExchangeRsp = answer.message
    wanted = message.mut_auth_requested
    answer.require(wanted in (0, *MutAuthRequested), f"MutAuthRequested {wanted:#x}")
    if not wanted:
        answer.require(not message.req_slot_id, "a requester slot without mutual authentication")
        return
    answer.require(requester.negotiated.can_authenticate_requester, "mutual authentication without MUT_AUTH_CAP")


def take_key_exchange_rsp(requester: Requester, answer: Answer) -> list[Event]:
    """Check signature and verify data; handshake keys are in place."""
    message: KeyExchangeRsp = answer.message
    request: KeyExchange = answer.request
    _check_mutual(requester, answer)
    agreement: Agreement = answer.exchange.memory
    verify_data = message.responder_verify_data
    transcript = SessionTranscript(
        vca=requester.transcript.vca,
        exchange=Piece(SpdmCode.KEY_EXCHANGE.name, answer.exchange.raw, "K"),
        response=Piece(SpdmCode.KEY_EXCHANGE_RSP.name, answer.raw, "K"),
        signature_size=len(message.signature),
        verify_size=len(verify_data),
        digests=requester.transcript.first_digests if requester.negotiated.is_responder_multi_key else None,
        chain=requester.chain_hash(request.slot_id, "Ct"),
    )
    session = _session(requester, answer, transcript, is_psk=False)
    signed = requester.verify(
        answer,
        transcript.exchange_signature(),
        request.slot_id,
        what="KEY_EXCHANGE_RSP signature",
        context=SigningContext.RESPONDER_KEY_EXCHANGE_RSP,
    )
    session.start(session.schedule.handshake_secret(agreement.complete(message.exchange_data)))
    events: list[Event] = [Checked(signed)]
    if verify_data:
        key = session.finished_key(Side.RESPONSE)
        what = "KEY_EXCHANGE_RSP ResponderVerifyData"
        events.append(Checked(check_hmac(session.schedule, key, what, transcript.th1(), verify_data)))
    events.append(_started(session, message.measurement_summary_hash))
    requester.sessions[session.session_id] = session
    intent = answer.exchange.intent
    if not isinstance(intent, StartSession) or not intent.stops_before_finish:
        events += requester.go_on_to_finish(answer, session, message)
    return events


def _started(session: Session, summary: bytes) -> SessionStarted:
    return SessionStarted(
        session.session_id, session.is_psk, session.secured_version, summary, session.heartbeat_period_s
    )


def finish(requester: Requester, session: Session) -> tuple[Finish | PskFinish, list[Event]]:
    """Return FINISH or PSK_FINISH of a handshake, and what was signed and MACed for it."""
    if session.is_psk:
        return _psk_finish(requester, session)
    signature_size = requester.signer(of_requester=True).algorithm.signature_size if session.is_mutual else 0
    digest_size = session.schedule.hash_algorithm.digest_size
    events: list[Event] = []
    message = Finish(
        version=requester.version,
        signature_included=session.is_mutual,
        req_slot_id=session.requester_slot if session.is_mutual else 0,
        signature=bytes(signature_size) if session.is_mutual else None,
        requester_verify_data=bytes(digest_size),
    )
    if session.is_mutual:
        header = message.build()[: -signature_size - digest_size]
        signed = requester.sign(session.requester_slot, session.transcript.finish_signature(header))
        message = message.replace(signature=signed.signature)
        events.append(Checked(signed))
    pieces = session.transcript.finish_hmac(message.build()[:-digest_size])
    mac = made_hmac(session.schedule, session.finished_key(Side.REQUEST), "FINISH RequesterVerifyData", pieces)
    return message.replace(requester_verify_data=mac.value), [*events, Checked(mac)]


def _psk_finish(requester: Requester, session: Session) -> tuple[PskFinish, list[Event]]:
    digest_size = session.schedule.hash_algorithm.digest_size
    message = PskFinish(version=requester.version, requester_verify_data=bytes(digest_size))
    pieces = session.transcript.finish_hmac(message.build()[:-digest_size])
    mac = made_hmac(session.schedule, session.finished_key(Side.REQUEST), "PSK_FINISH RequesterVerifyData", pieces)
    return message.replace(requester_verify_data=mac.value), [Checked(mac)]


def take_finish_rsp(requester: Requester, answer: Answer) -> list[Event]:
    """Check verify data, if the handshake was in the clear; data keys are in place."""
    message: FinishRsp = answer.message
    session = answer.exchange.memory or answer.exchange.session
    if not isinstance(session, Session):
        raise LocalProtocolError(requester.state, message, "FINISH as a message; say finish()")
    session.transcript.finish = Piece(SpdmCode.FINISH.name, answer.exchange.raw, "F")
    events: list[Event] = []
    if message.responder_verify_data:
        unverified = answer.unsigned(message.responder_verify_data)
        key = session.finished_key(Side.RESPONSE)
        pieces = session.transcript.finish_response_hmac(unverified)
        what = "FINISH_RSP ResponderVerifyData"
        events.append(Checked(check_hmac(session.schedule, key, what, pieces, message.responder_verify_data)))
    session.transcript.finish_response = Piece(SpdmCode.FINISH_RSP.name, answer.raw, "F")
    return [*events, *_established(session, answer.now)]


def _established(session: Session, now: float) -> list[Event]:
    session.establish()
    session.touch(now, 1)
    return [SessionEstablished(session.session_id, session.is_mutual)]


# pre-shared keys


def build_psk_exchange(requester: Requester, intent: StartPskSession) -> tuple[PskExchange, Secret]:
    """Begin a session that a pre-shared key authenticates; remember the key."""
    _check_sessions(requester, intent)
    psk = intent.psk or requester.config.pre_shared_keys.get(intent.hint)
    if psk is None:
        raise LocalProtocolError(requester.state, intent, "no pre-shared key goes with this hint")
    message = PskExchange(
        version=requester.version,
        measurement_summary_hash_type=intent.summary,
        session_policy=_policy(requester, intent.policy),
        req_session_id=requester.new_session_id(),
        psk_hint=intent.hint,
        requester_context=requester.nonce(requester.config.psk_context_bytes),
        opaque_data=_offer(requester),
    )
    return message, psk


def take_psk_exchange_rsp(requester: Requester, answer: Answer) -> list[Event]:
    """Check verify data; handshake keys are in place, or data keys where no PSK_FINISH follows."""
    message: PskExchangeRsp = answer.message
    psk: Secret = answer.exchange.memory
    has_finish = requester.negotiated.has_psk_finish
    answer.require(has_finish or not message.responder_context, "a context without PSK_CAP_WITH_CONTEXT")
    transcript = SessionTranscript(
        vca=requester.transcript.vca,
        exchange=Piece(SpdmCode.PSK_EXCHANGE.name, answer.exchange.raw, "K"),
        response=Piece(SpdmCode.PSK_EXCHANGE_RSP.name, answer.raw, "K"),
        verify_size=len(message.responder_verify_data),
    )
    session = _session(requester, answer, transcript, is_psk=True)
    session.start(session.schedule.psk_handshake_secret(psk))
    key = session.finished_key(Side.RESPONSE)
    what = "PSK_EXCHANGE_RSP ResponderVerifyData"
    check = check_hmac(session.schedule, key, what, transcript.th1(), message.responder_verify_data)
    requester.sessions[session.session_id] = session
    events: list[Event] = [Checked(check), _started(session, message.measurement_summary_hash)]
    if not has_finish:
        return [*events, *_established(session, answer.now)]
    intent = answer.exchange.intent
    if not isinstance(intent, StartPskSession) or not intent.stops_before_finish:
        events += requester.follow_by_finish(answer, session)
    return events


def take_psk_finish_rsp(requester: Requester, answer: Answer) -> list[Event]:
    """Data keys are in place."""
    message: PskFinishRsp = answer.message
    session = answer.exchange.session
    if session is None:
        raise LocalProtocolError(requester.state, message, "outside any session")
    session.transcript.finish = Piece(SpdmCode.PSK_FINISH.name, answer.exchange.raw, "F")
    session.transcript.finish_response = Piece(SpdmCode.PSK_FINISH_RSP.name, answer.raw, "F")
    return _established(session, answer.now)
