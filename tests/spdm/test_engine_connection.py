"""Back to back in clear: negotiation, identity, measurements, vendors; and what either side refuses."""

from __future__ import annotations

import pytest

from pytio.errors import LocalProtocolError, RemoteProtocolError, SpdmDecodeError, SpdmPeerError, VerificationError
from pytio.spdm.algorithms import BaseAsymAlgo, BaseHashAlgo
from pytio.spdm.capabilities import ResponderCapabilities
from pytio.spdm.checks import CheckFailedError, SignatureCheck
from pytio.spdm.codes import MeasurementSummaryHashType, RegistryId, SpdmCode, SpdmErrorCode, SpdmVersion
from pytio.spdm.configuration import AlgorithmSet, KeyPair, Slot
from pytio.spdm.endpoint import Outgoing
from pytio.spdm.events import (
    Authenticated,
    CertificateRead,
    Checked,
    Connected,
    DigestsRead,
    Measured,
    RequestAnswered,
    VendorResponseReceived,
)
from pytio.spdm.messages.digests import GetDigests
from pytio.spdm.messages.error import Error
from pytio.spdm.messages.session import Heartbeat
from pytio.spdm.requester.tables import BUILDERS, TAKERS
from pytio.spdm.requests import (
    Authenticate,
    Measure,
    ReadCertificate,
    ReadDigests,
    VendorRequest,
)
from pytio.spdm.responder.tables import ANSWERS
from pytio.spdm.state import REQUEST_RULES, TRANSITIONS, ConnectionState
from pytio.spdm.transcript import joined
from tests.spdm.pair import Pair, connected_pair, identity, pair, requester_config, responder_config

VERSIONS = list(SpdmVersion)


def identified(two: Pair) -> Pair:
    """Read what a signature needs."""
    two.run(ReadDigests())
    two.run(ReadCertificate())
    return two


@pytest.mark.parametrize("version", VERSIONS)
def test_both_sides_agree_on_the_connection(version: SpdmVersion) -> None:
    two = connected_pair(version)
    assert two.requester.version is two.responder.version is version
    assert two.requester.negotiated == two.responder.negotiated
    assert two.requester.state is two.responder.state is ConnectionState.NEGOTIATED
    assert joined(two.requester.transcript.vca) == joined(two.responder.transcript.vca)
    assert any(isinstance(event, Connected) for event in two.answered)


@pytest.mark.parametrize("version", VERSIONS)
def test_identity_and_measurements(version: SpdmVersion) -> None:
    two = connected_pair(version)
    digests, chain = two.run(ReadDigests())[0], two.run(ReadCertificate())[0]
    assert isinstance(digests, DigestsRead)
    assert isinstance(chain, CertificateRead)
    assert all(finding.holds for finding in chain.findings)
    checked, authenticated = two.run(Authenticate(summary=MeasurementSummaryHashType.ALL))
    assert isinstance(authenticated, Authenticated)
    assert isinstance(checked, Checked)
    made = next(event.check for event in two.answered if isinstance(event, Checked))
    assert isinstance(made, SignatureCheck)
    assert made.is_ours
    assert joined(made.pieces) == joined(checked.check.pieces)
    assert [piece.rule for piece in made.pieces] == ["A"] * 6 + ["B"] * 4 + ["C"] * 2
    assert two.requester.state is two.responder.state is ConnectionState.AUTHENTICATED
    (counted,) = two.run(Measure(0))
    assert isinstance(counted, Measured)
    assert counted.count == 5
    _, everything = two.run(Measure(slot=0))
    assert isinstance(everything, Measured)
    assert [block.index for block in everything.measurements.measurement_record] == [1, 2, 0x10, 0xFD, 0xFE]
    (raw,) = two.run(Measure(1, is_raw=True))
    assert isinstance(raw, Measured)
    expected = version >= SpdmVersion.V1_2
    assert raw.measurements.measurement_record[0].measurement.is_raw_bit_stream is expected  # type: ignore[union-attr]


def test_unsigned_measurements_are_signed_for_by_the_last_one() -> None:
    two = identified(connected_pair(SpdmVersion.V1_2))
    two.run(Measure(1))
    checked, _ = two.run(Measure(2, slot=0))
    assert isinstance(checked, Checked)
    assert [piece.what for piece in checked.check.pieces[6:]] == ["GET_MEASUREMENTS", "MEASUREMENTS"] * 2


