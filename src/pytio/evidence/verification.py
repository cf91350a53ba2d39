"""The steps from evidence to a verdict: may the chain be believed, does the signature hold, is it what was asked for.

Chains are examined by `pytio.crypto.chains`, signatures by `pytio.spdm.proofs`; this file asks them in order and says
what came out. It knows no file and no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import attrs

from pytio.crypto import (
    Certificate,
    ChainModel,
    ChainPolicy,
    Finding,
    HashAlgorithm,
    UnsupportedAlgorithmError,
    digest,
    examine_chain,
)
from pytio.crypto.secret import equal_in_constant_time
from pytio.errors import DecodeError, PytioError
from pytio.evidence.steps import Step, Verdict
from pytio.spdm import algorithms
from pytio.spdm.codes import MeasurementContentChanged, MeasurementIndex, SpdmVersion
from pytio.spdm.messages.measurements import DmtfMeasurement, MeasurementBlock
from pytio.spdm.mistakes import find_mistake

if TYPE_CHECKING:
    from pytio.evidence.evidence import Evidence

__all__ = ("Expectations", "verdict")

_SIGNATURE: Final = "DSP0274, MEASUREMENTS signature"
_MEASUREMENTS: Final = "DSP0274, MEASUREMENTS"
_CHAIN: Final = "DSP0274, certificate chain"
_REPORT: Final = "PCIe Base, chapter 11, TDI report"
_TSM: Final = "SEV-TIO, digests of certificates, measurements and reports"
_OBJECTS: Final = ("chain", "measurements")


@attrs.frozen
class Expectations:
    """What a verifier asks beside trust: all of it may be left out."""

    nonce: bytes | None = None
    """The nonce that the verifier chose: the signature is no older than that."""
    measurements: Mapping[int, bytes] = MappingProxyType({})
    """Reference values, by index: the value of a measurement block, raw or hashed, as the block has it."""
    model: ChainModel | None = None
    """The model of the chain; None for what the responder's capabilities say."""
    understood_oids: frozenset[str] = frozenset()
    """Critical certificate extensions that the verifier understands."""
    tsm_digests: Mapping[str, bytes] = MappingProxyType({})
    """SHA-384 digests as the TSM told them over a way that the verifier trusts: of the ``chain``, of the
    ``measurements``, which are the log from GET_VERSION to the signature, and of each report by its interface."""


def verdict(
    evidence: Evidence, roots: Sequence[Certificate], at: datetime, expectations: Expectations | None
) -> Verdict:
    """Take every step; see `Evidence.verify`."""
    asked = expectations or Expectations()
    return Verdict(tuple(step for take in _STEPS for step in take(evidence, _Judge(tuple(roots), at, asked))))


@attrs.frozen
class _Judge:
    """Whose trust and expectations these are."""

    roots: tuple[Certificate, ...]
    at: datetime
    asked: Expectations


def _chain_steps(evidence: Evidence, judge: _Judge) -> Iterator[Step]:
    if not evidence.chain:
        yield Step("the certificate chain is there", holds=False, reason="it was not read", section=_CHAIN)
        return
    try:
        structure, certificates = evidence.certificate_chain, evidence.certificates
        algorithm = evidence.algorithm
    except (DecodeError, ValueError) as error:
        yield Step("the certificate chain is one", holds=False, reason=str(error), section=_CHAIN)
        return
    policy = ChainPolicy(
        at=judge.at,
        roots=judge.roots,
        root_hash=structure.root_hash,
        hash_algorithm=evidence.hash_algorithm,
        algorithm=algorithm,
        model=judge.asked.model or evidence.model,
        needs_basic_constraints=evidence.version >= SpdmVersion.V1_3,
        understood_oids=judge.asked.understood_oids,
    )
    try:
        findings = examine_chain(certificates, policy)
    except UnsupportedAlgorithmError as error:
        yield Step("the certificate chain can be examined", holds=False, reason=str(error), section=_CHAIN)
        return
    yield from (_chain_step(finding, certificates) for finding in findings)


def _chain_step(finding: Finding, certificates: Sequence[Certificate]) -> Step:
    index = finding.index
    whose = "" if index is None else f"certificate[{index}] of {certificates[index].subject}: "
    pieces = () if finding.holds or index is None else (certificates[index].der,)
    return Step(f"{whose}{finding.rule}", finding.holds, finding.detail, finding.rule.section, pieces)


def _signature_step(evidence: Evidence, judge: _Judge) -> Iterator[Step]:
    what = "the measurements are signed by the leaf's key"
    if not evidence.signature:
        yield Step(what, holds=False, reason="no signature was asked for", section=_SIGNATURE)
        return
    try:
        proof = evidence.proof
        if not proof.can_be_checked:
            yield Step(what, holds=False, reason="the key is not known", section=_SIGNATURE)
        elif proof.holds:
            yield Step(what, holds=True, reason=f"{proof.algorithm} with {proof.hash_algorithm}", section=_SIGNATURE)
        else:
            reason = str(find_mistake(proof) or "it does not hold; none of the known mistakes would explain it")
            yield Step(what, holds=False, reason=reason, section=_SIGNATURE, pieces=proof.pieces)
    except (PytioError, ValueError) as error:
        yield Step(what, holds=False, reason=str(error), section=_SIGNATURE)


