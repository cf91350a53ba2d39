"""Lies that no signature or tag betrays: the check that finds each of them is named by the error."""

from __future__ import annotations

import pytest

from pytio.errors import RemoteProtocolError, SpdmPeerError
from pytio.spdm.codes import KeyUpdateOperation, RegistryId, SpdmCode, SpdmErrorCode, SpdmVersion
from pytio.spdm.endpoint import Outgoing
from pytio.spdm.messages.error import Error
from pytio.spdm.messages.session import KeyUpdate
from pytio.spdm.requests import Connect, Intent, Measure, VendorRequest
from tests.spdm.pair import pair, requester_config
from tests.spdm.test_engine_flows import Echo, narrow_pair, sent_raw
from tests.spdm.test_engine_sessions import assert_agreement, ready, started

VENDOR = VendorRequest(RegistryId.PCI_SIG, b"\x01\x00", b"hello")


@pytest.mark.parametrize(
    ("code", "at", "flip", "intent", "why"),
    [
        (SpdmCode.VENDOR_DEFINED_RESPONSE, 7, 0xFF, VENDOR, "another vendor"),
        (SpdmCode.MEASUREMENTS, 8, 0x06, Measure(1), "instead of 1"),
        (SpdmCode.ALGORITHMS, 16, 0x80, Connect(), "BaseHashSel"),
        (SpdmCode.ALGORITHMS, 12, 0x01, Connect(), "BaseAsymSel"),
    ],
)
def test_a_lie_in_clear(code: SpdmCode, at: int, flip: int, intent: Intent, why: str) -> None:
    two = pair(requester_config(versions=(SpdmVersion.V1_2,)))
    two.responder.register(Echo(), RegistryId.PCI_SIG, b"\x01\x00")
    two.connect()

    def lie(side: str, message: Outgoing) -> bytes:
        is_wanted = side == "response" and message[1] == code
        return message[:at] + bytes([message[at] ^ flip]) + message[at + 1 :] if is_wanted else message

    two.tap = lie
    with pytest.raises(RemoteProtocolError, match=why):
        two.run(intent)


def test_a_second_key_update_waits_for_the_first() -> None:
    two = ready()
    number = started(two)
    update = KeyUpdate(version=SpdmVersion.V1_2, key_operation=KeyUpdateOperation.UPDATE_KEY, tag=1)
    two.run(update, number)
    with pytest.raises(SpdmPeerError) as error:
        two.run(update, number)
    assert error.value.code == SpdmErrorCode.INVALID_REQUEST
    two.run(KeyUpdate(version=SpdmVersion.V1_2, key_operation=KeyUpdateOperation.VERIFY_NEW_KEY, tag=2), number)
    assert_agreement(two, number)


@pytest.mark.parametrize("wrong", ["128600020000", "128600010100"])
def test_chunks_are_fetched_in_order(wrong: str) -> None:
    two = narrow_pair(SpdmVersion.V1_2, 60)
    assert Error.parse(sent_raw(two, "12810000")).extended_error_data == 1
    assert Error.parse(sent_raw(two, wrong)).error_code == SpdmErrorCode.INVALID_REQUEST
    assert sent_raw(two, "128600010000")[1] == SpdmCode.CHUNK_RESPONSE
