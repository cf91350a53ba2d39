"""Chains: a good one holds, and each wrong one fails by its rule, at its certificate, and by no other."""

from __future__ import annotations

import ipaddress
import pickle

import attrs
import pytest
from cryptography import x509

from pytio.crypto import (
    Certificate,
    ChainError,
    ChainModel,
    ChainPolicy,
    ChainRole,
    ChainRule,
    Finding,
    HashAlgorithm,
    SignatureAlgorithm,
    _path_verifier,
    build_path,
    digest,
    examine_chain,
    verify_chain,
)
from pytio.crypto.x509 import OID_REQUESTER_AUTH, OID_RESPONDER_AUTH
from pytio.errors import VerificationError
from tests.crypto.authority import HARDWARE_IDENTITY, NOW, YEAR, Chain, Spec, name, new_key, usage

CA = x509.BasicConstraints(ca=True, path_length=None)
HASH = HashAlgorithm.SHA_384


def policy(root: Certificate, **changes: object) -> ChainPolicy:
    """Return the policy of a 1.3 requester that trusts one root."""
    standard = ChainPolicy(
        at=NOW,
        roots=(root,),
        root_hash=digest(HASH, root.der),
        hash_algorithm=HASH,
        algorithm=SignatureAlgorithm.ECDSA_P384,
        needs_basic_constraints=True,
    )
    return attrs.evolve(standard, **changes)  # type: ignore[arg-type]


def failures(certificates: tuple[Certificate, ...], held_to: ChainPolicy) -> list[tuple[ChainRule, int | None]]:
    """Return the rules that do not hold, and make sure that verifying raises the first."""
    failed = [finding for finding in examine_chain(certificates, held_to) if not finding.holds]
    if failed:
        with pytest.raises(ChainError) as caught:
            verify_chain(certificates, held_to)
        assert caught.value.finding == failed[0]
        assert str(caught.value) == str(failed[0])
        index = failed[0].index
        assert caught.value.pieces == (() if index is None else (certificates[index].der,))
    else:
        assert verify_chain(certificates, held_to) == examine_chain(certificates, held_to)
    return [(finding.rule, finding.index) for finding in failed]


# --- chains that hold --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        ("P-256", SignatureAlgorithm.ECDSA_P256),
        ("P-384", SignatureAlgorithm.ECDSA_P384),
        ("P-521", SignatureAlgorithm.ECDSA_P521),
        ("RSA-2048", SignatureAlgorithm.RSASSA_2048),
        ("Ed25519", SignatureAlgorithm.ED25519),
        ("Ed448", SignatureAlgorithm.ED448),
    ],
)
def test_a_good_chain(kind: str, algorithm: SignatureAlgorithm) -> None:
    chain = Chain(kind).issue()
    held_to = policy(chain[0], algorithm=algorithm)
    assert failures(chain, held_to) == []
    asked = {finding.rule for finding in examine_chain(chain, held_to)}
    assert asked >= {ChainRule.ROOT_HASH, ChainRule.TRUST_ANCHOR, ChainRule.ISSUER, ChainRule.LEAF_ALGORITHM}
    has_library_opinion = hasattr(x509.verification, "ExtensionPolicy") and not kind.startswith("Ed")
    assert (ChainRule.PATH in asked) is has_library_opinion


def test_a_chain_without_its_root() -> None:
    chain = Chain().issue()
    other = Chain("P-256").issue()[0]
    held_to = policy(chain[0], roots=(other, chain[0]))
    assert build_path(chain[1:], held_to) == chain
    assert failures(chain[1:], held_to) == []
    findings = examine_chain(chain[1:], held_to)
    assert {finding.index for finding in findings} == {None, 0, 1}
    assert build_path(chain[1:], policy(chain[0], root_hash=bytes(48))) == chain[1:]


def test_an_issuer_may_be_trusted_itself() -> None:
    chain = Chain().issue()
    assert failures(chain[1:], policy(chain[0], roots=(chain[1],), root_hash=digest(HASH, chain[1].der))) == []


def test_a_single_certificate() -> None:
    chain = Chain()
    alone = chain.leaf.issued_by(chain.leaf)
    assert failures((alone,), policy(alone)) == []


def test_looking_without_trusting() -> None:
    chain = Chain().issue()
    held_to = ChainPolicy(at=NOW)
    assert failures(chain, held_to) == failures(chain[1:], held_to) == []
    asked = {finding.rule for finding in examine_chain(chain, held_to)}
    assert not asked & {ChainRule.TRUST_ANCHOR, ChainRule.ROOT_HASH, ChainRule.LEAF_ALGORITHM, ChainRule.PATH}


