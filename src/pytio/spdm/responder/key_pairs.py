"""GET_KEY_PAIR_INFO and SET_KEY_PAIR_INFO, as the responder answers them (DSP0274, from 1.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

from pytio.crypto import SignatureAlgorithm
from pytio.crypto.csr import algorithm_identifier
from pytio.spdm.algorithms import KeyPairAsymAlgo, PqcAsymAlgo
from pytio.spdm.capabilities import ResponderCapabilities
from pytio.spdm.codes import KeyPairCapabilities, KeyUsage, SetKeyPairInfoOperation, SpdmErrorCode
from pytio.spdm.configuration import KeyPair
from pytio.spdm.events import KeyPairChanged
from pytio.spdm.messages.key_pair import (
    GetKeyPairInfo,
    KeyPairInfo,
    SetKeyPairInfo,
    SetKeyPairInfoAck,
    pqc_algorithms,
)
from pytio.spdm.refusal import Refusal, require
from pytio.spdm.responder.calls import Call

if TYPE_CHECKING:
    from pytio.spdm.responder.engine import Responder

__all__ = ("answer_get_key_pair_info", "answer_set_key_pair_info")

_PQC_BYTES: Final = 4
_BITS: Final[Mapping[SignatureAlgorithm, KeyPairAsymAlgo]] = MappingProxyType(
    {
        SignatureAlgorithm.RSASSA_2048: KeyPairAsymAlgo.RSA2048,
        SignatureAlgorithm.RSASSA_3072: KeyPairAsymAlgo.RSA3072,
        SignatureAlgorithm.RSASSA_4096: KeyPairAsymAlgo.RSA4096,
        SignatureAlgorithm.ECDSA_P256: KeyPairAsymAlgo.ECC256,
        SignatureAlgorithm.ECDSA_P384: KeyPairAsymAlgo.ECC384,
        SignatureAlgorithm.ECDSA_P521: KeyPairAsymAlgo.ECC521,
        SignatureAlgorithm.ED25519: KeyPairAsymAlgo.ED25519,
        SignatureAlgorithm.ED448: KeyPairAsymAlgo.ED448,
    }
)


def _asym(pair: KeyPair) -> KeyPairAsymAlgo:
    bits = KeyPairAsymAlgo(0)
    for algorithm in pair.key.public_key.algorithms:
        bits |= _BITS.get(algorithm, KeyPairAsymAlgo(0))
    return bits


def _pqc(pair: KeyPair) -> PqcAsymAlgo:
    bits = PqcAsymAlgo(0)
    for algorithm in pair.key.public_key.algorithms:
        bits |= PqcAsymAlgo.__members__.get(algorithm.name, PqcAsymAlgo(0))
    return bits


def answer_get_key_pair_info(responder: Responder, call: Call) -> KeyPairInfo:
    """Tell about a key pair; one that was erased has nothing but its capabilities."""
    request: GetKeyPairInfo = call.request
    number, slots = request.key_pair_id, responder.slots
    require(1 <= number <= len(slots.key_pairs), f"there is no key pair {number}")
    configured, pair = responder.config.key_pairs[number - 1], slots.key_pair_of(number)
    can_set = ResponderCapabilities.SET_KEY_PAIR_INFO_CAP in responder.negotiated.responder
    spki = pair.key.public_key.to_spki() if pair is not None else b""
    pqc = int(_pqc(pair)).to_bytes(_PQC_BYTES, "little") if pair is not None else bytes(_PQC_BYTES)
    return KeyPairInfo(
        version=responder.version,
        total_key_pairs=len(slots.key_pairs),
        key_pair_id=number,
        capabilities=configured.capabilities if can_set else KeyPairCapabilities(0),
        key_usage_capabilities=_usage_capabilities(configured),
        current_key_usage=slots.usages.get(number, KeyUsage(0)) if pair is not None else KeyUsage(0),
        asym_algo_capabilities=_asym(configured),
        current_asym_algo=_asym(pair) if pair is not None else KeyPairAsymAlgo(0),
        assoc_cert_slot_mask=slots.associated_mask(number) if pair is not None else 0,
        public_key_info=algorithm_identifier(spki) if spki else b"",
        pqc_asym_algo_capabilities=int(_pqc(configured)).to_bytes(_PQC_BYTES, "little"),
        current_pqc_asym_algo=pqc,
    )


def _usage_capabilities(pair: KeyPair) -> KeyUsage:
    return pair.usage if pair.usage_capabilities is None else pair.usage_capabilities


@attrs.frozen
class _Change:
    """What SET_KEY_PAIR_INFO does once it may: at once, or at the next reset."""

    responder: Responder
    request: SetKeyPairInfo

    @property
    def number(self) -> int:
        return self.request.key_pair_id

    @property
    def configured(self) -> KeyPair:
        return self.responder.config.key_pairs[self.number - 1]

    def allow(self, capability: KeyPairCapabilities) -> None:
        """Raise Refusal unless the key pair may be changed like that."""
        allowed = capability in self.configured.capabilities
        require(allowed, f"key pair {self.number} lacks {capability.name}")


def _change_parameters(change: _Change) -> Callable[[], None]:
    request, slots, number = change.request, change.responder.slots, change.number
    pair = slots.key_pair_of(number)
    require(pair is not None, f"key pair {number} holds no key")
    assert pair is not None
    usage, mask = request.desired_key_usage or KeyUsage(0), request.desired_assoc_cert_slot_mask or 0
    if usage and usage != slots.usages.get(number):
        change.allow(KeyPairCapabilities.KEY_USAGE_CAP)
        require(not usage & ~_usage_capabilities(change.configured), f"usage {usage:#x}")
    asym = request.desired_asym_algo or KeyPairAsymAlgo(0)
    pqc = pqc_algorithms(request.desired_pqc_asym_algo)
    # a key keeps its algorithm: another one comes only by generating
    require(asym in (0, _asym(pair)) and pqc in (0, _pqc(pair)), "another algorithm than the key's")
    if mask != slots.associated_mask(number):
        change.allow(KeyPairCapabilities.CERT_ASSOC_CAP)
        slots.check_association(number, mask)

    def apply() -> None:
        if usage:
            slots.usages[number] = usage
        slots.associate(number, mask)

    return apply


def _erase(change: _Change) -> Callable[[], None]:
    slots, number = change.responder.slots, change.number
    change.allow(KeyPairCapabilities.ERASABLE_CAP)
    require(not slots.certified_mask(number), f"certificates go with key pair {number}", SpdmErrorCode.UNSPECIFIED)

    def apply() -> None:
        slots.key_pairs[number - 1] = None

    return apply


def _generate(change: _Change) -> Callable[[], None]:
    slots, number = change.responder.slots, change.number
    change.allow(KeyPairCapabilities.GEN_KEY_CAP)
    configured = change.configured
    generate = configured.generate
    require(slots.key_pair_of(number) is None, f"key pair {number} holds a key already")
    asym = change.request.desired_asym_algo or KeyPairAsymAlgo(0)
    pqc = pqc_algorithms(change.request.desired_pqc_asym_algo)
    require(asym in (0, _asym(configured)) and pqc in (0, _pqc(configured)), "an algorithm that is not offered")
    require(generate is not None, "nobody makes keys here", SpdmErrorCode.OPERATION_FAILED)
    assert generate is not None
    usage = change.request.desired_key_usage or configured.usage
    require(not usage & ~_usage_capabilities(configured), f"usage {usage:#x}")

    def apply() -> None:
        slots.key_pairs[number - 1] = attrs.evolve(configured, key=generate())
        slots.usages[number] = usage

    return apply


_Operation: TypeAlias = Callable[[_Change], Callable[[], None]]

_OPERATIONS: Final[Mapping[int, _Operation]] = MappingProxyType(
    {
        SetKeyPairInfoOperation.PARAMETER_CHANGE: _change_parameters,
        SetKeyPairInfoOperation.ERASE_KEY_PAIR: _erase,
        SetKeyPairInfoOperation.GENERATE_KEY_PAIR: _generate,
    }
)


def answer_set_key_pair_info(responder: Responder, call: Call) -> SetKeyPairInfoAck:
    """Change a key pair, at once or at the next reset."""
    request: SetKeyPairInfo = call.request
    require(request.operation in _OPERATIONS, f"operation {request.operation:#x}")
    require(1 <= request.key_pair_id <= len(responder.slots.key_pairs), f"there is no key pair {request.key_pair_id}")
    apply = _OPERATIONS[request.operation](_Change(responder, request))
    if ResponderCapabilities.SET_KEY_PAIR_RESET_CAP in responder.negotiated.responder:
        responder.slots.after_reset(apply)
        raise Refusal(SpdmErrorCode.RESET_REQUIRED, "the change counts after a reset")
    apply()
    call.events.append(KeyPairChanged(request.key_pair_id))
    return SetKeyPairInfoAck(version=responder.version)
