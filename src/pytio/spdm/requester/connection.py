"""GET_VERSION, GET_CAPABILITIES, NEGOTIATE_ALGORITHMS, as the requester goes through them (DSP0274)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytio.errors import RemoteProtocolError
from pytio.spdm import capability_rules
from pytio.spdm.capabilities import RequesterCapabilities
from pytio.spdm.codes import MIN_DATA_TRANSFER_BYTES, SpdmVersion
from pytio.spdm.events import Connected, Event, VersionsReceived
from pytio.spdm.messages.algorithms import NegotiateAlgorithms
from pytio.spdm.messages.capabilities import Capabilities, GetCapabilities
from pytio.spdm.messages.version import GetVersion
from pytio.spdm.negotiated import Negotiated
from pytio.spdm.negotiation import UnacceptableError, check_selection, make_request
from pytio.spdm.requests import Connect

if TYPE_CHECKING:
    from pytio.spdm.requester.engine import Requester
    from pytio.spdm.requester.exchange import Answer

__all__ = ("build_get_version", "make_get_capabilities", "take_algorithms", "take_capabilities", "take_version")

_CHUNK: Final = RequesterCapabilities.CHUNK_CAP


def build_get_version(requester: Requester, intent: Connect) -> GetVersion:
    """Begin anew."""
    return GetVersion()


def take_version(requester: Requester, answer: Answer) -> list[Event]:
    """Choose the highest version that both sides speak."""
    offered = tuple(entry.version for entry in answer.message.version_number_entries)
    common = [version for version in requester.config.versions if version in offered]
    if not common:
        raise RemoteProtocolError(requester.state, "VERSION", f"no version in common with {list(map(hex, offered))}")
    chosen = max(common)
    requester.settle_version(chosen)
    if isinstance(answer.exchange.intent, Connect):
        requester.follow(answer, make_get_capabilities(requester))
    return [VersionsReceived(offered, chosen)]


def make_get_capabilities(requester: Requester) -> GetCapabilities:
    """Return GET_CAPABILITIES as the negotiated version has it."""
    version, config = requester.version, requester.config
    flags = config.capabilities & capability_rules.KNOWN_REQUESTER_CAPABILITIES[version]
    if version < SpdmVersion.V1_1:
        return GetCapabilities(version=version, ct_exponent=None, ext_flags=None, flags=None, reserved=None)
    sizes: dict[str, Any] = {}
    if version >= SpdmVersion.V1_2:
        transfer = config.limits.data_transfer_size
        sizes = {
            "data_transfer_size": transfer,
            "max_spdm_msg_size": max(config.limits.max_spdm_msg_size, transfer) if _CHUNK in flags else transfer,
        }
    asks = version >= SpdmVersion.V1_3 and config.asks_for_supported_algorithms and _CHUNK in flags
    return GetCapabilities(
        version=version,
        supported_algorithms_requested=asks,
        ct_exponent=config.limits.ct_exponent,
        ext_flags=capability_rules.known_extended(version, config.extended_capabilities),
        flags=flags,
        **sizes,
    )


def take_capabilities(requester: Requester, answer: Answer) -> list[Event]:
    """Check what the responder can do, and go on to the algorithms."""
    message: Capabilities = answer.message
    flags = message.flags & capability_rules.KNOWN_RESPONDER_CAPABILITIES[requester.version]
    objection = capability_rules.objection(requester.version, flags)
    answer.require(not objection, objection)
    if requester.version >= SpdmVersion.V1_2:
        _check_sizes(answer)
    asked = answer.request.supported_algorithms_requested
    answer.require(asked or not message.supported_algorithms_present, "algorithms that were not asked for")
    requester.settle_capabilities(answer.request, message.replace(flags=flags), message)
    if isinstance(answer.exchange.intent, Connect):
        requester.follow(answer, make_request(requester.version, requester.config, flags))
    return []


def _check_sizes(answer: Answer) -> None:
    message: Capabilities = answer.message
    transfer, whole = message.data_transfer_size or 0, message.max_spdm_msg_size or 0
    answer.require(transfer >= MIN_DATA_TRANSFER_BYTES, f"DataTransferSize {transfer}")
    answer.require(whole >= transfer, f"MaxSPDMmsgSize {whole} below DataTransferSize {transfer}")
    can_chunk = bool(message.flags & message.flags.CHUNK_CAP)
    answer.require(can_chunk or whole == transfer, "MaxSPDMmsgSize and DataTransferSize differ without CHUNK_CAP")


def take_algorithms(requester: Requester, answer: Answer) -> list[Event]:
    """Check the responder's selection; the connection is settled."""
    request: NegotiateAlgorithms = answer.request
    get_capabilities, capabilities = requester.capabilities_exchange
    mine = get_capabilities.flags or RequesterCapabilities(0)
    try:
        check_selection(request, answer.message, mine, capabilities.flags)
    except UnacceptableError as error:
        raise RemoteProtocolError(requester.state, "ALGORITHMS", str(error)) from None
    agreed = Negotiated.from_messages(get_capabilities, capabilities, request, answer.message)
    requester.settle(agreed)
    return [Connected(agreed)]
