"""Messages of sessions, chunks, carriers, provisioning, key pairs, events and slots, beyond what vectors show."""

from __future__ import annotations

import pytest

from pytio.errors import EncodeError, SpdmDecodeError
from pytio.spdm.algorithms import PqcAsymAlgo
from pytio.spdm.codes import (
    EncapsulatedPayloadType,
    EventGroupAttributes,
    RegistryId,
    SetKeyPairInfoOperation,
    SlotManagementSubCode,
    SpdmVersion,
)
from pytio.spdm.messages import message_class
from pytio.spdm.messages.base import SpdmMessage, Svh
from pytio.spdm.messages.certificate import GetCertificate
from pytio.spdm.messages.chunk import ChunkResponse, ChunkSend
from pytio.spdm.messages.encapsulated import EncapsulatedResponseAck
from pytio.spdm.messages.events import (
    CertificateChanged,
    Event,
    EventGroup,
    EventGroups,
    EventLost,
    EventType,
    SubscribeEventTypes,
    SupportedEventTypes,
)
from pytio.spdm.messages.key_exchange import Finish, FinishRsp
from pytio.spdm.messages.key_pair import KeyPairInfo, SetKeyPairInfo, pqc_algorithms
from pytio.spdm.messages.provisioning import SetCertificate
from pytio.spdm.messages.psk import PskFinishRsp
from pytio.spdm.messages.slot_management import (
    MGMT_STRUCT_OFFSET,
    BankDetails,
    BankElement,
    BankInfo,
    ManageSlot,
    SlotAddress,
    SlotElement,
    SlotManagement,
    SlotManagementResp,
    SupportedSubCodes,
)
from pytio.spdm.messages.vendor_defined import VendorDefinedRequest
from tests.checks import check_refused, check_wire
from tests.spdm.corpus import MAX_DOE_PADDING, recorded

CORPUS = "session_messages.txt"
KEY_PAIR_INFO_EXCESS = 8


def test_every_recorded_message_parses_and_builds_back() -> None:
    count = 0
    for source, cls, given, raw in recorded(CORPUS):
        parsed, size = cls.parse_prefix(raw, **given)
        assert parsed.build() == raw[:size], source
        assert parsed.given() == given, source
        assert message_class(raw[1]) is cls, source
        excess = raw[size:]
        assert not any(excess), source
        assert len(excess) <= (KEY_PAIR_INFO_EXCESS if cls is KeyPairInfo else MAX_DOE_PADDING), source
        count += 1
    assert count == 565


def test_a_recorded_message_also_fails_well() -> None:
    seen = set()
    for _, cls, given, raw in recorded(CORPUS):
        if (cls, raw[0]) in seen or len(raw) > 400:
            continue
        seen.add((cls, raw[0]))
        _, size = cls.parse_prefix(raw, **given)
        check_wire(cls, raw[:size], None, **given)
    assert len(seen) > 60


def test_chunks_make_up_the_large_message() -> None:
    transfers: list[tuple[int, bytes]] = []
    for _, cls, _, raw in recorded(CORPUS, "ChunkSend", "ChunkResponse"):
        chunk = cls.parse(raw)
        assert isinstance(chunk, ChunkSend | ChunkResponse)
        if chunk.chunk_seq_no == 0:
            assert chunk.large_message_size is not None
            transfers.append((chunk.large_message_size, b""))
        size, so_far = transfers[-1]
        transfers[-1] = size, so_far + chunk.spdm_chunk
        if chunk.last_chunk:
            assert len(transfers[-1][1]) == size
            assert issubclass(message_class(transfers[-1][1][1]), SpdmMessage)
    assert len(transfers) > 5


def test_a_padded_inner_message_is_cut_by_its_own_length() -> None:
    padded = EncapsulatedResponseAck.parse(bytes.fromhex("126b020101000000 1282000000000004 0000"))
    assert padded.encapsulated_request is not None
    inner, size = GetCertificate.parse_prefix(padded.encapsulated_request)
    assert (inner.length, size) == (0x400, 8)
    assert len(padded.encapsulated_request) == size + 2


@pytest.mark.parametrize("version", list(SpdmVersion))
def test_an_acknowledgement_has_the_header_of_its_version(version: SpdmVersion) -> None:
    ack = EncapsulatedResponseAck(version=version, payload_type=EncapsulatedPayloadType.REQ_SLOT_NUMBER, req_slot_id=3)
    header = 4 if version < SpdmVersion.V1_2 else 8
    assert ack.build()[header:] == b"\x03"
    check_wire(EncapsulatedResponseAck, ack.build(), ack)


