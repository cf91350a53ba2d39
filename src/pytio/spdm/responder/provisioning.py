"""GET_CSR, SET_CERTIFICATE, GET_KEY_PAIR_INFO, SET_KEY_PAIR_INFO, as the responder answers them (DSP0274)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytio.crypto import Certificate, ChainModel, ChainRole
from pytio.crypto.csr import RequestInfo, make_csr, parse_request_info
from pytio.errors import DecodeError, SpdmDecodeError, VerificationError
from pytio.spdm.capabilities import ResponderCapabilities
from pytio.spdm.certificate_chain import CertificateChain
from pytio.spdm.codes import (
    CERTIFICATE_SLOTS,
    CertificateModel,
    SpdmErrorCode,
    SpdmVersion,
)
from pytio.spdm.configuration import KeyPair, Trust
from pytio.spdm.events import CertificateErased, CertificateInstalled
from pytio.spdm.messages.provisioning import Csr, GetCsr, SetCertificate, SetCertificateRsp
from pytio.spdm.peer_identity import PeerChain, examined_chain
from pytio.spdm.refusal import Refusal, require
from pytio.spdm.responder.calls import Call

if TYPE_CHECKING:
    from pytio.spdm.responder.engine import Responder

__all__ = ("answer_get_csr", "answer_set_certificate")

_E = SpdmErrorCode
_MODELS = (CertificateModel.DEVICE_CERT, CertificateModel.ALIAS_CERT, CertificateModel.GENERIC_CERT)


def _check_key(responder: Responder, key_pair_id: int, model: CertificateModel, *, is_erased: bool = False) -> None:
    """Check the two fields that say which key a request is about, from 1.3."""
    if responder.version < SpdmVersion.V1_3:
        return
    if not responder.negotiated.is_responder_multi_key:
        require(not key_pair_id and not model, "a key pair or a model without several keys")
        return
    require(responder.slots.key_pair_of(key_pair_id) is not None, f"there is no key pair {key_pair_id}")
    require(not model if is_erased else model in _MODELS, f"certificate model {model:#x}")


def answer_get_csr(responder: Responder, call: Call) -> Csr:
    """Make a certificate signing request, at once or after a reset."""
    request: GetCsr = call.request
    _check_key(responder, request.key_pair_id, request.certificate_model)
    info = _request_info(responder, request.requester_info)
    _check_reset(responder, request)
    several = responder.negotiated.is_responder_multi_key
    pair = responder.slots.key_pair_of(request.key_pair_id) if several else _own_key_pair(responder)
    signer = responder.signer(of_requester=False)
    algorithm = signer.algorithm
    require(pair is not None, "there is no key to certify", _E.UNSPECIFIED)
    assert pair is not None
    if not pair.serves(algorithm):
        algorithm = min(pair.key.public_key.algorithms, key=str)
    csr = make_csr(responder.provider, pair.key, info, algorithm, signer.hash_algorithm)
    return Csr(version=responder.version, csr=csr)


def _own_key_pair(responder: Responder) -> KeyPair | None:
    """Return the key of slot 0, or the first one that the connection can use."""
    slots = responder.slots
    algorithm = responder.identity.algorithm
    found = [slots.key_pair(slot) for _, slot in sorted(slots.slots.items())]
    usable = (pair for pair in found if pair is not None and (algorithm is None or pair.serves(algorithm)))
    return next(usable, None)


def _request_info(responder: Responder, data: bytes) -> RequestInfo:
    """Return what the request is to contain; without a wish the subject of slot 0's leaf."""
    if data:
        try:
            return parse_request_info(data)
        except DecodeError as error:
            raise Refusal(_E.INVALID_REQUEST, f"RequesterInfo: {error}") from error
    for slot in responder.slots.slots.values():
        if slot.certificates:
            return RequestInfo(Certificate(slot.certificates[-1]).subject_der, bytes.fromhex("a000"))
    return RequestInfo(bytes.fromhex("3000"), bytes.fromhex("a000"))


