"""What enters a transcript, in which order, and what empties it: the rules, one by one."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pytio.spdm.codes import SpdmCode, SpdmVersion
from pytio.spdm.transcript import Piece, SessionTranscript, Transcript, joined

VCA = [
    (SpdmCode.GET_VERSION, SpdmCode.VERSION),
    (SpdmCode.GET_CAPABILITIES, SpdmCode.CAPABILITIES),
    (SpdmCode.NEGOTIATE_ALGORITHMS, SpdmCode.ALGORITHMS),
]
DIGESTS = (SpdmCode.GET_DIGESTS, SpdmCode.DIGESTS)
CERTIFICATE = (SpdmCode.GET_CERTIFICATE, SpdmCode.CERTIFICATE)
CHALLENGE = (SpdmCode.CHALLENGE, SpdmCode.CHALLENGE_AUTH)
MEASUREMENTS = (SpdmCode.GET_MEASUREMENTS, SpdmCode.MEASUREMENTS)
ENDPOINT_INFO = (SpdmCode.GET_ENDPOINT_INFO, SpdmCode.ENDPOINT_INFO)
SKIPS_CHALLENGE = [
    SpdmCode.GET_MEASUREMENTS,
    SpdmCode.KEY_EXCHANGE,
    SpdmCode.FINISH,
    SpdmCode.PSK_EXCHANGE,
    SpdmCode.PSK_FINISH,
    SpdmCode.KEY_UPDATE,
    SpdmCode.HEARTBEAT,
    SpdmCode.GET_ENCAPSULATED_REQUEST,
    SpdmCode.DELIVER_ENCAPSULATED_RESPONSE,
    SpdmCode.END_SESSION,
    SpdmCode.GET_MEASUREMENT_EXTENSION_LOG,
]
KEEPS_CHALLENGE = [SpdmCode.GET_CSR, SpdmCode.VENDOR_DEFINED_REQUEST, SpdmCode.GET_ENDPOINT_INFO]
SESSION = "a session"


class Talk:
    """Says messages that are a version, a code and a running number, and names what a transcript holds."""

    def __init__(self, version: SpdmVersion = SpdmVersion.V1_2) -> None:
        self.transcript = Transcript()
        self.version = version
        self.count = 0
        for pair in VCA:
            self.say(*pair)

    def raw(self, code: SpdmCode, param1: int = 0) -> bytes:
        """Return the next message."""
        self.count += 1
        return bytes([self.version, code, param1, self.count])

    def ask(self, code: SpdmCode, *, context: str | None = None, encapsulated: bool = False) -> bytes:
        """Say a request."""
        raw = self.raw(code)
        self.transcript.request(raw, context=context, encapsulated=encapsulated, source=self.count)
        return raw

    def answer(
        self, code: SpdmCode, *, context: str | None = None, encapsulated: bool = False, signature_size: int = 0
    ) -> bytes:
        """Say a response."""
        raw = self.raw(code)
        self.transcript.response(
            raw, context=context, encapsulated=encapsulated, signature_size=signature_size, source=self.count
        )
        return raw

    def say(
        self, request: SpdmCode, response: SpdmCode, *, context: str | None = None, encapsulated: bool = False
    ) -> bytes:
        """Say both; return their bytes."""
        asked = self.ask(request, context=context, encapsulated=encapsulated)
        return asked + self.answer(response, context=context, encapsulated=encapsulated)

    def fail(self, request: SpdmCode, *, context: str | None = None, encapsulated: bool = False) -> None:
        """Say a request that is answered by ERROR."""
        self.ask(request, context=context, encapsulated=encapsulated)
        self.answer(SpdmCode.ERROR, context=context, encapsulated=encapsulated)

    @property
    def vca(self) -> bytes:
        """What A is."""
        return joined(self.transcript.vca)


def rules(pieces: Iterable[Piece]) -> str:
    """Return the rules of pieces, those of A left out."""
    return " ".join(piece.rule for piece in pieces if piece.rule != "A")


def test_a_is_the_first_six_messages() -> None:
    talk = Talk()
    assert [piece.what for piece in talk.transcript.vca] == [code.name for pair in VCA for code in pair]
    assert [piece.rule for piece in talk.transcript.vca] == ["A"] * 6
    assert [piece.source for piece in talk.transcript.vca] == [1, 2, 3, 4, 5, 6]
    assert talk.transcript.version == SpdmVersion.V1_2


def test_a_has_only_what_was_answered() -> None:
    talk = Talk()
    before = talk.vca
    talk.fail(SpdmCode.NEGOTIATE_ALGORITHMS)
    talk.ask(SpdmCode.GET_CAPABILITIES)
    assert talk.vca == before


def test_get_version_starts_over() -> None:
    talk = Talk()
    talk.say(*DIGESTS)
    talk.say(*MEASUREMENTS, context=SESSION)
    talk.ask(SpdmCode.GET_VERSION)
    assert talk.vca == b""
    assert talk.transcript.first_digests is None
    assert talk.transcript.version == SpdmVersion.V1_0
    again = talk.answer(SpdmCode.VERSION)
    assert talk.vca.endswith(again)
    talk.ask(SpdmCode.CHALLENGE)
    assert rules(talk.transcript.m1m2(b"")) == "C C"


# --- M1/M2 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", SpdmVersion)
def test_m1m2_is_a_b_c(version: SpdmVersion) -> None:
    talk = Talk(version)
    b = talk.say(*DIGESTS) + talk.say(*CERTIFICATE) + talk.say(*CERTIFICATE)
    asked = talk.ask(SpdmCode.CHALLENGE)
    pieces = talk.transcript.m1m2(b"unsigned", source=99)
    assert joined(pieces) == talk.vca + b + asked + b"unsigned"
    assert rules(pieces) == "B B B B B B C C"
    assert pieces[-1] == Piece("CHALLENGE_AUTH", b"unsigned", "C", 99)


def test_b_without_certificates_and_without_anything() -> None:
    talk = Talk()
    asked = talk.ask(SpdmCode.CHALLENGE)
    assert joined(talk.transcript.m1m2(b"")) == talk.vca + asked
    talk = Talk()
    b = talk.say(*DIGESTS)
    asked = talk.ask(SpdmCode.CHALLENGE)
    assert joined(talk.transcript.m1m2(b"")) == talk.vca + b + asked


def test_get_digests_empties_b() -> None:
    talk = Talk()
    talk.say(*DIGESTS)
    talk.say(*CERTIFICATE)
    b = talk.say(*DIGESTS)
    asked = talk.ask(SpdmCode.CHALLENGE)
    assert joined(talk.transcript.m1m2(b"")) == talk.vca + b + asked


def test_get_digests_in_a_session_leaves_b_alone() -> None:
    talk = Talk()
    b = talk.say(*DIGESTS)
    talk.say(*DIGESTS, context=SESSION)
    talk.say(*CERTIFICATE, context=SESSION)
    asked = talk.ask(SpdmCode.CHALLENGE)
    assert joined(talk.transcript.m1m2(b"")) == talk.vca + b + asked


def test_what_was_answered_by_error_is_not_in_b() -> None:
    talk = Talk()
    b = talk.say(*DIGESTS)
    talk.fail(SpdmCode.GET_CERTIFICATE)
    b += talk.say(*CERTIFICATE)
    asked = talk.ask(SpdmCode.CHALLENGE)
    assert joined(talk.transcript.m1m2(b"")) == talk.vca + b + asked


def test_a_response_without_its_request_stands_alone() -> None:
    talk = Talk()
    talk.ask(SpdmCode.GET_DIGESTS)
    certificate = talk.answer(SpdmCode.CERTIFICATE)
    asked = talk.ask(SpdmCode.CHALLENGE)
    assert joined(talk.transcript.m1m2(b"")) == talk.vca + certificate + asked


@pytest.mark.parametrize("is_good", [True, False])
def test_a_challenge_empties_b_however_it_goes(is_good: bool) -> None:
    talk = Talk()
    talk.say(*DIGESTS)
    if is_good:
        talk.say(*CHALLENGE)
    else:
        talk.fail(SpdmCode.CHALLENGE)
    asked = talk.ask(SpdmCode.CHALLENGE)
    assert joined(talk.transcript.m1m2(b"")) == talk.vca + asked


@pytest.mark.parametrize("code", SKIPS_CHALLENGE + KEEPS_CHALLENGE)
@pytest.mark.parametrize("context", [None, SESSION])
def test_requests_that_skip_the_challenge_empty_b(code: SpdmCode, context: str | None) -> None:
    talk = Talk()
    b = talk.say(*DIGESTS)
    talk.ask(code, context=context)
    asked = talk.ask(SpdmCode.CHALLENGE)
    assert joined(talk.transcript.m1m2(b"")) == talk.vca + (b if code in KEEPS_CHALLENGE else b"") + asked


@pytest.mark.parametrize("code", SKIPS_CHALLENGE)
def test_once_authenticated_they_do_not(code: SpdmCode) -> None:
    talk = Talk()
    talk.say(*CHALLENGE)
    b = talk.say(*DIGESTS)
    talk.ask(code)
    asked = talk.ask(SpdmCode.CHALLENGE)
    assert joined(talk.transcript.m1m2(b"")) == talk.vca + b + asked


@pytest.mark.parametrize("version", [SpdmVersion.V1_1, SpdmVersion.V1_2, SpdmVersion.V1_3, SpdmVersion.V1_4])
def test_m1m2_of_the_requester(version: SpdmVersion) -> None:
    talk = Talk(version)
    talk.say(*DIGESTS)
    talk.say(*CHALLENGE)
    talk.ask(SpdmCode.GET_ENCAPSULATED_REQUEST)
    mut_b = talk.say(*DIGESTS, encapsulated=True)
    talk.ask(SpdmCode.DELIVER_ENCAPSULATED_RESPONSE)
    mut_b += talk.say(*CERTIFICATE, encapsulated=True)
    asked = talk.ask(SpdmCode.CHALLENGE, encapsulated=True)
    pieces = talk.transcript.m1m2(b"unsigned", encapsulated=True)
    vca = talk.vca if version >= SpdmVersion.V1_2 else b""
    assert joined(pieces) == vca + mut_b + asked + b"unsigned"
    assert rules(pieces) == "mutB mutB mutB mutB mutC mutC"


def test_each_encapsulated_flow_starts_anew() -> None:
    talk = Talk()
    talk.ask(SpdmCode.GET_ENCAPSULATED_REQUEST)
    talk.say(*DIGESTS, encapsulated=True)
    talk.ask(SpdmCode.GET_ENCAPSULATED_REQUEST)
    talk.say(*DIGESTS, context=SESSION, encapsulated=True)
    asked = talk.ask(SpdmCode.CHALLENGE, encapsulated=True)
    assert joined(talk.transcript.m1m2(b"", encapsulated=True)) == talk.vca + asked


# --- L1/L2, IL1/IL2 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", SpdmVersion)
def test_l1l2_is_every_exchange_since_the_last_signature(version: SpdmVersion) -> None:
    talk = Talk(version)
    exchanges = talk.say(*MEASUREMENTS) + talk.say(*MEASUREMENTS)
    asked = talk.ask(SpdmCode.GET_MEASUREMENTS)
    pieces = talk.transcript.l1l2(b"unsigned")
    assert joined(pieces) == (talk.vca if version >= SpdmVersion.V1_2 else b"") + exchanges + asked + b"unsigned"
    assert rules(pieces) == "L L L L L L"
    talk.answer(SpdmCode.MEASUREMENTS, signature_size=96)
    asked = talk.ask(SpdmCode.GET_MEASUREMENTS)
    assert rules(talk.transcript.l1l2(b"")) == "L L"


def test_an_error_empties_l() -> None:
    talk = Talk()
    talk.say(*MEASUREMENTS)
    talk.fail(SpdmCode.GET_MEASUREMENTS)
    talk.ask(SpdmCode.GET_MEASUREMENTS)
    assert rules(talk.transcript.l1l2(b"")) == "L L"


@pytest.mark.parametrize("code", [SpdmCode.GET_DIGESTS, SpdmCode.HEARTBEAT, SpdmCode.VENDOR_DEFINED_REQUEST])
def test_any_other_request_empties_l_of_its_own_session(code: SpdmCode) -> None:
    talk = Talk()
    contexts = (None, SESSION, "another session")
    for context in contexts:
        talk.say(*MEASUREMENTS, context=context)
    talk.ask(code, context=SESSION)
    for context, expected in zip(contexts, ("L L L L", "L L", "L L L L"), strict=True):
        talk.ask(SpdmCode.GET_MEASUREMENTS, context=context)
        assert rules(talk.transcript.l1l2(b"", context=context)) == expected


def test_encapsulated_requests_leave_l_alone() -> None:
    talk = Talk()
    talk.say(*MEASUREMENTS)
    talk.say(*DIGESTS, encapsulated=True)
    talk.ask(SpdmCode.GET_MEASUREMENTS)
    assert rules(talk.transcript.l1l2(b"")) == "L L L L"


@pytest.mark.parametrize("encapsulated", [False, True])
def test_il1il2_is_a_and_one_exchange(encapsulated: bool) -> None:
    talk = Talk(SpdmVersion.V1_3)
    talk.say(*ENDPOINT_INFO, context=SESSION, encapsulated=encapsulated)
    asked = talk.ask(SpdmCode.GET_ENDPOINT_INFO, context=SESSION, encapsulated=encapsulated)
    talk.ask(SpdmCode.GET_ENDPOINT_INFO)
    pieces = talk.transcript.il1il2(b"unsigned", context=SESSION, encapsulated=encapsulated)
    assert joined(pieces) == talk.vca + asked + b"unsigned"
    assert rules(pieces) == "E E"


# --- D -------------------------------------------------------------------------------------------------------------


def test_d_is_the_digests_that_come_first() -> None:
    talk = Talk(SpdmVersion.V1_3)
    talk.ask(SpdmCode.GET_DIGESTS)
    raw = talk.answer(SpdmCode.DIGESTS)
    assert talk.transcript.first_digests == Piece("DIGESTS", raw, "D", talk.count)
    talk.say(*DIGESTS)
    assert talk.transcript.first_digests.data == raw


@pytest.mark.parametrize("code", [SpdmCode.GET_CERTIFICATE, SpdmCode.CHALLENGE, SpdmCode.GET_MEASUREMENTS])
def test_d_is_none_after_another_request(code: SpdmCode) -> None:
    talk = Talk(SpdmVersion.V1_3)
    talk.ask(code)
    talk.say(*DIGESTS)
    assert talk.transcript.first_digests is None


def test_d_may_be_asked_for_again_after_an_error() -> None:
    talk = Talk(SpdmVersion.V1_3)
    talk.fail(SpdmCode.GET_DIGESTS)
    talk.say(*DIGESTS)
    assert talk.transcript.first_digests is not None


# --- TH ------------------------------------------------------------------------------------------------------------


def piece(what: str, data: bytes) -> Piece:
    """Return a piece."""
    return Piece(what, data, what)


def session(what: SpdmCode = SpdmCode.KEY_EXCHANGE, **changed: Piece | int | None) -> SessionTranscript:
    """Return a session's transcript with everything that it may have, each piece a word."""
    parts: dict[str, Piece | int | None] = {
        "signature_size": 3,
        "verify_size": 2,
        "digests": piece("D", b"<digests>"),
        "chain": piece("Ct", b"<chain>"),
        "encapsulated_digests": piece("ED", b"<ed>"),
        "requester_chain": piece("CM", b"<cm>"),
        "finish": piece("F", b"<finish>"),
        "finish_response": piece("F", b"<finish_rsp>"),
        **changed,
    }
    return SessionTranscript(
        vca=(piece("A", b"<vca>"),),
        exchange=Piece(what.name, b"<exchange>", "K"),
        response=Piece("KEY_EXCHANGE_RSP", b"<response>SIGHM", "K"),
        **parts,  # type: ignore[arg-type]
    )


