"""How responders lie in chunks, and about what was provisioned (DSP0274)."""

from __future__ import annotations

import attrs

from pytio.spdm.capabilities import ResponderCapabilities
from pytio.spdm.codes import RegistryId, SpdmCode, SpdmVersion
from pytio.spdm.requests import EraseCertificate, ReadDigests, ReadKeyPair, RequestCertificate
from tests.spdm.lies.telling import VENDOR, become, flip, lie, noticed, on_the_wire, put
from tests.spdm.test_engine_flows import Echo, narrow_pair
from tests.spdm.test_engine_sessions import ready

P = ResponderCapabilities
V1_2, V1_3 = SpdmVersion.V1_2, SpdmVersion.V1_3


# chunks


@lie
def an_acknowledgement_of_another_chunk() -> None:
    two = narrow_pair(V1_2, 60)
    two.responder.register(Echo(), RegistryId.PCI_SIG, b"\x01\x00")
    on_the_wire(two, SpdmCode.CHUNK_SEND_ACK, flip(4))
    noticed(two, attrs.evolve(VENDOR, payload=bytes(200)), match="chunk")


@lie
def a_large_response_inside_a_large_response() -> None:
    two = narrow_pair(V1_2, 60)
    on_the_wire(two, SpdmCode.CHUNK_RESPONSE, become("127f0f0001"), only=1)
    noticed(two, ReadDigests())


@lie
def a_chunk_that_is_not_the_next() -> None:
    two = narrow_pair(V1_2, 60)
    on_the_wire(two, SpdmCode.CHUNK_RESPONSE, flip(4, 2), first=1)
    noticed(two, ReadDigests(), match="was to come")


@lie
def chunks_of_fewer_bytes_than_announced() -> None:
    two = narrow_pair(V1_2, 60)
    on_the_wire(two, SpdmCode.CHUNK_RESPONSE, lambda message: put(12, message[12] + 8)(message), only=1)
    noticed(two, ReadDigests(), match="bytes of")


@lie
def chunks_of_two_gigabytes() -> None:
    two = narrow_pair(V1_2, 60)
    on_the_wire(two, SpdmCode.CHUNK_RESPONSE, put(15, 0x7F), only=1)
    noticed(two, ReadDigests(), match="at most")
    assert [message[1] for side, message in two.wire if side == "request"].count(SpdmCode.CHUNK_GET) == 1


# provisioning


@lie
def another_key_pair() -> None:
    two = ready(V1_3, responder=P.GET_KEY_PAIR_INFO_CAP)
    on_the_wire(two, SpdmCode.KEY_PAIR_INFO, flip(5, 3))
    noticed(two, ReadKeyPair(1), match="key pair 2")


@lie
def a_key_pair_beyond_the_last() -> None:
    two = ready(V1_3, responder=P.GET_KEY_PAIR_INFO_CAP)
    on_the_wire(two, SpdmCode.KEY_PAIR_INFO, put(4, 0))
    noticed(two, ReadKeyPair(1), match="of 0")


@lie
def another_slot_was_erased() -> None:
    two = ready(V1_3, responder=P.SET_CERT_CAP, is_trusted_environment=True)
    on_the_wire(two, SpdmCode.SET_CERTIFICATE_RSP, flip(2, 3))
    noticed(two, EraseCertificate(1), match="slot 2")


@lie
def a_request_for_a_certificate_of_nothing() -> None:
    two = ready(responder=P.CSR_CAP | P.SET_CERT_CAP)
    on_the_wire(two, SpdmCode.CSR, lambda message: message[:4] + bytes(4))
    noticed(two, RequestCertificate(), match="empty")