def _answer_steps(evidence: Evidence, judge: _Judge) -> Iterator[Step]:
    """Ask whether the signed response answers the request that is signed with it."""
    request, response = evidence.measured[-1].request, evidence.measured[-1].response
    if evidence.version >= SpdmVersion.V1_1 and evidence.signature:
        answered = f"slot {response.slot_id} where {evidence.slot} was asked for"
        holds = response.slot_id == evidence.slot
        yield Step("the slot that was asked for has signed", holds, "" if holds else answered, _MEASUREMENTS)
    if evidence.version >= SpdmVersion.V1_3:
        holds = response.requester_context == request.requester_context
        yield Step("the response has the requester's context", holds, section=_MEASUREMENTS)
    if evidence.version >= SpdmVersion.V1_2 and evidence.signature:
        holds = response.content_changed != MeasurementContentChanged.CHANGED
        reason = response.content_changed.name.lower().replace("_", " ")
        yield Step("no measurement changed on the way", holds, reason, _MEASUREMENTS)


def _freshness_step(evidence: Evidence, judge: _Judge) -> Iterator[Step]:
    if judge.asked.nonce is None:
        return
    holds = equal_in_constant_time(evidence.nonce, judge.asked.nonce)
    reason = "" if holds else f"the request has {evidence.nonce.hex() or 'none'}"
    yield Step("the nonce is the one that the verifier chose", holds, reason, "DSP0274, GET_MEASUREMENTS")


def _measurement_steps(evidence: Evidence, judge: _Judge) -> Iterator[Step]:
    blocks = evidence.measurements
    yield Step("there are measurements", bool(blocks), f"{len(blocks)} of them", _MEASUREMENTS)
    counted = {
        exchange.response.total_number_of_measurements
        for exchange in evidence.measured
        if exchange.request.measurement_operation == MeasurementIndex.TOTAL_NUMBER
    }
    for count in counted:
        reason = f"{len(blocks)} of {count}"
        yield Step("all measurements are there that the responder counts", len(blocks) == count, reason, _MEASUREMENTS)
    wrong = _wrong_sizes(evidence)
    yield Step("every digest is as long as the measurement hash", not wrong, wrong, _MEASUREMENTS)
    for index, expected in sorted(judge.asked.measurements.items()):
        yield _reference_step(blocks.get(index), index, expected)


def _wrong_sizes(evidence: Evidence) -> str:
    """Return which digests are not of the measurement hash, empty if all are."""
    selected = evidence.negotiated.measurement_hash
    try:
        size = algorithms.measurement_digest_size(selected)
    except ValueError:
        return "no measurement hash was selected" if evidence.measurements else ""
    hashed = {
        index: block.measurement
        for index, block in evidence.measurements.items()
        if isinstance(block.measurement, DmtfMeasurement) and not block.measurement.is_raw_bit_stream
    }
    return ", ".join(
        f"index {index}: {value.value_size}" for index, value in hashed.items() if value.value_size != size
    )


def _reference_step(block: MeasurementBlock | None, index: int, expected: bytes) -> Step:
    what = f"measurement {index} has its reference value"
    section = "the verifier's reference values"
    if block is None:
        return Step(what, holds=False, reason="it is not there", section=section)
    raw = _value_bytes(block)
    holds = raw == expected
    return Step(what, holds, "" if holds else f"it is {raw.hex()}", section)


def _value_bytes(block: MeasurementBlock) -> bytes:
    """Return the value of a measurement as its block has it: without index, sizes and type."""
    measurement = block.measurement
    if not isinstance(measurement, DmtfMeasurement):
        return measurement
    raw = measurement.build()
    return raw[len(raw) - measurement.value_size :]


def _tsm_steps(evidence: Evidence, judge: _Judge) -> Iterator[Step]:
    """Ask whether the TSM has seen the same: in a confidential guest, the host has handed over everything else."""
    seen = {"chain": evidence.chain, "measurements": evidence.to_log(), **evidence.reports}
    for name, expected in judge.asked.tsm_digests.items():
        what = f"the TSM has the same digest of {name if name in _OBJECTS else f'the report of interface {name}'}"
        if name not in seen:
            yield Step(what, holds=False, reason="it is not there", section=_TSM)
            continue
        found = digest(HashAlgorithm.SHA_384, seen[name])
        holds = equal_in_constant_time(found, expected)
        yield Step(what, holds, "" if holds else f"here it is {found.hex()}", _TSM)


def _report_steps(evidence: Evidence, judge: _Judge) -> Iterator[Step]:
    """Ask of each report whether it is one: it is not signed, but comes in the session of those that measured."""
    for interface, report in evidence.reports.items():
        what = f"the report of interface {interface} is one"
        try:
            parsed = attrs.evolve(evidence, reports={interface: report}).interface_reports[interface]
        except (DecodeError, UnsupportedAlgorithmError) as error:
            yield Step(what, holds=False, reason=str(error), section=_REPORT, pieces=(report,))
        else:
            yield Step(what, holds=True, reason=f"{len(parsed.mmio_ranges)} ranges of memory", section=_REPORT)


_STEPS: Final[tuple[Callable[[Evidence, _Judge], Iterator[Step]], ...]] = (
    _chain_steps,
    _signature_step,
    _answer_steps,
    _freshness_step,
    _measurement_steps,
    _report_steps,
    _tsm_steps,
)
"""In the order in which a verdict has them."""
