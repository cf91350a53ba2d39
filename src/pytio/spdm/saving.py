"""A connection put to sleep: an engine's state as bytes, to be resumed in another process.

The bytes are JSON. They hold what was said and agreed on; keys only where that is asked for by name. What a
configuration says is not saved, and neither are its keys: who loads brings the same configuration. This file knows the
state of both roles; it performs no I/O.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from pytio.crypto import Secret, parse_certificates
from pytio.errors import DecodeError, LocalProtocolError
from pytio.spdm.certificate_chain import CertificateChain
from pytio.spdm.codes import CertificateModel, KeyUsage, SessionPolicy, SpdmVersion
from pytio.spdm.configuration import Slot
from pytio.spdm.messages.capabilities import Capabilities, GetCapabilities
from pytio.spdm.messages.events import EventGroups
from pytio.spdm.negotiated import Negotiated
from pytio.spdm.peer_identity import PeerChain, PeerIdentity
from pytio.spdm.records import Protection, RecordDirection, SequenceOrder
from pytio.spdm.session import RecordRules, Session, Side
from pytio.spdm.slots import SlotStore
from pytio.spdm.state import ConnectionState, SessionState
from pytio.spdm.transcript import Piece, SessionTranscript, Transcript
from pytio.wire import WireFlag

if TYPE_CHECKING:
    from pytio.spdm.endpoint import Endpoint

__all__ = ("Plain", "read_slots", "restore", "save", "slots_of")

_FORMAT: Final = 1

Plain = dict[str, Any]
"""What JSON holds."""


def save(endpoint: Endpoint, role: Plain, *, with_secrets: bool) -> bytes:
    """Return an engine's state; ``role`` is what its role adds. Without secrets there are no sessions in it."""
    sessions = [_session(session) for session in endpoint.sessions.values()] if with_secrets else []
    agreed, capabilities = endpoint.agreement
    state = {
        "format": _FORMAT,
        "is_requester": endpoint.IS_REQUESTER,
        "state": endpoint.state.name,
        "version": int(endpoint.version) if endpoint.state is not ConnectionState.NOT_STARTED else None,
        "capabilities": [message.build().hex() for message in capabilities or ()],
        "negotiated": _negotiated(agreed),
        "transcript": endpoint.transcript.to_plain(),
        "peer": _peer(endpoint.peer),
        "sessions": sessions,
        "role": role,
    }
    return json.dumps(state).encode()


def restore(endpoint: Endpoint, data: bytes) -> Plain:
    """Put an engine into a saved state; return what its role added.

    Raises DecodeError, without the bytes, if they are no state of such an engine.
    """
    try:
        state = json.loads(data)
        return _restore(endpoint, state)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise DecodeError(f"no saved {type(endpoint).__name__}: {type(error).__name__}") from None


def _restore(endpoint: Endpoint, state: Plain) -> Plain:
    if (state["format"], state["is_requester"]) != (_FORMAT, endpoint.IS_REQUESTER):
        raise ValueError("another format or role")
    version = None if state["version"] is None else SpdmVersion(state["version"])
    capabilities = None
    if state["capabilities"]:
        request, response = map(bytes.fromhex, state["capabilities"])
        capabilities = GetCapabilities.parse(request), Capabilities.parse(response)
    agreed = _read_negotiated(state["negotiated"])
    endpoint.resume(ConnectionState[state["state"]], version, agreed, capabilities)
    endpoint.transcript = Transcript.from_plain(state["transcript"])
    _read_peer(endpoint.peer, state["peer"], agreed)
    for plain in state["sessions"]:
        session = _read_session(plain, endpoint.record_rules, agreed)
        endpoint.sessions[session.session_id] = session
    role: Plain = state["role"]
    return role


def _negotiated(agreed: Negotiated | None) -> Plain | None:
    if agreed is None:
        return None
    return {field.name: getattr(agreed, field.name) for field in attrs.fields(Negotiated)}


