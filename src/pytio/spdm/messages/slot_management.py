"""SLOT_MANAGEMENT and SLOT_MANAGEMENT_RESP: one request for all that can be done with slots and banks (from 1.4).

SPDM_U1: everything in this file, numbers in `pytio.spdm.codes` aside, comes from proposals to the reference
implementation that agree with one another; DSP0274 1.4 defines the messages. KeyPairID in `SetSlotCertificate` was
disputed there.

A message is a header, and at the offset that the header names (normally right behind it) a structure that its SubCode
chooses. Offset 0 means that there is none.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from pytio.spdm.algorithms import KeyPairAsymAlgo
from pytio.spdm.codes import (
    BankAttributes,
    CertificateModel,
    KeyUsage,
    ManageBankOperation,
    ManageSlotOperation,
    SlotAttributes,
    SlotManagementSubCode,
    SpdmCode,
    SpdmVersion,
)
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage, SpdmStruct
from pytio.wire import (
    AUTO,
    REST,
    U16,
    U32,
    Array,
    Bit,
    Bits,
    Byte,
    Bytes,
    Flags,
    Nested,
    OpenCode,
    Switch,
    Within,
    computed,
    fixed,
    message,
    this,
    wire,
)

__all__ = (
    "MGMT_STRUCT_OFFSET",
    "BankDetails",
    "BankElement",
    "BankInfo",
    "ManageBank",
    "ManageSlot",
    "RequestStructure",
    "ResponseStructure",
    "SetSlotCertificate",
    "SlotAddress",
    "SlotCertificateChain",
    "SlotCsr",
    "SlotCsrRequest",
    "SlotElement",
    "SlotManagement",
    "SlotManagementResp",
    "SupportedSubCodes",
)

MGMT_STRUCT_OFFSET: Final = 8
"""Where the structure begins when it follows the header at once; in bytes from the start of the message."""

_SLOT_ADDRESS_BYTES: Final = 8
_SUB_CODE_MAP_BYTES: Final = 8
_SUPPORTED_SUB_CODES_BYTES: Final = 12
_SUPPORTED_SUB_CODES_RESERVED_BYTES: Final = 24
_BANK_INFO_BYTES: Final = 8
_BANK_ELEMENT_BYTES: Final = 4
_BANK_DETAILS_BYTES: Final = 27
_SLOT_ELEMENT_BYTES: Final = 16
_PQC_BYTES: Final = 4


def _gap_bytes(offset: int) -> int:
    """Return the bytes between the header and the structure; negative, so malformed, where they overlap."""
    return offset - MGMT_STRUCT_OFFSET if offset else 0


@message
class SlotAddress(SpdmStruct):
    """SlotAddress: which slot of which bank."""

    req_length: int = wire(U16, default=_SLOT_ADDRESS_BYTES)
    reserved: int = wire(U16, default=0)
    bank_id: int = wire(Byte)
    slot_id: int = wire(Bits(4), default=0)
    reserved_slot: int = wire(Bits(4), default=0)
    reserved2: int = wire(U16, default=0)


@message
class SlotCsrRequest(SpdmStruct):
    """Request structure of GetCSR; as GET_CSR, for one slot."""

    slot_address: SlotAddress = wire(Nested(SlotAddress))
    key_pair_id: int = wire(Byte, default=0)
    certificate_model: CertificateModel = wire(Bits(3, CertificateModel), default=CertificateModel.NONE)
    csr_tracking_tag: int = wire(Bits(3), default=0)
    reserved_attributes: int = wire(Bits(1), default=0)
    overwrite: bool = wire(Bit, default=False)
    reserved: int = wire(U16, default=0)
    requester_info_length: int = wire(U16, default=AUTO)
    opaque_data_length: int = wire(U16, default=AUTO)
    requester_info: bytes = wire(Bytes(this.requester_info_length), default=b"")
    opaque_data: bytes = wire(Bytes(this.opaque_data_length), default=b"")


@message
class ManageBank(SpdmStruct):
    """Request structure of ManageBank: choose the algorithm of a bank."""

    slot_address: SlotAddress = wire(Nested(SlotAddress))
    operation: ManageBankOperation = wire(OpenCode(Byte, ManageBankOperation), default=ManageBankOperation.CONFIG_ALGO)
    reserved: bytes = wire(Bytes(3), default=bytes(3))
    select_asym_algo: KeyPairAsymAlgo = wire(Flags(U32, KeyPairAsymAlgo), default=KeyPairAsymAlgo(0))
    select_pqc_asym_algo_len: int = wire(Byte, default=AUTO)
    select_pqc_asym_algo: bytes = wire(Bytes(this.select_pqc_asym_algo_len), default=bytes(_PQC_BYTES))
    """For `pytio.spdm.messages.key_pair.pqc_algorithms`."""


@message
class ManageSlot(SpdmStruct):
    """Request structure of ManageSlot: erase the certificate chain of a slot."""

    slot_address: SlotAddress = wire(Nested(SlotAddress))
    operation: ManageSlotOperation = wire(OpenCode(Byte, ManageSlotOperation), default=ManageSlotOperation.ERASE)
    reserved: bytes = wire(Bytes(3), default=bytes(3))


@message
class SetSlotCertificate(SpdmStruct):
    """Request structure of SetCertificate; as SET_CERTIFICATE, for one slot of one bank."""

    slot_address: SlotAddress = wire(Nested(SlotAddress))
    cert_length: int = wire(U32, default=AUTO)
    certificate_model: CertificateModel = wire(Bits(3, CertificateModel), default=CertificateModel.NONE)
    reserved_attributes: int = wire(Bits(5), default=0)
    key_pair_id: int = wire(Byte, default=0)
    reserved: int = wire(U16, default=0)
    certificate_chain: bytes = wire(Bytes(this.cert_length))
    """The whole chain structure, its own length first."""


@message
class SupportedSubCodes(SpdmStruct):
    """Response structure of SupportedSubCodes."""

    resp_length: int = wire(U16, default=AUTO)
    reserved: int = wire(U16, default=0)
    sub_code_map: bytes = wire(Bytes(_SUB_CODE_MAP_BYTES))
    """Bit n of byte m: SubCode 8 m + n."""
    reserved2: bytes = wire(
        Bytes(this.resp_length - _SUPPORTED_SUB_CODES_BYTES), default=bytes(_SUPPORTED_SUB_CODES_RESERVED_BYTES)
    )

    @property
    def sub_codes(self) -> tuple[SlotManagementSubCode, ...]:
        """The SubCodes that are supported, ascending."""
        bits = int.from_bytes(self.sub_code_map, "little")
        return tuple(SlotManagementSubCode(code) for code in range(bits.bit_length()) if bits >> code & 1)


@message
class BankElement(SpdmStruct):
    """One bank in BankInfo."""

    element_length: int = wire(Byte, default=AUTO)
    bank_id: int = wire(Byte)
    slot_mask: int = wire(Byte, default=0)
    modifiable_slot_mask: int = wire(Byte, default=0)
    reserved: bytes = wire(Bytes(this.element_length - _BANK_ELEMENT_BYTES), default=b"")
    """What a later version may add."""


@message
class BankInfo(SpdmStruct):
    """Response structure of GetBankInfo."""

    resp_length: int = wire(U16, default=AUTO)
    reserved: int = wire(U16, default=0)
    num_bank_elements: int = wire(Byte, default=AUTO)
    reserved2: bytes = wire(Bytes(3), default=bytes(3))
    bank_elements: tuple[BankElement, ...] = wire(
        Within(this.resp_length - _BANK_INFO_BYTES, Array(this.num_bank_elements, Nested(BankElement)))
    )


@message
class SlotElement(SpdmStruct):
    """One slot in BankDetails."""

    element_length: int = wire(U16, default=AUTO)
    slot_id: int = wire(Byte)
    reserved: int = wire(Byte, default=0)
    slot_attributes: SlotAttributes = wire(Flags(Byte, SlotAttributes), default=SlotAttributes(0))
    key_pair_id: int = wire(Byte, default=0)
    certificate_model: CertificateModel = wire(Bits(3, CertificateModel), default=CertificateModel.NONE)
    reserved_certificate_info: int = wire(Bits(5), default=0)
    reserved2: int = wire(Byte, default=0)
    key_usage: KeyUsage = wire(Flags(U16, KeyUsage), default=KeyUsage(0))
    reserved3: int = wire(U16, default=0)
    slot_size: int = wire(U32, default=0)
    """Bytes that the slot can hold."""
    digest: bytes = wire(Bytes(this.element_length - _SLOT_ELEMENT_BYTES))
    """Of the certificate chain structure; zero bytes where there is none."""


@message
class BankDetails(SpdmStruct):
    """Response structure of GetBankDetails."""

    resp_length: int = wire(U16, default=AUTO)
    bank_id: int = wire(Byte)
    reserved: int = wire(Byte, default=0)
    num_slot_elements: int = wire(U16, default=AUTO)
    bank_attributes: BankAttributes = wire(Flags(Byte, BankAttributes), default=BankAttributes(0))
    reserved2: int = wire(Byte, default=0)
    asym_algo_capabilities: KeyPairAsymAlgo = wire(Flags(U32, KeyPairAsymAlgo), default=KeyPairAsymAlgo(0))
    current_asym_algo: KeyPairAsymAlgo = wire(Flags(U32, KeyPairAsymAlgo), default=KeyPairAsymAlgo(0))
    available_asym_algo: KeyPairAsymAlgo = wire(Flags(U32, KeyPairAsymAlgo), default=KeyPairAsymAlgo(0))
    pqc_asym_algo_cap_len: int = wire(Byte, default=AUTO)
    pqc_asym_algo_capabilities: bytes = wire(Bytes(this.pqc_asym_algo_cap_len), default=bytes(_PQC_BYTES))
    current_pqc_asym_algo_len: int = wire(Byte, default=AUTO)
    current_pqc_asym_algo: bytes = wire(Bytes(this.current_pqc_asym_algo_len), default=bytes(_PQC_BYTES))
    available_pqc_asym_algo_len: int = wire(Byte, default=AUTO)
    available_pqc_asym_algo: bytes = wire(Bytes(this.available_pqc_asym_algo_len), default=bytes(_PQC_BYTES))
    reserved3: int = wire(U32, default=0)
    slot_elements: tuple[SlotElement, ...] = wire(
        Within(
            this.resp_length
            - this.pqc_asym_algo_cap_len
            - this.current_pqc_asym_algo_len
            - this.available_pqc_asym_algo_len
            - _BANK_DETAILS_BYTES,
            Array(this.num_slot_elements, Nested(SlotElement)),
        ),
        default=(),
    )


@message
class SlotCertificateChain(SpdmStruct):
    """Response structure of GetCertificateChain."""

    cc_length: int = wire(U32, default=AUTO)
    reserved: int = wire(U32, default=0)
    certificate_chain: bytes = wire(Bytes(this.cc_length))
    """The whole chain structure, its own length first."""


@message
class SlotCsr(SpdmStruct):
    """Response structure of GetCSR."""

    csr_length: int = wire(U32, default=AUTO)
    reserved: int = wire(U32, default=0)
    csr: bytes = wire(Bytes(this.csr_length))
    """DER: PKCS #10."""