def test_a_long_chain() -> None:
    specs = [Spec(name(f"Issuer {number}"), new_key("P-256", number)) for number in range(9)]
    leaf = Chain().leaf
    chain = [specs[0].issued_by(specs[0])]
    for issuer, spec in zip(specs, [*specs[1:], leaf], strict=True):
        chain.append(spec.issued_by(issuer))
    assert failures(tuple(chain), policy(chain[0])) == []


# --- chains that do not ------------------------------------------------------------------------------------------


def bend(**changes: object) -> tuple[Certificate, ...]:
    """Return a chain that differs from a good one: ``leaf__usage=None`` leaves keyUsage out of the leaf."""
    chain = Chain()
    for where, value in changes.items():
        place, _, attribute = where.partition("__")
        setattr(getattr(chain, place), attribute, value)
    return chain.issue()


def permit(*bases: x509.GeneralName) -> x509.NameConstraints:
    return x509.NameConstraints(permitted_subtrees=bases, excluded_subtrees=None)


def exclude(*bases: x509.GeneralName) -> x509.NameConstraints:
    return x509.NameConstraints(permitted_subtrees=None, excluded_subtrees=bases)


def directory(organization: str) -> x509.DirectoryName:
    return x509.DirectoryName(x509.Name(list(name("unused", organization))[:1] if organization else []))


NOT_CA = x509.BasicConstraints(ca=False, path_length=None)
NO_ISSUER_BELOW = x509.BasicConstraints(ca=True, path_length=0)
HALF = YEAR / 2
BENT: dict[str, tuple[dict[str, object], ChainRule, int]] = {
    "root expired": ({"root__not_after": NOW - HALF}, ChainRule.VALIDITY, 0),
    "issuer not yet valid": ({"issuer__not_before": NOW + HALF}, ChainRule.VALIDITY, 1),
    "leaf expired": ({"leaf__not_after": NOW - HALF}, ChainRule.VALIDITY, 2),
    "issuer is no CA": ({"issuer__basic_constraints": NOT_CA}, ChainRule.ISSUER_IS_CA, 1),
    "issuer does not say": ({"issuer__basic_constraints": None}, ChainRule.ISSUER_IS_CA, 1),
    "root does not say": ({"root__basic_constraints": None}, ChainRule.ISSUER_IS_CA, 0),
    "too many issuers": ({"root__basic_constraints": NO_ISSUER_BELOW}, ChainRule.PATH_LENGTH, 0),
    "issuer may not certify": ({"issuer__usage": usage(sign=True)}, ChainRule.ISSUER_KEY_USAGE, 1),
    "leaf is CA": ({"leaf__basic_constraints": CA}, ChainRule.LEAF_BASIC_CONSTRAINTS, 2),
    "leaf does not say": ({"leaf__basic_constraints": None}, ChainRule.LEAF_BASIC_CONSTRAINTS, 2),
    "leaf may not sign": ({"leaf__usage": usage(agree=True)}, ChainRule.LEAF_KEY_USAGE, 2),
    "leaf without usage": ({"leaf__usage": None}, ChainRule.LEAF_KEY_USAGE, 2),
    "leaf for requesters": ({"leaf__extended": [OID_REQUESTER_AUTH]}, ChainRule.LEAF_EXTENDED_KEY_USAGE, 2),
    "leaf's key of another kind": ({"leaf__key": new_key("P-256", 2)}, ChainRule.LEAF_ALGORITHM, 2),
    "leaf's key of no kind": ({"leaf__key": new_key("secp256k1", 2)}, ChainRule.LEAF_ALGORITHM, 2),
    "unknown critical extension": ({"issuer__others": [("1.2.3.4", True)]}, ChainRule.CRITICAL_EXTENSIONS, 1),
    "name not permitted": ({"issuer__constraints": permit(directory("Another"))}, ChainRule.NAME_CONSTRAINTS, 2),
    "name excluded": ({"issuer__constraints": exclude(directory("MAKER "))}, ChainRule.NAME_CONSTRAINTS, 2),
    "root forbids the issuer's name": (
        {"root__constraints": permit(directory("Another")), "leaf__subject": name("Device", "Another")},
        ChainRule.NAME_CONSTRAINTS,
        1,
    ),
    "kind of name not understood": (
        {
            "issuer__constraints": permit(x509.RFC822Name("example.org")),
            "leaf__alternatives": [x509.RFC822Name("someone@example.org")],
        },
        ChainRule.NAME_CONSTRAINTS,
        2,
    ),
}