def _read_negotiated(plain: Mapping[str, Any] | None) -> Negotiated | None:
    if plain is None:
        return None
    read: dict[str, Any] = dict(plain)
    for field in attrs.fields(Negotiated):
        if isinstance(field.default, WireFlag):
            read[field.name] = type(field.default)(plain[field.name])
    return Negotiated(**read)


def _peer(peer: PeerIdentity) -> Plain:
    return {
        "digests": _by_slot(peer.digests, bytes.hex),
        "models": _by_slot(peer.models, int),
        "chains": _by_slot(peer.chains, lambda known: known.chain.hex()),
    }


def _by_slot(values: Mapping[int, Any], plain: Callable[[Any], Any]) -> dict[str, Any]:
    return {str(slot): plain(value) for slot, value in values.items()}


def _read_peer(peer: PeerIdentity, plain: Plain, agreed: Negotiated | None) -> None:
    """Take over what was known: chains were examined before they entered."""
    peer.digests = {int(slot): bytes.fromhex(value) for slot, value in plain["digests"].items()}
    peer.models = {int(slot): CertificateModel(value) for slot, value in plain["models"].items()}
    for slot, value in plain["chains"].items():
        chain = bytes.fromhex(value)
        size = agreed.key_schedule_digest_size if agreed is not None else 0
        certificates = parse_certificates(CertificateChain.parse(chain, digest=size).certificate_list)
        peer.chains[int(slot)] = PeerChain(chain, certificates[-1].public_key)


# sessions

_LATER_PIECES: Final = (
    "digests",
    "chain",
    "encapsulated_digests",
    "requester_chain",
    "finish",
    "finish_response",
)


def _session(session: Session) -> Plain:
    if any(session.direction(side).is_updating for side in Side) or session.updating is not None:
        raise LocalProtocolError(session.state, "save", "a key update is under way")
    transcript = session.transcript
    return {
        "session_id": session.session_id,
        "state": session.state.name,
        "is_psk": session.is_psk,
        "secured_version": session.secured_version,
        "policy": int(session.policy),
        "heartbeat_period_s": session.heartbeat_period_s,
        "deadline": session.deadline,
        "is_mutual": session.is_mutual,
        "wants_mutual": session.wants_mutual,
        "requester_slot": session.requester_slot,
        "subscription": [
            len(session.subscription),
            EventGroups(groups=session.subscription).build().hex(),
        ],
        "protection": session.rules.protection.name,
        "orders": [order.name for order in session.rules.orders],
        "aead_limit_exponent": session.rules.aead_limit_exponent,
        "transcript": {
            "vca": [piece.to_plain() for piece in transcript.vca],
            "signature_size": transcript.signature_size,
            "verify_size": transcript.verify_size,
            "exchange": transcript.exchange.to_plain(),
            "response": transcript.response.to_plain(),
            **{name: _piece(getattr(transcript, name)) for name in _LATER_PIECES},
        },
        "secrets": {
            "handshake": _secret(session.handshake_secret),
            "export_master": _secret(session.exported),
            **{side.value: _direction(session, side) for side in Side},
        },
    }


def _piece(piece: Piece | None) -> Any:
    return None if piece is None else piece.to_plain()