def _check_reset(responder: Responder, request: GetCsr) -> None:
    """Raise Refusal, ResetRequired with a tracking tag, where the request can be made only after a reset."""
    tag = request.csr_tracking_tag if responder.version >= SpdmVersion.V1_3 else 0
    overwrites = request.overwrite and responder.version >= SpdmVersion.V1_3
    can_reset = ResponderCapabilities.CERT_INSTALL_RESET_CAP in responder.negotiated.responder
    require(not (tag and overwrites), "a tracking tag, and all of them overwritten")
    require(can_reset or not tag, "a tracking tag without CERT_INSTALL_RESET_CAP")
    if not can_reset or not responder.config.needs_reset_for_certificates:
        return
    tags = responder.slots.csr_tags
    if responder.version < SpdmVersion.V1_3:
        tag = 1 if tags.is_known(1) else 0
    if overwrites:
        tags.forget()
    if not tag:
        tag = tags.new()
        require(tag, "no free tracking tag", _E.BUSY)
    elif tags.take(tag):
        return
    require(tags.is_known(tag), f"tracking tag {tag}", _E.UNEXPECTED_REQUEST)
    data = tag if responder.version >= SpdmVersion.V1_3 else 0
    raise Refusal(_E.RESET_REQUIRED, "the request is made after a reset", data)


def answer_set_certificate(responder: Responder, call: Call) -> SetCertificateRsp:
    """Write a slot, or erase it."""
    request: SetCertificate = call.request
    number = request.slot_id
    require(number < CERTIFICATE_SLOTS, f"there is no slot {number}")
    is_safe = call.session is not None or number == 0 or responder.config.is_trusted_environment
    require(is_safe, f"slot {number} is not written outside a session", _E.UNEXPECTED_REQUEST)
    from_1_3 = responder.version >= SpdmVersion.V1_3
    if request.erase:
        require(from_1_3, "an erase bit before 1.3")
        _check_key(responder, request.key_pair_id, request.certificate_model, is_erased=True)
        responder.slots.erase(number)
        call.events.append(CertificateErased(number))
        return SetCertificateRsp(version=responder.version, slot_id=number)
    model = request.certificate_model if from_1_3 else CertificateModel.NONE
    key_pair_id = request.key_pair_id if from_1_3 else 0
    _check_key(responder, key_pair_id, model)
    require(model != CertificateModel.GENERIC_CERT or number, "a generic certificate in slot 0")
    structure = _structure(responder, request.certificate_chain)
    found = _examined(responder, request.certificate_chain, model)
    _check_leaf(responder, number, key_pair_id, found)
    certificates = structure.certificates()
    is_whole = Certificate(certificates[0]).is_self_issued
    responder.slots.install(
        number,
        certificates,
        key_pair_id=key_pair_id,
        model=model,
        root_hash=None if is_whole else structure.root_hash,
        needs_reset=responder.config.needs_reset_for_certificates,
    )
    call.events.append(CertificateInstalled(number))
    if responder.config.needs_reset_for_certificates:
        raise Refusal(_E.RESET_REQUIRED, "the chain counts after a reset")
    return SetCertificateRsp(version=responder.version, slot_id=number)


def _structure(responder: Responder, chain: bytes) -> CertificateChain:
    size = responder.hash_algorithm.digest_size
    try:
        structure = CertificateChain.parse(chain, digest=size)
        require(structure.certificates(), "a chain without certificates")
    except SpdmDecodeError as error:
        raise Refusal(_E.INVALID_REQUEST, str(error)) from error
    return structure


def _is_alias(responder: Responder) -> bool:
    """Whether chains are installed without their leaf: the device adds it, below its own CA certificate."""
    return ResponderCapabilities.ALIAS_CERT_CAP in responder.negotiated.responder


def _examined(responder: Responder, chain: bytes, model: CertificateModel) -> PeerChain:
    is_generic = model == CertificateModel.GENERIC_CERT or _is_alias(responder)
    try:
        return examined_chain(
            chain,
            hash_algorithm=responder.hash_algorithm,
            algorithm=None,
            trust=Trust(),
            role=ChainRole.RESPONDER,
            model=ChainModel.GENERIC if is_generic else ChainModel.DEVICE,
        )
    except (VerificationError, DecodeError) as error:
        raise Refusal(_E.UNSPECIFIED, str(error)) from error


def _check_leaf(responder: Responder, number: int, key_pair_id: int, found: PeerChain) -> None:
    """Check that the leaf certifies the slot's key, so that the slot can sign afterwards."""
    if _is_alias(responder) or not responder.config.checks_installed_keys:
        return
    slots = responder.slots
    before = slots.slots.get(number)
    pair = slots.key_pair_of(key_pair_id or (before.key_pair_id if before is not None else 1))
    certifies = pair is not None and pair.key.public_key == found.public_key
    require(certifies, "the leaf certifies another key than the slot's", _E.UNSPECIFIED)