@pytest.mark.parametrize("case", BENT)
def test_one_thing_wrong(case: str) -> None:
    changes, rule, index = BENT[case]
    chain = bend(**changes)
    assert failures(chain, policy(chain[0])) == [(rule, index)]


def test_signed_by_another_key() -> None:
    chain = Chain()
    impostor = Spec(chain.issuer.subject, new_key("P-384", 9))
    certificates = (*chain.issue()[:2], chain.leaf.issued_by(impostor))
    assert failures(certificates, policy(certificates[0])) == [(ChainRule.ISSUER, 2)]
    (finding,) = (finding for finding in examine_chain(certificates, policy(certificates[0])) if not finding.holds)
    assert finding.detail == "the signature does not hold"


def test_out_of_order() -> None:
    root, issuer, leaf = Chain().issue()
    other = Spec(name("Other"), new_key("P-384", 8))
    between = (root, issuer, other.issued_by(other), leaf)
    failed = failures(between, policy(root))
    assert failed == [(ChainRule.ISSUER, 2), (ChainRule.ISSUER, 3)]
    assert "issued by CN=Issuer,O=Maker, after CN=Other,O=Maker" in str(examine_chain(between, policy(root)))


def test_a_root_that_did_not_sign_itself() -> None:
    chain = Chain()
    forged = chain.root.issued_by(Spec(chain.root.subject, new_key("P-384", 7)))
    certificates = (forged, *chain.issue()[1:])
    assert failures(certificates, policy(forged)) == [(ChainRule.ISSUER, 0)]


def test_roots() -> None:
    chain, other = Chain().issue(), Chain("P-256").issue()[0]
    assert failures(chain, policy(chain[0], roots=(other,))) == [(ChainRule.TRUST_ANCHOR, 0)]
    assert failures(chain, policy(chain[0], roots=())) == [(ChainRule.TRUST_ANCHOR, 0)]
    assert failures(chain, policy(chain[0], root_hash=bytes(48))) == [(ChainRule.ROOT_HASH, 0)]
    assert failures(chain[1:], policy(chain[0], roots=(other,))) == [(ChainRule.TRUST_ANCHOR, 0)]
    assert failures((), policy(chain[0])) == [(ChainRule.NOT_EMPTY, None)]


# --- roles, models and versions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ChainRole)
@pytest.mark.parametrize(
    ("extended", "good_for"),
    [
        (None, set(ChainRole)),
        (["1.3.6.1.5.5.7.3.1"], set(ChainRole)),
        ([OID_RESPONDER_AUTH], {ChainRole.RESPONDER}),
        ([OID_REQUESTER_AUTH], {ChainRole.REQUESTER}),
        ([OID_RESPONDER_AUTH, OID_REQUESTER_AUTH], set(ChainRole)),
        ([OID_RESPONDER_AUTH, "1.3.6.1.5.5.7.3.1"], {ChainRole.RESPONDER}),
    ],
)
def test_roles(role: ChainRole, extended: list[str] | None, good_for: set[ChainRole]) -> None:
    chain = bend(leaf__extended=extended)
    failed = failures(chain, policy(chain[0], role=role))
    assert failed == ([] if role in good_for else [(ChainRule.LEAF_EXTENDED_KEY_USAGE, 2)])


def test_an_alias_leaf_has_no_hardware_identity() -> None:
    chain = Chain().issue()
    assert failures(chain, policy(chain[0], model=ChainModel.ALIAS)) == [(ChainRule.LEAF_IDENTITY, 2)]
    for spdm in (None, HARDWARE_IDENTITY[:-1] + b"\x05"):
        chain = bend(leaf__spdm=spdm)
        assert failures(chain, policy(chain[0], model=ChainModel.ALIAS)) == []
    chain = bend(leaf__spdm=b"\x30\x01")
    assert failures(chain, policy(chain[0], model=ChainModel.ALIAS)) == [(ChainRule.LEAF_IDENTITY, 2)]


def test_a_generic_leaf_may_be_anything() -> None:
    chain = Chain()
    chain.leaf.basic_constraints, chain.leaf.usage, chain.leaf.extended = CA, None, [OID_REQUESTER_AUTH]
    certificates = chain.issue()
    held_to = policy(certificates[0], model=ChainModel.GENERIC)
    assert [rule for rule, _ in failures(certificates, held_to) if rule is not ChainRule.PATH] == []