def test_a_large_chain_is_read_in_parts() -> None:
    chain = identity(BaseAsymAlgo.ECDSA_P256)
    long = (chain.certificates[0], *chain.certificates[1:])
    two = connected_pair(
        requester=requester_config(versions=(SpdmVersion.V1_2,), certificate_portion_bytes=100),
        responder=responder_config(slots={0: Slot(long)}),
    )
    (read,) = two.run(ReadCertificate())
    assert isinstance(read, CertificateRead)
    assert read.chain == Slot(long).chain(two.requester.hash_algorithm)
    assert sum(message[1] == SpdmCode.GET_CERTIFICATE for _, message in two.wire) == len(read.chain) // 100 + 1


@pytest.mark.parametrize("asym", [BaseAsymAlgo.RSAPSS_2048, BaseAsymAlgo.ECDSA_P384, BaseAsymAlgo.ED25519])
@pytest.mark.parametrize("base_hash", [BaseHashAlgo.SHA_256, BaseHashAlgo.SHA3_384])
def test_algorithms(asym: BaseAsymAlgo, base_hash: BaseHashAlgo) -> None:
    two = connected_pair(
        requester=requester_config(asym, versions=(SpdmVersion.V1_3,), algorithms=AlgorithmSet(hashes=(base_hash,))),
        responder=responder_config(asym),
    )
    assert two.requester.negotiated.base_asym == asym
    identified(two).run(Authenticate())
    two.run(Measure(slot=0))


def test_only_what_a_key_serves_is_selected() -> None:
    p256, rsa = identity(BaseAsymAlgo.ECDSA_P256), identity(BaseAsymAlgo.RSAPSS_2048)
    two = connected_pair(
        requester=requester_config(
            BaseAsymAlgo.RSAPSS_2048, algorithms=AlgorithmSet(asym=(BaseAsymAlgo.RSAPSS_2048, BaseAsymAlgo.ECDSA_P384))
        ),
        responder=responder_config(
            key_pairs=(KeyPair(p256.key), KeyPair(rsa.key)),
            slots={0: Slot(p256.certificates), 3: Slot(rsa.certificates, key_pair_id=2)},
        ),
    )
    assert two.requester.negotiated.base_asym == BaseAsymAlgo.RSAPSS_2048
    (digests,) = two.run(ReadDigests())
    assert isinstance(digests, DigestsRead)
    assert list(digests.digests) == [3]
    two.run(ReadCertificate(3))
    two.run(Authenticate(3))


class Echo:
    """Answers with what was asked, backwards."""

    def handle(self, payload: bytes, session: int | None) -> bytes:
        if payload == b"\x01unknown":
            raise LookupError("no such request")
        return payload[::-1]


@pytest.mark.parametrize("version", VERSIONS)
def test_vendors(version: SpdmVersion) -> None:
    two = connected_pair(version)
    two.responder.register(Echo(), RegistryId.PCI_SIG, b"\x01\x00", 1)
    (event,) = two.run(VendorRequest(RegistryId.PCI_SIG, b"\x01\x00", b"\x01abc"))
    assert isinstance(event, VendorResponseReceived)
    assert event.message.payload == b"cba\x01"
    for payload in (b"\x02abc", b"\x01unknown"):
        with pytest.raises(SpdmPeerError) as error:
            two.run(VendorRequest(RegistryId.PCI_SIG, b"\x01\x00", payload))
        assert error.value.code == SpdmErrorCode.UNSUPPORTED_REQUEST


# refusals


def refused(two: Pair, raw: bytes, *, is_secured: bool = False) -> Error:
    """Send bytes that the requester would not; return the ERROR."""
    two.responder.receive(raw, now=two.now, is_secured=is_secured)
    answer = two.responder.bytes_to_send()
    assert answer is not None
    return Error.parse(answer)