RequestStructure: TypeAlias = SlotAddress | SlotCsrRequest | ManageBank | ManageSlot | SetSlotCertificate | bytes
"""What SLOT_MANAGEMENT holds, by SubCode; bytes where the SubCode is unknown or has no structure."""
ResponseStructure: TypeAlias = SupportedSubCodes | BankInfo | BankDetails | SlotCertificateChain | SlotCsr | bytes
"""What SLOT_MANAGEMENT_RESP holds, by SubCode; bytes where the SubCode is unknown or has no structure."""


@message
class SlotManagement(SpdmMessage):
    """SLOT_MANAGEMENT: ask about slots and banks, or change them (DSP0274, SLOT_MANAGEMENT)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.SLOT_MANAGEMENT)
    sub_code: SlotManagementSubCode = wire(OpenCode(Byte, SlotManagementSubCode))
    reserved_param2: int = wire(Byte, default=0)
    mgmt_struct_offset: int = wire(U16, default=0)
    """Bytes from the start of the message to the structure; 0 without one."""
    reserved: int = wire(U16, default=0)
    reserved_gap: bytes = wire(Bytes(computed(_gap_bytes, this.mgmt_struct_offset)), default=AUTO)
    structure: RequestStructure | None = wire(
        Switch(
            this.sub_code,
            {
                SlotManagementSubCode.GET_BANK_DETAILS: Nested(SlotAddress),
                SlotManagementSubCode.GET_CERTIFICATE_CHAIN: Nested(SlotAddress),
                SlotManagementSubCode.GET_CSR: Nested(SlotCsrRequest),
                SlotManagementSubCode.MANAGE_BANK: Nested(ManageBank),
                SlotManagementSubCode.MANAGE_SLOT: Nested(ManageSlot),
                SlotManagementSubCode.SET_CERTIFICATE: Nested(SetSlotCertificate),
            },
            default=Bytes(REST),
        ),
        when=this.mgmt_struct_offset,
        default=None,
    )


@message
class SlotManagementResp(SpdmMessage):
    """SLOT_MANAGEMENT_RESP: what was asked for, or that it is done (DSP0274, SLOT_MANAGEMENT_RESP)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.SLOT_MANAGEMENT_RESP)
    sub_code: SlotManagementSubCode = wire(OpenCode(Byte, SlotManagementSubCode))
    reserved_param2: int = wire(Byte, default=0)
    mgmt_struct_offset: int = wire(U16, default=0)
    """Bytes from the start of the message to the structure; 0 without one."""
    reserved: int = wire(U16, default=0)
    reserved_gap: bytes = wire(Bytes(computed(_gap_bytes, this.mgmt_struct_offset)), default=AUTO)
    structure: ResponseStructure | None = wire(
        Switch(
            this.sub_code,
            {
                SlotManagementSubCode.SUPPORTED_SUB_CODES: Nested(SupportedSubCodes),
                SlotManagementSubCode.GET_BANK_INFO: Nested(BankInfo),
                SlotManagementSubCode.GET_BANK_DETAILS: Nested(BankDetails),
                SlotManagementSubCode.GET_CERTIFICATE_CHAIN: Nested(SlotCertificateChain),
                SlotManagementSubCode.GET_CSR: Nested(SlotCsr),
            },
            default=Bytes(REST),
        ),
        when=this.mgmt_struct_offset,
        default=None,
    )