def test_basic_constraints_may_be_absent_before_1_3() -> None:
    chain = bend(leaf__basic_constraints=None)
    failed = [rule for rule, _ in failures(chain, policy(chain[0], needs_basic_constraints=False))]
    assert [rule for rule in failed if rule is not ChainRule.PATH] == []


def test_critical_extensions_that_the_caller_understands() -> None:
    chain = bend(leaf__others=[("2.23.133.5.4.1", True), ("1.2.3", False)])
    assert failures(chain, policy(chain[0])) == [(ChainRule.CRITICAL_EXTENSIONS, 2)]
    assert failures(chain, policy(chain[0], understood_oids=frozenset({"2.23.133.5.4.1"}))) == []


# --- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("constraints", "alternatives", "holds"),
    [
        (permit(directory("Maker")), [], True),
        (permit(directory(" maKER ")), [], True),
        (permit(directory("Another"), directory("Maker")), [], True),
        (permit(directory("")), [], True),
        (exclude(directory("Another")), [], True),
        (permit(x509.DNSName("example.org")), [], True),
        (permit(x509.DNSName("example.org")), [x509.DNSName("example.org")], True),
        (permit(x509.DNSName("example.org")), [x509.DNSName("a.EXAMPLE.org")], True),
        (permit(x509.DNSName("example.org")), [x509.DNSName("badexample.org")], False),
        (permit(x509.DNSName("example.org")), [x509.DNSName("a.example.org"), x509.DNSName("b.example")], False),
        (exclude(x509.DNSName("example.org")), [x509.DNSName("a.example.org")], False),
        (exclude(x509.DNSName("example.org")), [x509.DNSName("example.com")], True),
        (
            permit(x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))),
            [x509.IPAddress(ipaddress.ip_address("10.1.2.3"))],
            True,
        ),
        (
            permit(x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))),
            [x509.IPAddress(ipaddress.ip_address("192.0.2.1"))],
            False,
        ),
        (permit(x509.RFC822Name("example.org")), [x509.DNSName("example.com")], True),
    ],
    ids=str,
)
def test_name_constraints(
    constraints: x509.NameConstraints, alternatives: list[x509.GeneralName], *, holds: bool
) -> None:
    chain = Chain()
    chain.issuer.constraints, chain.leaf.alternatives = constraints, alternatives
    certificates = chain.issue()
    assert failures(certificates, policy(certificates[0])) == ([] if holds else [(ChainRule.NAME_CONSTRAINTS, 2)])


def test_path_length_counts_issuers_that_follow() -> None:
    for allowed, expected in ((0, [(ChainRule.PATH_LENGTH, 0)]), (1, [])):
        limit = x509.BasicConstraints(ca=True, path_length=allowed)
        chain = bend(root__basic_constraints=limit)
        assert failures(chain, policy(chain[0])) == expected
    chain = bend(issuer__basic_constraints=x509.BasicConstraints(ca=True, path_length=0))
    assert failures(chain, policy(chain[0])) == []


# --- findings ----------------------------------------------------------------------------------------------------


def test_a_finding_reads_well() -> None:
    chain = bend(leaf__usage=usage(agree=True))
    with pytest.raises(ChainError) as caught:
        verify_chain(chain, policy(chain[0]))
    assert str(caught.value) == (
        "certificate[2]: the leaf's keyUsage has digitalSignature: does not hold (only keyAgreement)"
    )
    assert isinstance(caught.value, VerificationError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(again, ChainError)
    assert (again.finding, again.pieces) == (caught.value.finding, (chain[2].der,))
    assert again.finding.rule.section == "DSP0274, leaf certificate"
    assert str(Finding(ChainRule.NOT_EMPTY, holds=True)) == "the chain holds a certificate: holds"


def test_the_library_may_object(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain().issue()
    monkeypatch.setattr(_path_verifier, "objection", lambda path, at: "it does not like it")
    assert failures(chain, policy(chain[0])) == [(ChainRule.PATH, None)]


@pytest.mark.skipif(not hasattr(x509.verification, "ExtensionPolicy"), reason="the library cannot be asked")
def test_the_library_is_asked_the_right_question() -> None:
    chain, other = Chain().issue(), Chain("P-256").issue()
    assert _path_verifier.objection(chain, NOW) == ""
    assert "not valid at validation time" in str(_path_verifier.objection(chain, NOW + 2 * YEAR))
    assert _path_verifier.objection((other[0], *chain[1:]), NOW)
    assert _path_verifier.objection(chain[:1], NOW) is None