@pytest.mark.parametrize(
    ("raw", "code", "data"),
    [
        ("", SpdmErrorCode.INVALID_REQUEST, 0),
        ("12", SpdmErrorCode.INVALID_REQUEST, 0),
        ("13810000", SpdmErrorCode.VERSION_MISMATCH, 0),
        ("11840000", SpdmErrorCode.VERSION_MISMATCH, 0),
        ("12990000", SpdmErrorCode.UNSUPPORTED_REQUEST, 0x99),
        ("12010000", SpdmErrorCode.UNSUPPORTED_REQUEST, 0x01),
        ("12ef0000" + 8 * "00", SpdmErrorCode.UNSUPPORTED_REQUEST, 0xEF),
        ("12e10000" + 16 * "00", SpdmErrorCode.UNEXPECTED_REQUEST, 0),
        ("12e80000", SpdmErrorCode.SESSION_REQUIRED, 0),
        ("1282000000000000", SpdmErrorCode.INVALID_REQUEST, 0),
        ("128201000000ffff", SpdmErrorCode.INVALID_REQUEST, 0),
        ("12820000ffffffff", SpdmErrorCode.INVALID_REQUEST, 0),
        ("12830300" + 32 * "00", SpdmErrorCode.INVALID_REQUEST, 0),
        ("1283ff00" + 32 * "00", SpdmErrorCode.INVALID_REQUEST, 0),
        ("12830002" + 32 * "00", SpdmErrorCode.INVALID_REQUEST, 0),
        ("128300fe" + 32 * "00", SpdmErrorCode.INVALID_REQUEST, 0),
        ("12830000" + 31 * "00", SpdmErrorCode.INVALID_REQUEST, 0),
        ("12e00077", SpdmErrorCode.INVALID_REQUEST, 0),
        ("12e00101" + 32 * "00" + "05", SpdmErrorCode.INVALID_REQUEST, 0),
    ],
)
def test_bad_requests_are_answered(raw: str, code: SpdmErrorCode, data: int) -> None:
    two = connected_pair(SpdmVersion.V1_2)
    error = refused(two, bytes.fromhex(raw))
    assert (error.error_code, error.error_data) == (code, data)
    assert error.version == (SpdmVersion.V1_0 if raw[2:4] == "84" else SpdmVersion.V1_2)
    identified(two)


def test_before_negotiation_errors_are_of_version_1_0() -> None:
    two = pair()
    for raw in ("12810000", "12e10000" + 16 * "00", "11e10000" + 8 * "00"):
        error = refused(two, bytes.fromhex(raw))
        assert (error.version, error.error_code) == (SpdmVersion.V1_0, SpdmErrorCode.UNEXPECTED_REQUEST)


def test_a_requester_tells_its_caller_what_is_illegal() -> None:
    two = pair()
    for intent in (ReadDigests(), ReadCertificate()):
        with pytest.raises(LocalProtocolError):
            two.requester.send(intent, now=0)
    two.connect()
    with pytest.raises(LocalProtocolError, match="read its chain first"):
        two.requester.send(Authenticate(), now=0)
    with pytest.raises(LocalProtocolError):
        two.requester.send(Heartbeat(version=two.requester.version), now=0)
    two.requester.send(ReadDigests(), now=0)
    with pytest.raises(LocalProtocolError, match="unanswered"):
        two.requester.send(ReadDigests(), now=0)
    assert two.requester.bytes_to_send() == GetDigests(version=two.requester.version).build()
    assert two.requester.bytes_to_send() is None


@pytest.mark.parametrize("version", VERSIONS)
def test_every_flipped_bit_of_a_signed_answer_is_noticed(version: SpdmVersion) -> None:
    """No state moves, and only a new connection leads on."""
    for code, intent in ((SpdmCode.CHALLENGE_AUTH, Authenticate()), (SpdmCode.MEASUREMENTS, Measure(slot=0))):
        for bit in range(0, 8 * 40, 37):
            two = identified(connected_pair(version))
            state = two.requester.state

            def flip(side: str, message: Outgoing, code: SpdmCode = code, bit: int = bit) -> bytes:
                if side == "request" or message[1] != code:
                    return message
                at = len(message) - 1 - bit // 8
                return message[:at] + bytes([message[at] ^ 1 << bit % 8]) + message[at + 1 :]

            two.tap = flip
            with pytest.raises((VerificationError, RemoteProtocolError)):
                two.run(intent)
            assert state is not ConnectionState.AUTHENTICATED
            assert two.requester.state is ConnectionState.ERROR
            with pytest.raises(LocalProtocolError, match="only Connect"):
                two.requester.send(ReadDigests(), now=two.now)
            two.tap = None
            two.connect()
            identified(two).run(Authenticate())


