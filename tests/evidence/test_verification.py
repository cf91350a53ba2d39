"""From evidence to a verdict: what is good holds in every step, what is wrong fails in the step that is about it."""

from __future__ import annotations

import hashlib
import pickle
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from cryptography import x509

from pytio.crypto import Certificate, ChainModel, ChainRole, ChainRule, PrivateKey, digest
from pytio.crypto.issuing import issue_chain
from pytio.crypto.x509 import OID_REQUESTER_AUTH
from pytio.errors import DecodeError, VerificationError
from pytio.evidence import Evidence, Expectations, Verdict
from pytio.spdm import algorithms
from pytio.spdm.algorithms import BaseAsymAlgo, BaseHashAlgo
from pytio.spdm.certificate_chain import CertificateChain
from pytio.spdm.codes import MeasurementContentChanged, SpdmVersion
from pytio.spdm.messages.measurements import Measurements
from pytio.spdm.requests import Measure
from pytio.spdm.signing import signing_input
from pytio.spdm.transcript import Piece, joined
from tests.capture.recorded import opened
from tests.crypto.authority import HARDWARE_IDENTITY, NOW, Chain, name
from tests.evidence.collected import ASYM, ROOT, evidence, identified, measured, untrusted
from tests.spdm.pair import identity

AT = datetime(2026, 11, 25, tzinfo=UTC)
SIGNED = "the measurements are signed by the leaf's key"


def verdict(found: Evidence, *roots: Certificate, at: datetime = AT, **asked: Any) -> Verdict:
    """Judge evidence with the root that all trust, or another one."""
    return found.verify(roots or (ROOT,), at=at, expectations=Expectations(**asked))


def failed(result: Verdict) -> list[str]:
    """Return what failed."""
    return [step.what for step in result.failed]


@pytest.mark.parametrize("version", SpdmVersion)
def test_good_evidence_holds_in_every_step(version: SpdmVersion) -> None:
    found = evidence(version)
    values = {1: found.measurements[1].measurement.build()[3:]}  # type: ignore[union-attr]  # DMTF's form
    result = verdict(found, nonce=found.nonce, measurements=values)
    assert result.holds
    assert failed(result) == []
    result.require()
    for step in result:
        assert step.section, step.what
        assert str(step).startswith("ok")
    assert {step["ok"] for step in result.to_dict()["steps"]} == {True}
    assert SIGNED in str(result)


@pytest.mark.parametrize("name_of", ["s01-doe12-p384-full", "s04-mctp12-rsapss3072-ffdhe-chacha", "s07-doe14-p384"])
def test_recorded_evidence_holds_under_the_root_that_it_shows(name_of: str) -> None:
    for found in opened(name_of).evidence():
        assert verdict(found, found.certificates[0]).holds
        assert not verdict(found).holds


def test_a_wrong_root_is_named() -> None:
    found = untrusted()
    result = verdict(found)
    assert failed(result) == [f"certificate[0] of {found.certificates[0].subject}: {ChainRule.TRUST_ANCHOR}"]
    assert result.failed[0].section == "RFC 5280, 6.1.1"


@pytest.mark.parametrize("years", [-5, 15])
def test_certificates_have_to_be_valid_at_the_time(years: int) -> None:
    result = verdict(evidence(), at=AT + timedelta(days=365 * years))
    assert len(result.failed) == len(evidence().certificates)
    for index, step in enumerate(result.failed):
        assert step.what.startswith(f"certificate[{index}] of ")
        assert step.what.endswith(str(ChainRule.VALIDITY))
        assert "is not within" in step.reason
    with pytest.raises(VerificationError, match=r"certificate\[0\].*is not within"):
        result.require()


def test_a_time_has_its_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        evidence().verify([ROOT], at=datetime(2026, 11, 25))  # noqa: DTZ001  that is the point


def replaced(found: Evidence, old: bytes, new: bytes) -> Evidence:
    """Return evidence with some bytes of its messages changed, as somebody on the way might."""
    changed = tuple(attrs.evolve(piece, data=piece.data.replace(old, new)) for piece in found.exchanges)
    assert changed != found.exchanges
    return attrs.evolve(found, exchanges=changed)


