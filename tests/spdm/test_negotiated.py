"""What follows from the four messages of negotiation: sizes of fields, shape of handshakes, keys."""

from __future__ import annotations

from typing import Any

import pytest

from pytio.crypto import AeadAlgorithm, HashAlgorithm
from pytio.spdm.algorithms import (
    AeadSuite,
    AlgorithmType,
    BaseAsymAlgo,
    BaseHashAlgo,
    DheGroup,
    KemAlgo,
    OtherParams,
    PqcAsymAlgo,
)
from pytio.spdm.capabilities import RequesterCapabilities as Req
from pytio.spdm.capabilities import ResponderCapabilities as Rsp
from pytio.spdm.codes import MeasurementSummaryHashType, SpdmVersion
from pytio.spdm.messages.algorithms import Algorithms, AlgorithmStructure, NegotiateAlgorithms
from pytio.spdm.messages.capabilities import Capabilities, GetCapabilities
from pytio.spdm.messages.certificate import Certificate
from pytio.spdm.messages.challenge import Challenge, ChallengeAuth
from pytio.spdm.messages.digests import Digests
from pytio.spdm.messages.endpoint_info import EndpointInfo, GetEndpointInfo
from pytio.spdm.messages.key_exchange import Finish, FinishRsp, KeyExchange, KeyExchangeRsp
from pytio.spdm.messages.measurements import GetMeasurements, Measurements
from pytio.spdm.messages.psk import PskExchange, PskExchangeRsp, PskFinish
from pytio.spdm.negotiated import Negotiated, UnknownFactError

V = SpdmVersion
FULL = Negotiated(
    version=V.V1_2,
    requester=Req.MAC_CAP | Req.ENCRYPT_CAP,
    responder=Rsp.MAC_CAP | Rsp.ENCRYPT_CAP | Rsp.MEAS_CAP_SIG,
    base_hash=BaseHashAlgo.SHA_384,
    base_asym=BaseAsymAlgo.ECDSA_P384,
    req_base_asym=BaseAsymAlgo.RSAPSS_3072,
    dhe=DheGroup.SECP_521_R1,
    aead=AeadSuite.AES_128_GCM,
)
NOTHING = Negotiated(version=V.V1_2)
IN_THE_CLEAR = Negotiated(
    version=V.V1_2,
    requester=Req.HANDSHAKE_IN_THE_CLEAR_CAP,
    responder=Rsp.HANDSHAKE_IN_THE_CLEAR_CAP,
    base_hash=BaseHashAlgo.SHA_256,
    base_asym=BaseAsymAlgo.ED25519,
    kem=KemAlgo.ML_KEM_768,
)


def negotiated(version: SpdmVersion, *, asked: OtherParams, selected: OtherParams, **structures: int) -> Negotiated:
    """Return the result of messages with these algorithm structures, by type."""
    chosen = tuple(
        AlgorithmStructure(alg_type=AlgorithmType(int(kind.removeprefix("t"))), alg_supported=value)
        for kind, value in structures.items()
    )
    return Negotiated.from_messages(
        GetCapabilities(version=version, flags=Req.MAC_CAP if version > V.V1_0 else None),
        Capabilities(version=version, flags=Rsp.MAC_CAP),
        NegotiateAlgorithms(version=version, other_params_support=asked),
        Algorithms(
            version=version,
            base_hash_sel=BaseHashAlgo.SHA_512,
            base_asym_sel=BaseAsymAlgo.ED448,
            pqc_asym_sel=PqcAsymAlgo.ML_DSA_65,
            other_params_selection=selected,
            alg_structures=chosen,
        ),
    )


def test_from_messages() -> None:
    result = negotiated(
        V.V1_4,
        asked=OtherParams(0),
        selected=OtherParams(0),
        t2=DheGroup.FFDHE_4096,
        t3=AeadSuite.SM4_GCM,
        t4=BaseAsymAlgo.SM2_P256,
        t6=PqcAsymAlgo.ML_DSA_87,
        t7=KemAlgo.ML_KEM_512,
        t99=7,
    )
    assert result == Negotiated(
        version=V.V1_4,
        requester=Req.MAC_CAP,
        responder=Rsp.MAC_CAP,
        base_hash=BaseHashAlgo.SHA_512,
        base_asym=BaseAsymAlgo.ED448,
        pqc_asym=PqcAsymAlgo.ML_DSA_65,
        req_base_asym=BaseAsymAlgo.SM2_P256,
        req_pqc_asym=PqcAsymAlgo.ML_DSA_87,
        dhe=DheGroup.FFDHE_4096,
        kem=KemAlgo.ML_KEM_512,
        aead=AeadSuite.SM4_GCM,
    )


def test_of_1_0_there_is_little() -> None:
    result = negotiated(V.V1_0, asked=OtherParams(0), selected=OtherParams(0))
    assert (result.requester, result.dhe, result.aead) == (0, 0, 0)


@pytest.mark.parametrize("version", V)
def test_each_side_states_what_the_other_one_does(version: SpdmVersion) -> None:
    several = OtherParams.MULTI_KEY_CONN
    of_responder = negotiated(version, asked=several, selected=OtherParams(0))
    of_requester = negotiated(version, asked=OtherParams(0), selected=several)
    there = version >= V.V1_3
    assert (of_responder.is_responder_multi_key, of_responder.is_requester_multi_key) == (there, False)
    assert (of_requester.is_responder_multi_key, of_requester.is_requester_multi_key) == (False, there)
    assert of_responder.facts(Digests, from_requester=False)["multi_key"] == there
    assert of_responder.facts(Digests, from_requester=True)["multi_key"] == 0
    assert of_requester.facts(Digests, from_requester=True)["multi_key"] == there