def _secret(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal().hex()


def _direction(session: Session, side: Side) -> Plain:
    direction = session.direction(side)
    return {
        "finished_key": _secret(session.finished_key(side)),
        "secret": _secret(direction.secret),
        "sequence": direction.cipher.sequence,
        "orders": [order.name for order in direction.cipher.orders],
    }


def _read_session(plain: Plain, transport: RecordRules, agreed: Negotiated | None) -> Session:
    if agreed is None:
        raise ValueError("sessions without a connection")
    said, secrets = plain["transcript"], plain["secrets"]
    transcript = SessionTranscript(
        vca=tuple(Piece.from_plain(piece) for piece in said["vca"]),
        signature_size=said["signature_size"],
        verify_size=said["verify_size"],
        exchange=Piece.from_plain(said["exchange"]),
        response=Piece.from_plain(said["response"]),
        **{name: None if said[name] is None else Piece.from_plain(said[name]) for name in _LATER_PIECES},
    )
    rules = attrs.evolve(
        transport,
        protection=Protection[plain["protection"]],
        orders=tuple(SequenceOrder[name] for name in plain["orders"]),
        aead_limit_exponent=plain["aead_limit_exponent"],
    )
    count, groups = plain["subscription"]
    session = Session(
        session_id=plain["session_id"],
        schedule=agreed.key_schedule(),
        transcript=transcript,
        rules=rules,
        is_psk=plain["is_psk"],
        secured_version=plain["secured_version"],
        state=SessionState[plain["state"]],
        policy=SessionPolicy(plain["policy"]),
        heartbeat_period_s=plain["heartbeat_period_s"],
        deadline=plain["deadline"],
        is_mutual=plain["is_mutual"],
        wants_mutual=plain["wants_mutual"],
        requester_slot=plain["requester_slot"],
        subscription=EventGroups.parse(bytes.fromhex(groups), count=count).groups,
    )
    session.resume(
        _read_secret(secrets["handshake"]),
        _read_secret(secrets["export_master"]),
        {side: _read_direction(session, secrets[side.value]) for side in Side},
    )
    return session


def _read_secret(text: str | None) -> Secret | None:
    return None if text is None else Secret(bytes.fromhex(text))


def _read_direction(session: Session, plain: Plain) -> tuple[Secret, RecordDirection]:
    direction = RecordDirection(
        session.schedule,
        Secret(bytes.fromhex(plain["secret"])),
        protection=session.rules.protection,
        orders=tuple(SequenceOrder[name] for name in plain["orders"]),
        aead_limit_exponent=session.rules.aead_limit_exponent,
        sequence=plain["sequence"],
    )
    return Secret(bytes.fromhex(plain["finished_key"])), direction


# slots


def slots_of(store: SlotStore) -> Plain:
    """Return what was written into slots and key pairs, without the keys."""
    return {
        "slots": _by_slot(store.slots, _slot),
        "pending": _by_slot(store.pending, _slot),
        "usages": _by_slot(store.usages, int),
        "has_key": [pair is not None for pair in store.key_pairs],
        "csr_tags": _by_slot(store.csr_tags.ready, bool),
    }


def _slot(slot: Slot) -> Plain:
    return {
        "certificates": [certificate.hex() for certificate in slot.certificates],
        "key_pair_id": slot.key_pair_id,
        "model": int(slot.model),
        "root": None if slot.root is None else slot.root.hex(),
        "root_hash": None if slot.root_hash is None else slot.root_hash.hex(),
        "storage_bytes": slot.storage_bytes,
    }


def _read_slot(plain: Plain) -> Slot:
    return Slot(
        certificates=tuple(map(bytes.fromhex, plain["certificates"])),
        key_pair_id=plain["key_pair_id"],
        model=CertificateModel(plain["model"]),
        root=None if plain["root"] is None else bytes.fromhex(plain["root"]),
        root_hash=None if plain["root_hash"] is None else bytes.fromhex(plain["root_hash"]),
        storage_bytes=plain["storage_bytes"],
    )


def read_slots(store: SlotStore, plain: Plain) -> None:
    """Write slots and key pairs as they were; keys are the configuration's."""
    store.slots = {int(number): _read_slot(slot) for number, slot in plain["slots"].items()}
    store.pending = {int(number): _read_slot(slot) for number, slot in plain["pending"].items()}
    store.usages = {int(number): KeyUsage(usage) for number, usage in plain["usages"].items()}
    store.csr_tags.ready = {int(tag): bool(is_ready) for tag, is_ready in plain["csr_tags"].items()}
    for at, has_key in enumerate(plain["has_key"]):
        if not has_key:
            store.key_pairs[at] = None
