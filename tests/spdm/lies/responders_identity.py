"""How responders lie about who they are and what they measure (DSP0274)."""

from __future__ import annotations

from typing import Any

import attrs

from pytio.crypto import digest
from pytio.spdm.algorithms import BaseAsymAlgo
from pytio.spdm.codes import CertificateModel, MeasurementValueType, SpdmCode, SpdmVersion
from pytio.spdm.configuration import Measurement
from pytio.spdm.requests import Authenticate, Measure, ReadCertificate, ReadDigests
from tests.spdm.lies.telling import flip, forged, lie, noticed, on_the_wire, put, signed_so
from tests.spdm.pair import identity, pair, requester_config, responder_config
from tests.spdm.test_engine_flows import mutual_pair
from tests.spdm.test_engine_sessions import ready

V1_2, V1_3 = SpdmVersion.V1_2, SpdmVersion.V1_3


# identity


@lie
def a_certificate_of_another_slot() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.CERTIFICATE, put(2, 1))
    noticed(two, ReadCertificate(), match="slot 1")


@lie
def more_of_a_chain_than_was_asked_for() -> None:
    two = ready(of_requester={"certificate_portion_bytes": 64})
    on_the_wire(two, SpdmCode.GET_CERTIFICATE, put(6, 128), side="request")
    noticed(two, ReadCertificate(), match="more than was asked for")


@lie
def a_chain_that_grows_while_it_is_read() -> None:
    two = ready(of_requester={"certificate_portion_bytes": 64})
    on_the_wire(two, SpdmCode.CERTIFICATE, flip(6), first=1, only=1)
    noticed(two, ReadCertificate(), match="before")


@lie
def a_chain_without_end() -> None:
    two = ready()

    def nothing(message: bytes) -> bytes:
        return message[:4] + bytes(2) + message[6:8]

    on_the_wire(two, SpdmCode.CERTIFICATE, lambda message: put(6, 1)(nothing(message)))
    noticed(two, ReadCertificate(), match="empty part")


@lie
def a_chain_of_another_digest() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.DIGESTS, flip(10))
    two.run(ReadDigests())
    forged(two, ReadCertificate())


@lie
def a_chain_that_nobody_trusts() -> None:
    two = pair(requester_config(versions=(V1_2,)), _other_chain())
    two.connect()
    forged(two, ReadCertificate())


def _other_chain() -> Any:
    mine = responder_config()
    other = identity(BaseAsymAlgo.ECDSA_P256, number=1)
    slot = attrs.evolve(mine.slots[0], certificates=other.certificates)
    return attrs.evolve(mine, slots={0: slot}, key_pairs=(attrs.evolve(mine.key_pairs[0], key=other.key),))


@lie
def a_provisioned_slot_that_there_is_not() -> None:
    two = ready(V1_3)
    on_the_wire(two, SpdmCode.DIGESTS, put(2, 0))
    noticed(two, ReadDigests(), match="not supported")


@lie
def a_generic_certificate_in_slot_0() -> None:
    two = mutual_pair(V1_3, multi_key=True)
    slot = attrs.evolve(two.responder.slots.slots[0], model=CertificateModel.GENERIC_CERT)
    two.responder.slots.slots[0] = slot
    noticed(two, ReadDigests(), match="generic")


@lie
def a_challenge_answered_for_another_slot() -> None:
    two = ready()
    signed_so(two, SpdmCode.CHALLENGE_AUTH, put(2, 1))
    noticed(two, Authenticate(), match="slot 1")


@lie
def a_challenge_answered_for_a_slot_that_the_mask_lacks() -> None:
    two = ready()
    signed_so(two, SpdmCode.CHALLENGE_AUTH, flip(3))
    noticed(two, Authenticate(), match="mask")


@lie
def a_challenge_answered_with_another_chain_hash() -> None:
    two = ready()
    signed_so(two, SpdmCode.CHALLENGE_AUTH, flip(4))
    forged(two, Authenticate())


@lie
def a_challenge_answered_with_another_context() -> None:
    two = ready(V1_3)
    at = 4 + two.requester.hash_algorithm.digest_size + 32 + 2
    signed_so(two, SpdmCode.CHALLENGE_AUTH, flip(at))
    noticed(two, Authenticate(), match="RequesterContext")


@lie
def a_challenge_answered_by_a_demand_that_cannot_be_met() -> None:
    two = ready()
    signed_so(two, SpdmCode.CHALLENGE_AUTH, flip(2, 0x80))
    noticed(two, Authenticate(), match="BasicMutAuth")


@lie
def a_challenge_answered_without_the_key() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.CHALLENGE_AUTH, flip(-1))
    forged(two, Authenticate())


# measurements


@lie
def a_measurement_of_another_index() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.MEASUREMENTS, flip(8, 0x06))
    noticed(two, Measure(1), match="instead of 1")


@lie
def a_measurement_twice() -> None:
    two = ready()

    def again(message: bytes) -> bytes:
        second = 8 + 4 + int.from_bytes(message[10:12], "little")
        return put(second, message[8])(message)

    on_the_wire(two, SpdmCode.MEASUREMENTS, again)
    noticed(two, Measure(), match="twice")


@lie
def measurements_where_they_were_to_be_counted() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.GET_MEASUREMENTS, put(3, 0xFF), side="request")
    noticed(two, Measure(0), match="only their number")


@lie
def a_measurement_cut_short() -> None:
    short = Measurement(1, MeasurementValueType.HASH_EXTEND, digest(ready().requester.hash_algorithm)[:20])
    two = ready(measurements=(short,))
    noticed(two, Measure(), match="digest of 20 bytes")


@lie
def measurements_with_another_context() -> None:
    two = ready(V1_3)
    on_the_wire(two, SpdmCode.MEASUREMENTS, flip(-1))
    noticed(two, Measure(), match="RequesterContext")


@lie
def measurements_signed_for_another_slot() -> None:
    two = ready()
    signed_so(two, SpdmCode.MEASUREMENTS, flip(3))
    noticed(two, Measure(slot=0), match="slot 1")


@lie
def measurements_that_were_changed_after_they_were_signed() -> None:
    two = ready()
    on_the_wire(two, SpdmCode.MEASUREMENTS, flip(20))
    forged(two, Measure(slot=0))