def test_a_tampered_measurement_breaks_the_signature() -> None:
    found = evidence()
    value = found.measurements[2].build()[-48:]
    result = verdict(replaced(found, value, bytes(48)))
    assert failed(result) == [SIGNED]
    assert "none of the known mistakes" in result.failed[0].reason
    assert result.failed[0].pieces


def test_a_wrong_nonce_is_not_fresh() -> None:
    result = verdict(evidence(), nonce=bytes(32))
    assert failed(result) == ["the nonce is the one that the verifier chose"]
    assert evidence().nonce.hex() in result.failed[0].reason


def test_another_nonce_breaks_the_signature() -> None:
    found = evidence()
    assert failed(verdict(replaced(found, found.nonce, bytes(32)), nonce=bytes(32))) == [SIGNED]


def test_a_swapped_chain_breaks_the_signature() -> None:
    other = issue_chain(algorithms.signature_algorithm(ASYM))
    result = verdict(with_certificates(evidence(), other.certificates), Certificate(other.root))
    assert failed(result) == [SIGNED]


def with_certificates(found: Evidence, certificates: tuple[bytes, ...], root: bytes = b"") -> Evidence:
    """Return evidence with another chain."""
    structure = CertificateChain(
        root_hash=digest(found.hash_algorithm, root or certificates[0]), certificate_list=b"".join(certificates)
    )
    return found.with_chain(structure.build())


def test_a_root_that_is_left_out_is_found() -> None:
    found = evidence()
    ders = tuple(certificate.der for certificate in found.certificates)
    assert verdict(with_certificates(found, ders[1:], ders[0])).holds
    assert not verdict(with_certificates(found, ders[1:], ders[1])).holds


def test_a_wrong_root_hash_is_named() -> None:
    found = evidence()
    ders = tuple(certificate.der for certificate in found.certificates)
    assert [what.rpartition(": ")[2] for what in failed(verdict(with_certificates(found, ders, b"another")))] == [
        str(ChainRule.ROOT_HASH)
    ]


def test_a_missing_or_broken_chain() -> None:
    found = evidence()
    assert failed(verdict(found.with_chain(b""))) == ["the certificate chain is there", SIGNED]
    assert failed(verdict(found.with_chain(found.chain[:-1]))) == ["the certificate chain is one", SIGNED]


def test_what_is_not_signed_does_not_hold() -> None:
    two = identified()
    two.run(Measure())
    pieces = two.requester.transcript._measurements[None]
    result = verdict(Evidence(two.requester.transcript.vca, tuple(pieces), b"", evidence().chain))
    assert failed(result) == [SIGNED]
    assert result.failed[0].reason == "no signature was asked for"


def test_reference_values() -> None:
    found = evidence()
    wrong = verdict(found, measurements={1: bytes(48), 7: b""})
    assert failed(wrong) == ["measurement 1 has its reference value", "measurement 7 has its reference value"]
    assert wrong.failed[1].reason == "it is not there"


# signed, and wrong all the same


def signed(found: Evidence, change: Any, *, chain: Chain | None = None) -> tuple[Evidence, Certificate]:
    """Return evidence whose last response was changed before it was signed, by a device of its own; and its root."""
    made = chain or Chain("P-256")
    certificates = made.issue()
    agreed = found.negotiated
    request = found.measured[-1].request
    facts = agreed.facts(Measurements, request, from_requester=False)
    response = Measurements.parse(found.exchanges[-1].data + found.signature, **facts)
    unsigned = change(response.replace(signature=b"")).build()
    exchanges = (*found.exchanges[:-1], Piece("MEASUREMENTS", unsigned, "L"))
    proof = found.proof
    covered = (*found.vca, *exchanges) if found.version >= SpdmVersion.V1_2 else exchanges
    given = signing_input(found.version, proof.context, proof.digest_of(covered))
    signature = PrivateKey(made.leaf.key).sign(given.message, given.parameters(found.algorithm, found.hash_algorithm))
    own = attrs.evolve(found, exchanges=exchanges, signature=signature)
    return with_certificates(own, tuple(certificate.der for certificate in certificates)), certificates[0]


def same(response: Measurements) -> Measurements:
    """Change nothing."""
    return response


