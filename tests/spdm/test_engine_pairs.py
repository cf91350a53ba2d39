"""Every pair of version, transport, algorithms and ways to run a session, back to back: both roles agree."""

from __future__ import annotations

from typing import Any

import pytest

from pytio.crypto import ChainRole
from pytio.spdm import algorithms as spdm_algorithms
from pytio.spdm.algorithms import (
    AeadSuite,
    BaseAsymAlgo,
    BaseHashAlgo,
    DheGroup,
    KemAlgo,
    MeasurementHashAlgo,
    PqcAsymAlgo,
)
from pytio.spdm.capabilities import RequesterCapabilities, ResponderCapabilities
from pytio.spdm.codes import KeyUpdateOperation, MeasurementSummaryHashType, RegistryId, SpdmVersion
from pytio.spdm.configuration import AlgorithmSet, KeyPair, Limits, MutualAuthentication, Slot, Trust
from pytio.spdm.events import Checked, KeysUpdated, SessionEstablished, VendorResponseReceived
from pytio.spdm.requests import (
    AnswerEncapsulated,
    Authenticate,
    KeepAlive,
    LeaveSession,
    Measure,
    ReadCertificate,
    ReadDigests,
    StartPskSession,
    StartSession,
    UpdateKeys,
    VendorRequest,
)
from pytio.spdm.secured import RecordTransport
from pytio.spdm.transcript import joined
from tests.spdm.combinations import FACTORS, allowed_pairs, pairs_of, read_table
from tests.spdm.pair import PSK_HINT, Pair, identity, pair, requester_config, responder_config, trust_in
from tests.spdm.test_engine_flows import MUTUAL, Echo
from tests.spdm.test_engine_sessions import assert_agreement

R, P = RequesterCapabilities, ResponderCapabilities
ROWS = read_table()
WAYS = {
    "none": MutualAuthentication.NONE,
    "known": MutualAuthentication.WITHOUT_ENCAPSULATION,
    "encapsulated": MutualAuthentication.WITH_ENCAPSULATION,
    "digests": MutualAuthentication.WITH_DIGESTS,
}


def test_the_table_holds_every_pair() -> None:
    held = set().union(*map(pairs_of, ROWS))
    assert allowed_pairs() - held == set()
    assert all(value in FACTORS[factor] for row in ROWS for factor, value in row.items())


def signature(name: str) -> BaseAsymAlgo | PqcAsymAlgo:
    """Return a signature algorithm; both schemes of RSA are the same keys'."""
    return PqcAsymAlgo[name] if name in PqcAsymAlgo.__members__ else BaseAsymAlgo[name]


def algorithm_set(row: dict[str, str]) -> AlgorithmSet:
    """Return what both sides are ready to use."""
    asym, exchange = signature(row["asym"]), row["exchange"]
    is_kem = exchange in KemAlgo.__members__
    return AlgorithmSet(
        hashes=(BaseHashAlgo[row["hash"]],),
        measurement_hashes=(MeasurementHashAlgo[row["hash"]],),
        asym=(asym,) if isinstance(asym, BaseAsymAlgo) else (),
        pqc_asym=(asym,) if isinstance(asym, PqcAsymAlgo) else (),
        dhe=() if is_kem else (DheGroup[exchange],),
        kem=(KemAlgo[exchange],) if is_kem else (),
        aead=(AeadSuite[row["aead"]],),
    )