def test_opaque_data_of_finish_stay_out_before_1_4() -> None:
    assert FinishRsp(version=SpdmVersion.V1_3).build() == bytes.fromhex("13650000")
    assert FinishRsp(version=SpdmVersion.V1_4).build() == bytes.fromhex("146500000000")
    assert PskFinishRsp(version=SpdmVersion.V1_4, opaque_data=b"ab").build() == bytes.fromhex("146700000200") + b"ab"
    with pytest.raises(EncodeError, match="does not belong there"):
        PskFinishRsp(version=SpdmVersion.V1_3, opaque_data=b"ab", opaque_data_length=2).build()


def test_a_signature_is_there_as_the_message_says() -> None:
    raw = bytes.fromhex("12e50000") + bytes(32)
    unsigned = Finish.parse(raw, signature=96, verify_data=32)  # the signer's size, whether it signs or not
    assert unsigned.signature is None
    with pytest.raises(EncodeError, match="is missing"):
        unsigned.replace(signature_included=True).build()


def test_a_sequence_number_has_the_width_of_its_version() -> None:
    with pytest.raises(EncodeError, match="does not fit"):
        ChunkSend(version=SpdmVersion.V1_3, handle=0, chunk_seq_no=0x10000, spdm_chunk=b"").build()
    large = ChunkSend(version=SpdmVersion.V1_4, handle=0, chunk_seq_no=0x10000, spdm_chunk=b"")
    check_wire(ChunkSend, large.build(), large)


def test_the_first_chunk_alone_says_how_large_the_message_is() -> None:
    first = ChunkSend(version=SpdmVersion.V1_2, handle=0, chunk_seq_no=0, large_message_size=99, spdm_chunk=b"ab")
    check_wire(ChunkSend, first.build(), first)
    with pytest.raises(EncodeError, match="does not belong there"):
        first.replace(chunk_seq_no=1).build()


@pytest.mark.parametrize("version", list(SpdmVersion))
def test_bit_7_decides_the_form_of_vendor_defined_from_1_4(version: SpdmVersion) -> None:
    for is_large in (False, True):
        length = "000003000000" if is_large and version >= SpdmVersion.V1_4 else "0300"
        request = VendorDefinedRequest(
            version=version, is_large=is_large, standard_id=RegistryId.PCI_SIG, vendor_id=b"\x01\0", payload=b"abc"
        )
        assert request.build()[9:] == bytes.fromhex(length) + b"abc"
        check_wire(VendorDefinedRequest, request.build(), request)


def test_a_large_payload_needs_the_large_form() -> None:
    request = VendorDefinedRequest(version=SpdmVersion.V1_4, standard_id=RegistryId.DMTF, payload=bytes(0x10000))
    with pytest.raises(EncodeError, match="does not fit"):
        request.build()
    large = request.replace(is_large=True)
    assert VendorDefinedRequest.parse(large.build()) == large


def test_set_certificate_keeps_the_whole_chain_structure() -> None:
    chain = bytes.fromhex("07000000 aabbcc")
    message = SetCertificate(version=SpdmVersion.V1_2, slot_id=1, chain_content=chain[4:])
    assert message.build()[4:] == chain == message.certificate_chain
    padded, size = SetCertificate.parse_prefix(message.build() + b"\0")
    assert (padded, size) == (message, 11)
    assert SetCertificate(version=SpdmVersion.V1_3, slot_id=1, erase=True).certificate_chain == b""


def test_what_the_reference_implementation_adds_to_key_pair_info_is_ignored() -> None:
    (_, _, _, raw) = next(item for item in recorded(CORPUS, "KeyPairInfo") if item.raw[0] == SpdmVersion.V1_4)
    info, size = KeyPairInfo.parse_prefix(raw)
    assert len(raw) - size == KEY_PAIR_INFO_EXCESS
    assert pqc_algorithms(info.pqc_asym_algo_capabilities) == (
        PqcAsymAlgo.ML_DSA_44 | PqcAsymAlgo.ML_DSA_65 | PqcAsymAlgo.ML_DSA_87
    )
    check_refused(KeyPairInfo, raw, size, "8 bytes left over")


@pytest.mark.parametrize(("field", "expected"), [(None, 0), (b"", 0), (b"\x01", 1), (b"\x02\0\0\0\xff\xff", 2)])
def test_post_quantum_algorithms_are_in_the_first_four_bytes(field: bytes | None, expected: int) -> None:
    assert pqc_algorithms(field) == expected


@pytest.mark.parametrize(
    ("version", "operation", "size"),
    [
        (SpdmVersion.V1_3, SetKeyPairInfoOperation.PARAMETER_CHANGE, 13),
        (SpdmVersion.V1_3, SetKeyPairInfoOperation.ERASE_KEY_PAIR, 5),
        (SpdmVersion.V1_3, SetKeyPairInfoOperation.GENERATE_KEY_PAIR, 13),
        (SpdmVersion.V1_4, SetKeyPairInfoOperation.PARAMETER_CHANGE, 18),
        (SpdmVersion.V1_4, SetKeyPairInfoOperation.ERASE_KEY_PAIR, 5),
        (SpdmVersion.V1_4, SetKeyPairInfoOperation.GENERATE_KEY_PAIR, 18),
    ],
)
def test_erasing_a_key_pair_needs_no_parameters(
    version: SpdmVersion, operation: SetKeyPairInfoOperation, size: int
) -> None:
    request = SetKeyPairInfo(version=version, operation=operation, key_pair_id=1)
    assert len(request.build()) == size
    check_wire(SetKeyPairInfo, request.build(), request)