def test_a_failed_signature_carries_its_pieces() -> None:
    two = identified(connected_pair(SpdmVersion.V1_2))
    two.tap = lambda side, message: message if side == "request" else message[:-1] + bytes([message[-1] ^ 1])
    with pytest.raises(CheckFailedError) as error:
        two.run(Authenticate())
    assert error.value.pieces == error.value.check.pieces
    assert [piece.rule for piece in error.value.check.pieces] == ["A"] * 6 + ["B"] * 4 + ["C"] * 2


def test_a_chain_that_is_not_of_its_digest() -> None:
    two = connected_pair(SpdmVersion.V1_2)
    two.tap = lambda side, message: message.replace(message[-4:], b"\0\0\0\0") if message[1] == 1 else message
    two.run(ReadDigests())
    two.tap = None
    with pytest.raises(VerificationError, match="digest of the certificate chain of slot 0"):
        two.run(ReadCertificate())
    assert two.requester.state is ConnectionState.ERROR
    assert not two.requester.peer.chains


def test_an_untrusted_root() -> None:
    two = connected_pair(
        requester=requester_config(BaseAsymAlgo.ECDSA_P384, versions=(SpdmVersion.V1_2,)),
        responder=responder_config(BaseAsymAlgo.ECDSA_P256),
    )
    with pytest.raises(VerificationError, match="trusted"):
        two.run(ReadCertificate())


def test_responders_whose_capabilities_contradict_each_other_are_left() -> None:
    flags = responder_config().capabilities & ~ResponderCapabilities.CERT_CAP
    with pytest.raises(RemoteProtocolError, match="CERT_CAP"):
        pair(responder=responder_config(capabilities=flags)).connect()


def test_a_busy_responder_is_asked_again() -> None:
    two = connected_pair(requester=requester_config(versions=(SpdmVersion.V1_2,), busy_retries=2))
    two.responder.is_busy = True
    before = two.now
    with pytest.raises(SpdmPeerError):
        two.run(ReadDigests())
    assert two.now == pytest.approx(before + 0.2)
    two.responder.is_busy = False
    two.run(ReadDigests())


def test_a_responder_that_lost_the_connection() -> None:
    two = connected_pair(SpdmVersion.V1_2)
    two.responder.require_resynchronization()
    with pytest.raises(SpdmPeerError) as error:
        two.run(ReadDigests())
    assert error.value.code == SpdmErrorCode.REQUEST_RESYNCH
    two.connect()
    two.run(ReadDigests())


def test_what_was_refused_is_reported() -> None:
    two = connected_pair(SpdmVersion.V1_2)
    (event,) = two.responder.receive(bytes.fromhex("12820000ffffffff"), now=0)
    assert isinstance(event, RequestAnswered)
    assert (event.request, event.error) == (SpdmCode.GET_CERTIFICATE, SpdmErrorCode.INVALID_REQUEST)
    assert "65535" in event.reason


# tables


def test_tables_are_complete() -> None:
    """What the rules know is answered, and what is built is taken."""
    assert set(ANSWERS) <= set(REQUEST_RULES)
    built = {builder.code & 0x7F for builder in BUILDERS.values()}
    assert built <= set(TAKERS)


def test_error_leads_nowhere_but_to_a_new_connection() -> None:
    leads = {code for (state, code) in TRANSITIONS if state is ConnectionState.ERROR}
    assert leads == {SpdmCode.VERSION}


def test_what_is_no_certificate_is_an_spdm_error_at_its_offset() -> None:
    two = connected_pair(SpdmVersion.V1_2)
    chain = responder_config().slots[0].chain(two.requester.hash_algorithm)
    at = chain.index(bytes.fromhex("a003020102"))  # the version of the root certificate
    broken = chain[:at] + b"\xa1" + chain[at + 1 :]
    two.tap = lambda side, message: message.replace(chain[8:], broken[8:])
    with pytest.raises(SpdmDecodeError) as error:
        two.run(ReadCertificate())
    assert error.value.path == "CertificateChain.certificate[0]"
    assert error.value.offset == len(chain) - sum(map(len, responder_config().slots[0].certificates))
