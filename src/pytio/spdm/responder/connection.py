"""GET_VERSION, GET_CAPABILITIES, NEGOTIATE_ALGORITHMS, as the responder answers them (DSP0274)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytio.spdm import capability_rules
from pytio.spdm.capabilities import RequesterCapabilities, ResponderCapabilities
from pytio.spdm.codes import MIN_DATA_TRANSFER_BYTES, SpdmErrorCode, SpdmVersion
from pytio.spdm.events import Connected
from pytio.spdm.messages.algorithms import Algorithms, NegotiateAlgorithms
from pytio.spdm.messages.capabilities import Capabilities, GetCapabilities
from pytio.spdm.messages.version import Version, VersionNumber
from pytio.spdm.negotiated import Negotiated
from pytio.spdm.negotiation import UnacceptableError, select, supported_algorithms
from pytio.spdm.refusal import Refusal, require
from pytio.spdm.responder.calls import Call

if TYPE_CHECKING:
    from pytio.spdm.responder.engine import Responder

__all__ = ("answer_get_capabilities", "answer_get_version", "answer_negotiate_algorithms")

_MAX_CT_EXPONENT: Final = 31


def answer_get_version(responder: Responder, call: Call) -> Version:
    """Say which versions the responder speaks; the connection starts anew."""
    responder.restart()
    versions = sorted(responder.config.versions)
    return Version(version_number_entries=tuple(VersionNumber.of(version) for version in versions))


def answer_get_capabilities(responder: Responder, call: Call) -> Capabilities:
    """Say what the responder can do; the version is settled."""
    request: GetCapabilities = call.request
    version, config = SpdmVersion(request.version), responder.config
    mine = config.capabilities & capability_rules.KNOWN_RESPONDER_CAPABILITIES[version]
    known = capability_rules.KNOWN_REQUESTER_CAPABILITIES[version]
    flags = (request.flags or RequesterCapabilities(0)) & known
    objection = capability_rules.objection(version, flags)
    require(not objection, objection)
    if version >= SpdmVersion.V1_2:
        _check_sizes(request, flags)
    asks = version >= SpdmVersion.V1_3 and request.supported_algorithms_requested
    both_chunk = RequesterCapabilities.CHUNK_CAP in flags and ResponderCapabilities.CHUNK_CAP in mine
    require(not asks or RequesterCapabilities.CHUNK_CAP in flags, "algorithms asked for without CHUNK_CAP")
    block = supported_algorithms(version, config) if asks and both_chunk else None
    response = Capabilities(
        version=version,
        supported_algorithms_present=block is not None,
        ct_exponent=config.limits.ct_exponent,
        ext_flags=capability_rules.known_extended(version, config.extended_capabilities),
        flags=mine,
        supported_algorithms=block,
        **_sizes(version, config.limits.data_transfer_size, config.limits.max_spdm_msg_size, mine),
    )
    responder.settle_capabilities(
        version, request.replace(flags=flags) if request.flags is not None else request, response
    )
    return response


def _check_sizes(request: GetCapabilities, flags: RequesterCapabilities) -> None:
    transfer, whole = request.data_transfer_size or 0, request.max_spdm_msg_size or 0
    require(transfer >= MIN_DATA_TRANSFER_BYTES, f"DataTransferSize {transfer}")
    require(whole >= transfer, f"MaxSPDMmsgSize {whole} below DataTransferSize {transfer}")
    can_chunk = RequesterCapabilities.CHUNK_CAP in flags
    require(can_chunk or whole == transfer, "MaxSPDMmsgSize and DataTransferSize differ without CHUNK_CAP")
    require((request.ct_exponent or 0) <= _MAX_CT_EXPONENT, f"CTExponent {request.ct_exponent}")


def _sizes(version: SpdmVersion, transfer: int, whole: int, mine: ResponderCapabilities) -> dict[str, Any]:
    if version < SpdmVersion.V1_2:
        return {}
    can_chunk = ResponderCapabilities.CHUNK_CAP in mine
    return {"data_transfer_size": transfer, "max_spdm_msg_size": max(whole, transfer) if can_chunk else transfer}


def answer_negotiate_algorithms(responder: Responder, call: Call) -> Algorithms:
    """Select algorithms; the connection is settled."""
    request: NegotiateAlgorithms = call.request
    get_capabilities, capabilities = responder.capabilities_exchange
    requester = get_capabilities.flags or RequesterCapabilities(0)
    try:
        selected = select(request, responder.config, requester, capabilities.flags)
    except UnacceptableError as error:
        raise Refusal(SpdmErrorCode.INVALID_REQUEST, str(error)) from None
    agreed = Negotiated.from_messages(get_capabilities, capabilities, request, selected)
    responder.settle(agreed)
    call.events.append(Connected(agreed))
    return selected