def test_a_device_of_its_own_is_good() -> None:
    found, root = signed(evidence(), same)
    assert verdict(found, root, at=NOW).holds


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda said: said.replace(slot_id=3), "the slot that was asked for has signed"),
        (
            lambda said: said.replace(content_changed=MeasurementContentChanged.CHANGED),
            "no measurement changed on the way",
        ),
        (lambda said: said.replace(requester_context=b"another!"), "the response has the requester's context"),
        (
            lambda said: said.replace(measurement_record=(), number_of_blocks=0, measurement_record_length=0),
            "there are measurements",
        ),
    ],
)
def test_a_signed_response_has_to_answer_what_was_asked(change: Any, what: str) -> None:
    found, root = signed(evidence(SpdmVersion.V1_3), change)
    assert failed(verdict(found, root, at=NOW)) == [what]


def test_all_measurements_that_are_counted_have_to_be_there() -> None:
    found = measured(identified(), Measure(0), *(Measure(index) for index in (1, 2)), Measure(0xFE, slot=0))
    result = verdict(found)
    assert failed(result) == ["all measurements are there that the responder counts"]
    assert result.failed[0].reason == "3 of 5"


def bent(**leaf: Any) -> Chain:
    """Return a chain with something else in its leaf."""
    chain = Chain("P-256")
    for field, value in leaf.items():
        setattr(chain.leaf, field, value)
    return chain


def long_path() -> Chain:
    """Return a chain whose root allows no issuer below it."""
    chain = Chain("P-256")
    chain.root.basic_constraints = x509.BasicConstraints(ca=True, path_length=0)
    return chain


def constrained() -> Chain:
    """Return a chain whose issuer forbids the leaf's name."""
    chain = Chain("P-256")
    forbidden = x509.DirectoryName(name("Device"))
    chain.issuer.constraints = x509.NameConstraints(permitted_subtrees=None, excluded_subtrees=[forbidden])
    return chain


def no_issuer() -> Chain:
    """Return a chain whose issuer is none."""
    chain = Chain("P-256")
    chain.issuer.basic_constraints = x509.BasicConstraints(ca=False, path_length=None)
    return chain


@pytest.mark.parametrize(
    ("chain", "index", "rule", "model"),
    [
        (bent(extended=[OID_REQUESTER_AUTH]), 2, ChainRule.LEAF_EXTENDED_KEY_USAGE, None),
        (
            bent(basic_constraints=x509.BasicConstraints(ca=True, path_length=None)),
            2,
            ChainRule.LEAF_BASIC_CONSTRAINTS,
            None,
        ),
        (bent(basic_constraints=None), 2, ChainRule.LEAF_BASIC_CONSTRAINTS, None),
        (bent(usage=None), 2, ChainRule.LEAF_KEY_USAGE, None),
        (bent(spdm=HARDWARE_IDENTITY), 2, ChainRule.LEAF_IDENTITY, ChainModel.ALIAS),
        (long_path(), 0, ChainRule.PATH_LENGTH, None),
        (constrained(), 2, ChainRule.NAME_CONSTRAINTS, None),
        (no_issuer(), 1, ChainRule.ISSUER_IS_CA, None),
    ],
    ids=lambda given: getattr(given, "name", ""),
)
def test_the_certificate_that_breaks_a_rule_is_named(
    chain: Chain, index: int, rule: ChainRule, model: ChainModel | None
) -> None:
    found, root = signed(evidence(SpdmVersion.V1_3), same, chain=chain)
    result = verdict(found, root, at=NOW, model=model)
    [step] = result.failed
    assert step.what.startswith(f"certificate[{index}] of ")
    assert step.what.endswith(str(rule))
    assert step.section == rule.section
    assert step.pieces == (found.certificates[index].der,)


def test_a_chain_of_the_other_role() -> None:
    chain = identity(ASYM, ChainRole.REQUESTER)
    result = verdict(with_certificates(evidence(), chain.certificates), Certificate(chain.root))
    assert [what.rpartition(": ")[2] for what in failed(result)] == [str(ChainRule.LEAF_EXTENDED_KEY_USAGE), SIGNED]


def test_a_report_that_is_none() -> None:
    found = attrs.evolve(evidence(), reports={"0000:01:00.0": b"\x00"})
    result = verdict(found)
    assert failed(result) == ["the report of interface 0000:01:00.0 is one"]