BEFORE = b"<vca><digests><chain><exchange>"
MUTUAL = b"<ed><cm>"


def test_th_at_each_stage() -> None:
    th = session()
    assert joined(th.exchange_signature()) == BEFORE + b"<response>"
    assert joined(th.th1()) == BEFORE + b"<response>SIG"
    assert joined(th.finish_signature(b"<header>")) == BEFORE + b"<response>SIGHM" + MUTUAL + b"<header>"
    assert joined(th.finish_hmac(b"<signed>", 7)) == BEFORE + b"<response>SIGHM" + MUTUAL + b"<signed>"
    assert th.finish_hmac(b"<signed>", 7)[-1] == Piece("FINISH", b"<signed>", "F", 7)
    assert joined(th.finish_response_hmac(b"<rsp>")) == BEFORE + b"<response>SIGHM" + MUTUAL + b"<finish><rsp>"
    assert joined(th.th2()) == BEFORE + b"<response>SIGHM" + MUTUAL + b"<finish><finish_rsp>"


def test_th_with_the_handshake_in_the_clear() -> None:
    th = session(verify_size=0)
    assert joined(th.th1()) == BEFORE + b"<response>SIGHM"
    assert joined(th.exchange_signature()) == BEFORE + b"<response>SI"


def test_encapsulated_digests_count_only_with_the_requesters_chain() -> None:
    th = session(requester_chain=None)
    assert joined(th.th2()) == BEFORE + b"<response>SIGHM<finish><finish_rsp>"


def test_th_of_a_psk_session() -> None:
    nothing = dict.fromkeys(("digests", "chain", "encapsulated_digests", "requester_chain"))
    th = session(SpdmCode.PSK_EXCHANGE, signature_size=0, **nothing)
    assert joined(th.th1()) == b"<vca><exchange><response>SIG"
    assert joined(th.finish_hmac(b"<psk_finish>")) == b"<vca><exchange><response>SIGHM<psk_finish>"
    assert th.finish_hmac(b"")[-1].what == "PSK_FINISH"
    assert joined(th.th2()) == b"<vca><exchange><response>SIGHM<finish><finish_rsp>"


def test_th2_of_a_psk_session_without_finish() -> None:
    nothing = dict.fromkeys(
        ("digests", "chain", "encapsulated_digests", "requester_chain", "finish", "finish_response")
    )
    th = session(SpdmCode.PSK_EXCHANGE, signature_size=0, **nothing)
    assert joined(th.th2()) == b"<vca><exchange><response>SIGHM"


def test_pieces_do_not_show_their_bytes() -> None:
    assert "<9 bytes>" in repr(piece("D", b"<digests>"))
    assert "digests" not in repr(piece("D", b"<digests>"))