@pytest.mark.parametrize("requester", [Req(0), Req.ENCRYPT_CAP | Req.HANDSHAKE_IN_THE_CLEAR_CAP])
@pytest.mark.parametrize("responder", [Rsp(0), Rsp.ENCRYPT_CAP | Rsp.HANDSHAKE_IN_THE_CLEAR_CAP])
def test_what_needs_both_sides(requester: Req, responder: Rsp) -> None:
    result = Negotiated(version=V.V1_2, requester=requester, responder=responder)
    assert result.is_encrypted == result.is_handshake_in_the_clear == bool(requester and responder)


def test_psk_finish_follows_a_context() -> None:
    assert Negotiated(version=V.V1_2, responder=Rsp.PSK_CAP_WITH_CONTEXT).has_psk_finish
    assert not Negotiated(version=V.V1_2, responder=Rsp.PSK_CAP).has_psk_finish


def test_key_schedule() -> None:
    schedule = FULL.key_schedule()
    assert (schedule.version, schedule.hash_algorithm, schedule.aead) == (
        V.V1_2,
        HashAlgorithm.SHA_384,
        AeadAlgorithm.AES_128_GCM,
    )
    for broken in (NOTHING, Negotiated(version=V.V1_2, base_hash=BaseHashAlgo(3), aead=AeadSuite.AES_128_GCM)):
        with pytest.raises(ValueError):  # noqa: PT011  whatever the text
            broken.key_schedule()


# --- facts ---------------------------------------------------------------------------------------------------------

ALL_HASHES = Challenge(version=V.V1_2, measurement_summary_hash_type=MeasurementSummaryHashType.ALL, nonce=bytes(32))
NO_HASH = Challenge(version=V.V1_2, nonce=bytes(32))
ALL_IN_PSK = PskExchange(
    version=V.V1_2,
    measurement_summary_hash_type=MeasurementSummaryHashType.ALL,
    req_session_id=1,
    requester_context=b"",
)
SIGNED = GetMeasurements(version=V.V1_2, signature_requested=True, nonce=bytes(32))
UNSIGNED = GetMeasurements(version=V.V1_2, slot_id_param=None)

FACTS: list[tuple[Negotiated, Any, Any, bool, dict[str, int]]] = [
    (FULL, Certificate, None, False, {}),
    (FULL, Digests, None, False, {"digest": 48, "multi_key": 0}),
    (FULL, ChallengeAuth, ALL_HASHES, False, {"digest": 48, "signature": 96, "summary": 48}),
    (FULL, ChallengeAuth, ALL_HASHES, True, {"digest": 48, "signature": 384, "summary": 48}),
    (FULL, ChallengeAuth, NO_HASH, False, {"digest": 48, "signature": 96, "summary": 0}),
    (FULL, Measurements, SIGNED, False, {"signature": 96}),
    (FULL, Measurements, UNSIGNED, False, {"signature": 0}),
    (FULL, EndpointInfo, GetEndpointInfo(version=V.V1_3), True, {"signature": 0}),
    (FULL, KeyExchange, None, True, {"exchange": 132}),
    (FULL, KeyExchangeRsp, NO_HASH, False, {"exchange": 132, "summary": 0, "signature": 96, "verify_data": 48}),
    (FULL, Finish, None, True, {"signature": 384, "verify_data": 48}),
    (FULL, FinishRsp, None, False, {"verify_data": 0}),
    (FULL, PskExchangeRsp, ALL_IN_PSK, False, {"summary": 48, "verify_data": 48}),
    (FULL, PskFinish, None, True, {"verify_data": 48}),
    (IN_THE_CLEAR, KeyExchange, None, True, {"exchange": 1184}),
    (IN_THE_CLEAR, KeyExchangeRsp, NO_HASH, False, {"exchange": 1088, "summary": 0, "signature": 64, "verify_data": 0}),
    (IN_THE_CLEAR, FinishRsp, None, False, {"verify_data": 32}),
    (IN_THE_CLEAR, PskExchangeRsp, ALL_IN_PSK, False, {"summary": 0, "verify_data": 32}),
    (IN_THE_CLEAR, Finish, None, True, {"signature": 0, "verify_data": 32}),
]


@pytest.mark.parametrize(("result", "cls", "request_", "from_requester", "expected"), FACTS)
def test_facts(result: Negotiated, cls: Any, request_: Any, from_requester: bool, expected: dict[str, int]) -> None:
    assert result.facts(cls, request_, from_requester=from_requester) == expected


@pytest.mark.parametrize(
    ("result", "cls", "request_", "fact"),
    [
        (NOTHING, Digests, None, "digest"),
        (NOTHING, KeyExchange, None, "exchange"),
        (NOTHING, Measurements, SIGNED, "signature"),
        (FULL, Measurements, None, "signature"),
        (FULL, Measurements, NO_HASH, "signature"),
        (FULL, ChallengeAuth, None, "summary"),
        (FULL, ChallengeAuth, UNSIGNED, "summary"),
        (Negotiated(version=V.V1_2, base_hash=BaseHashAlgo(1 << 31)), Digests, None, "digest"),
        (Negotiated(version=V.V1_2, base_hash=BaseHashAlgo(3)), Digests, None, "digest"),
    ],
)
def test_unknown_facts(result: Negotiated, cls: Any, request_: Any, fact: str) -> None:
    with pytest.raises(UnknownFactError, match=f"{fact} is not known") as caught:
        result.facts(cls, request_, from_requester=False)
    assert caught.value.fact == fact