@pytest.mark.parametrize("version", [SpdmVersion.V1_1, SpdmVersion.V1_2])
def test_what_the_tsm_has_seen(version: SpdmVersion) -> None:
    """The measurements are the PSP's log, which has what was agreed on in every version."""
    interface, other = "0000:01:00.0", "0000:02:00.0"
    report = opened("s07-doe14-p384").evidence()[-1].reports["0000:be:1d.7"]
    found = attrs.evolve(evidence(version), reports={interface: report})
    log = joined(found.vca) + joined(found.exchanges) + found.signature
    seen = {"chain": found.chain, "measurements": log, interface: report}
    digests = {part: hashlib.sha384(data).digest() for part, data in seen.items()}
    assert verdict(found, tsm_digests=digests).holds
    for part, right in digests.items():
        [step] = verdict(found, tsm_digests=digests | {part: bytes(48)}).failed
        assert step.what.startswith("the TSM has the same digest of")
        assert right.hex() in step.reason
    [step] = verdict(found, tsm_digests={other: bytes(48)}).failed
    assert step.reason == "it is not there"
    assert Evidence.from_transcript(found.to_log(), chain=found.chain).to_log() == log


def test_a_failure_survives_pickling() -> None:
    with pytest.raises(VerificationError) as caught:
        verdict(evidence(), nonce=bytes(32)).require()
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_nothing_to_judge_is_no_verdict() -> None:
    assert not Verdict(()).holds
    with pytest.raises(VerificationError, match="without anything"):
        Verdict(()).require()


@pytest.mark.parametrize("version", [SpdmVersion.V1_1, SpdmVersion.V1_2, SpdmVersion.V1_4])
def test_no_flipped_bit_goes_unnoticed(version: SpdmVersion) -> None:
    """Evidence with a bit changed is none any more, or does not hold."""
    found = evidence(version)
    vca = b"" if version >= SpdmVersion.V1_2 else joined(found.vca)
    seeded = random.Random(int(version))
    for _ in range(150):
        data = bytearray(found.to_transcript())
        data[seeded.randrange(len(data))] ^= 1 << seeded.randrange(8)
        try:
            changed = Evidence.from_transcript(bytes(data), vca=vca, chain=found.chain)
        except DecodeError:
            continue
        assert not verdict(changed).holds


def test_no_flipped_bit_of_the_chain_goes_unnoticed() -> None:
    found = evidence()
    seeded = random.Random(3)
    for _ in range(150):
        chain = bytearray(found.chain)
        chain[seeded.randrange(len(chain))] ^= 1 << seeded.randrange(8)
        assert not verdict(found.with_chain(bytes(chain))).holds


@pytest.mark.parametrize(
    ("offset", "selected"), [(12, BaseAsymAlgo.SM2_P256), (12, 0), (16, BaseHashAlgo.SM3_256), (16, 0)]
)
def test_other_algorithms_are_a_reason_and_no_exception(offset: int, selected: int) -> None:
    """Nobody agreed on them, and the library may lack them."""
    found = opened("s06-doe13-p256-provision").evidence()[0]
    raw = found.vca[-1].data
    changed = attrs.evolve(found.vca[-1], data=raw[:offset] + selected.to_bytes(4, "little") + raw[offset + 4 :])
    try:
        other = attrs.evolve(found, vca=(*found.vca[:-1], changed))
    except DecodeError:
        assert selected == 0  # nothing says how long a signature is
        return
    result = verdict(other, found.certificates[0])
    assert SIGNED in failed(result)
    assert all(step.reason for step in result.failed)


@pytest.mark.parametrize("version", [SpdmVersion.V1_1, SpdmVersion.V1_4])
def test_no_changed_character_of_json_goes_unnoticed(version: SpdmVersion) -> None:
    """What is read from changed text is refused, does not hold, or is the same; VCA is signed from 1.2 only."""
    found = evidence(version)
    text = found.to_json().encode()
    seeded = random.Random(int(version))
    for _ in range(200):
        data = bytearray(text)
        data[seeded.randrange(len(data))] = seeded.randrange(0x20, 0x7F)
        try:
            changed = Evidence.from_json(bytes(data))
        except DecodeError:
            continue
        if verdict(changed).holds:
            assert (changed.to_transcript(), changed.chain) == (found.to_transcript(), found.chain)