def combined(row: dict[str, str]) -> Pair:
    """Return two endpoints as a row has them."""
    asym = signature(row["asym"].replace("RSASSA", "RSAPSS"))
    mine, theirs = identity(BaseAsymAlgo.ECDSA_P384, ChainRole.REQUESTER), identity(asym)
    asking = requester_config().capabilities | R.PSK_CAP
    answering = responder_config().capabilities
    answering |= P.PSK_CAP if row["session"] == "psk-without-context" else P.PSK_CAP_WITH_CONTEXT
    if row["mutual"] != "none":
        asking, answering = asking | MUTUAL, answering | P.MUT_AUTH_CAP
    if row["handshake"] == "clear":
        asking, answering = asking | R.HANDSHAKE_IN_THE_CLEAR_CAP, answering | P.HANDSHAKE_IN_THE_CLEAR_CAP
    if row["records"] == "authenticated":
        asking, answering = asking & ~R.ENCRYPT_CAP, answering & ~P.ENCRYPT_CAP
    if row["keys"] == "several":
        answering |= P.MULTI_KEY_CAP_NEG | P.GET_KEY_PAIR_INFO_CAP
        if row["mutual"] != "none":
            asking |= R.MULTI_KEY_CAP_NEG
    common: dict[str, Any] = {
        "algorithms": algorithm_set(row),
        "limits": Limits(data_transfer_size=int(row["transfer"]), max_spdm_msg_size=0x20000),
        "secured_versions": (0x11, 0x12) if row["transport"] == "mctp" else (0x10, 0x11, 0x12, 0x13),
    }
    known = {}
    if row["mutual"] == "known":
        selected = common["algorithms"].hashes[0]
        known = {0: Slot(mine.certificates).chain(spdm_algorithms.hash_algorithm(selected))}
    version = SpdmVersion[f"V{row['version'].replace('.', '_')}"]
    return pair(
        requester_config(
            versions=(version,),
            capabilities=asking,
            key_pairs=(KeyPair(mine.key),),
            slots={0: Slot(mine.certificates)},
            trust=trust_in(theirs),
            **common,
        ),
        responder_config(
            asym,
            capabilities=answering,
            trust=Trust(roots=trust_in(mine).roots, chains=known),
            mutual_authentication=WAYS[row["mutual"]],
            heartbeat_period_s=20,
            **common,
        ),
        RecordTransport(row["transport"]),
    )


UPDATES = {"request": KeyUpdateOperation.UPDATE_KEY, "all": KeyUpdateOperation.UPDATE_ALL_KEYS}


def updated(two: Pair, number: int, update: str) -> list[Any]:
    """Change keys from either side."""
    if update != "response":
        return two.run(UpdateKeys(UPDATES[update]), number)
    two.responder.ask(UpdateKeys(KeyUpdateOperation.UPDATE_KEY), session=number)
    return two.run(AnswerEncapsulated(), number)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(row.values()))
def test_a_combination(row: dict[str, str]) -> None:
    offered = algorithm_set(row)
    lacking = [kem for kem in offered.kem if not spdm_algorithms.exchange_algorithm(kem).is_supported()]
    if lacking or any(not spdm_algorithms.signature_algorithm(pqc).is_supported() for pqc in offered.pqc_asym):
        pytest.skip("the installed cryptography lacks an algorithm of this row")
    two = combined(row)
    two.connect()
    assert two.requester.negotiated == two.responder.negotiated
    two.run(ReadDigests())
    two.run(ReadCertificate())
    two.run(Authenticate(summary=MeasurementSummaryHashType.ALL))
    two.run(Measure(1))
    two.run(Measure(slot=0))
    assert two.requester.state is two.responder.state
    is_psk = row["session"] != "certificate"
    start = StartPskSession(PSK_HINT) if is_psk else StartSession(summary=MeasurementSummaryHashType.TCB)
    events = two.run(start)
    (established,) = [event for event in events if isinstance(event, SessionEstablished)]
    assert established.is_mutual is (row["mutual"] != "none")
    number = established.session
    assert_agreement(two, number)
    two.responder.register(Echo(), RegistryId.PCI_SIG, b"\x01\x00")
    for _ in range(2):
        two.run(KeepAlive(), number)
        two.run(Measure(slot=0), number)
        payload = bytes(range(200))
        (answer,) = two.run(VendorRequest(RegistryId.PCI_SIG, b"\x01\x00", payload), number)
        assert isinstance(answer, VendorResponseReceived)
        assert answer.message.payload == payload
        assert any(isinstance(event, KeysUpdated) for event in updated(two, number, row["update"]))
        assert_agreement(two, number)
    two.run(LeaveSession(), number)
    assert not two.requester.sessions
    assert not two.responder.sessions
    assert joined(two.requester.transcript.vca) == joined(two.responder.transcript.vca)
    checks = [event.check for event in two.answered if isinstance(event, Checked)]
    assert len({check.what for check in checks}) >= (3 if is_psk else 5)
    largest = max(len(message) for _, message in two.wire if not message.is_secured)
    assert row["version"] == "1.1" or largest <= int(row["transfer"])