GROUPS = EventGroups(
    groups=(
        EventGroup(event_group_id=Svh(registry_id=RegistryId.DMTF), event_types=(EventType(event_type_id=4),)),
        EventGroup(
            event_group_id=Svh(registry_id=RegistryId.PCI_SIG, vendor_id=b"\x01\0"),
            attributes=EventGroupAttributes.ALL_EVENT_TYPES,
        ),
    )
)


def test_event_groups_are_read_from_the_list() -> None:
    raw = GROUPS.build()
    assert GROUPS.given() == {"count": 2}
    supported = SupportedEventTypes(version=SpdmVersion.V1_3, event_group_count=2, supported_event_groups_list=raw)
    assert supported.event_groups() == GROUPS.groups
    subscribe = SubscribeEventTypes(version=SpdmVersion.V1_3, subscribe_event_group_count=2, subscribe_list=raw)
    assert subscribe.event_groups() == GROUPS.groups
    assert SubscribeEventTypes(version=SpdmVersion.V1_3).event_groups() == ()


def test_placeholder_event_groups_decode_as_bytes_only() -> None:
    message = SupportedEventTypes.parse(bytes.fromhex("13620100 08000000 0001020304050607"))
    with pytest.raises(SpdmDecodeError) as caught:
        message.event_groups()
    assert caught.value.offset == 0


def test_the_detail_of_a_dmtf_event_has_a_layout() -> None:
    dmtf = Svh(registry_id=RegistryId.DMTF)
    changed = Event(event_instance_id=1, event_group_id=dmtf, event_type_id=4, event_detail=b"\x03")
    assert changed.dmtf_detail() == CertificateChanged(certificate_changed=3)
    lost = changed.replace(event_type_id=1, event_detail=bytes.fromhex("0100000002000000"))
    assert lost.dmtf_detail() == EventLost(last_acked_event_inst_id=1, last_lost_event_inst_id=2)
    with pytest.raises(SpdmDecodeError):
        lost.replace(event_detail=b"\x03").dmtf_detail()
    foreign = changed.replace(event_group_id=Svh(registry_id=RegistryId.TCG, vendor_id=b"\0\0"))
    for event in (foreign, changed.replace(event_type_id=99)):
        assert not event.has_dmtf_detail
        with pytest.raises(ValueError, match="is not DMTF's"):
            event.dmtf_detail()


def test_the_structure_of_slot_management_may_stand_further_back() -> None:
    erase = ManageSlot(slot_address=SlotAddress(bank_id=1, slot_id=2))
    for offset in (MGMT_STRUCT_OFFSET, MGMT_STRUCT_OFFSET + 5):
        request = SlotManagement(
            version=SpdmVersion.V1_4,
            sub_code=SlotManagementSubCode.MANAGE_SLOT,
            mgmt_struct_offset=offset,
            structure=erase,
        )
        assert request.build()[offset:] == erase.build()
        check_wire(SlotManagement, request.build(), request)


def test_lengths_of_slot_management_fill_themselves() -> None:
    slots = tuple(SlotElement(slot_id=slot, digest=bytes(48)) for slot in range(2))
    details = BankDetails(bank_id=0, slot_elements=slots, current_pqc_asym_algo=b"", available_pqc_asym_algo=b"\x01")
    assert (details.resp_length, details.num_slot_elements, slots[0].element_length) == (36 + 1 + 2 * 64 - 5, 2, 64)
    info = BankInfo(bank_elements=(BankElement(bank_id=0), BankElement(bank_id=1, reserved=b"more")))
    assert (info.resp_length, info.num_bank_elements) == (20, 2)
    for sub_code, structure in (
        (SlotManagementSubCode.GET_BANK_DETAILS, details),
        (SlotManagementSubCode.GET_BANK_INFO, info),
    ):
        assert structure.resp_length == len(structure.build())
        response = SlotManagementResp(
            version=SpdmVersion.V1_4, sub_code=sub_code, mgmt_struct_offset=MGMT_STRUCT_OFFSET, structure=structure
        )
        assert SlotManagementResp.parse(response.build()) == response


def test_supported_sub_codes_are_a_bit_map() -> None:
    supported = SupportedSubCodes(sub_code_map=bytes.fromhex("1f00000007000080"))
    assert supported.resp_length == 36
    assert supported.sub_codes == (*list(SlotManagementSubCode), SlotManagementSubCode(63))
