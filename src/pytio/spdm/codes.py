"""Every number that an SPDM message carries, once; algorithms and capabilities have files of their own.

Document: DSP0274, the SPDM specification; DSP0277 for the secured-message elements. Members are spelled as the
specification spells them, in its order. Code spaces are open: a value of a later version keeps what it is. This file
knows no layout and no rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from pytio.wire import OpenEnum, WireFlag

__all__ = (
    "CERTIFICATE_SLOTS",
    "MAX_BANK_ID",
    "MAX_CERTIFICATE_CHAIN_BYTES",
    "MAX_CSR_TRACKING_TAG",
    "MAX_EXTENDED_ERROR_BYTES",
    "MAX_MEASUREMENT_RECORD_BYTES",
    "MAX_OPAQUE_BYTES",
    "MAX_SMALL_CERTIFICATE_CHAIN_BYTES",
    "MAX_VENDOR_ID_BYTES",
    "MIN_DATA_TRANSFER_BYTES",
    "NONCE_BYTES",
    "RAW_BIT_STREAM",
    "RAW_PUBLIC_KEY_SLOT",
    "RAW_PUBLIC_KEY_SLOT_NIBBLE",
    "REQUESTER_CONTEXT_BYTES",
    "VENDOR_ID_BYTES",
    "BankAttributes",
    "CertificateModel",
    "DeviceModes",
    "DmtfEventType",
    "EncapsulatedPayloadType",
    "EndSessionAttributes",
    "EndpointInfoSubCode",
    "EventGroupAttributes",
    "KeyPairCapabilities",
    "KeyUpdateOperation",
    "KeyUsage",
    "ManageBankOperation",
    "ManageSlotOperation",
    "MeasurementContentChanged",
    "MeasurementIndex",
    "MeasurementSummaryHashType",
    "MeasurementValueType",
    "MutAuthRequested",
    "OperationalModes",
    "RegistryId",
    "SessionPolicy",
    "SetKeyPairInfoOperation",
    "SlotAttributes",
    "SlotManagementSubCode",
    "SmDataId",
    "SpdmCode",
    "SpdmErrorCode",
    "SpdmVersion",
)

NONCE_BYTES: Final = 32
"""Nonces, and the random data of the key exchange."""
REQUESTER_CONTEXT_BYTES: Final = 8
"""RequesterContext, from 1.3."""
CERTIFICATE_SLOTS: Final = 8
"""Slots of one bank, numbered from 0."""
MAX_BANK_ID: Final = 239
"""SLOT_MANAGEMENT, from 1.4."""
RAW_PUBLIC_KEY_SLOT: Final = 0xFF
"""In a whole byte: no slot, but the public key that was provisioned out of band."""
RAW_PUBLIC_KEY_SLOT_NIBBLE: Final = 0xF
"""The same where the slot has four bits."""
MAX_OPAQUE_BYTES: Final = 1024
"""OpaqueData of any message."""
MIN_DATA_TRANSFER_BYTES: Final = 42
"""The least DataTransferSize, from 1.2."""
MAX_MEASUREMENT_RECORD_BYTES: Final = 0xFFFFFF
"""MeasurementRecord."""
MAX_SMALL_CERTIFICATE_CHAIN_BYTES: Final = 0xFFFF
"""Up to 1.3, and in 1.4 without the large form."""
MAX_CERTIFICATE_CHAIN_BYTES: Final = 0xFFFFFFFF
"""In the large form, from 1.4."""
MAX_CSR_TRACKING_TAG: Final = 7
"""Tags count from 1; 0 is none."""
MAX_EXTENDED_ERROR_BYTES: Final = 32
"""Extended error data."""
MAX_VENDOR_ID_BYTES: Final = 9
"""The longest of ``VENDOR_ID_BYTES``."""


class SpdmVersion(OpenEnum):
    """SPDMVersion: the major version in the high nibble, the minor in the low one."""

    V1_0 = 0x10
    V1_1 = 0x11
    V1_2 = 0x12
    V1_3 = 0x13
    V1_4 = 0x14


class SpdmCode(OpenEnum):
    """RequestResponseCode; bit 7 tells a request, and a request has the code of its response with that bit set."""

    DIGESTS = 0x01
    CERTIFICATE = 0x02
    CHALLENGE_AUTH = 0x03
    VERSION = 0x04
    CHUNK_SEND_ACK = 0x05
    CHUNK_RESPONSE = 0x06
    ENDPOINT_INFO = 0x07
    SLOT_MANAGEMENT_RESP = 0x08
    MEASUREMENTS = 0x60
    CAPABILITIES = 0x61
    SUPPORTED_EVENT_TYPES = 0x62
    ALGORITHMS = 0x63
    KEY_EXCHANGE_RSP = 0x64
    FINISH_RSP = 0x65
    PSK_EXCHANGE_RSP = 0x66
    PSK_FINISH_RSP = 0x67
    HEARTBEAT_ACK = 0x68
    KEY_UPDATE_ACK = 0x69
    ENCAPSULATED_REQUEST = 0x6A
    ENCAPSULATED_RESPONSE_ACK = 0x6B
    END_SESSION_ACK = 0x6C
    CSR = 0x6D
    SET_CERTIFICATE_RSP = 0x6E
    MEASUREMENT_EXTENSION_LOG = 0x6F
    SUBSCRIBE_EVENT_TYPES_ACK = 0x70
    EVENT_ACK = 0x71
    KEY_PAIR_INFO = 0x7C
    SET_KEY_PAIR_INFO_ACK = 0x7D
    VENDOR_DEFINED_RESPONSE = 0x7E
    ERROR = 0x7F
    GET_DIGESTS = 0x81
    GET_CERTIFICATE = 0x82
    CHALLENGE = 0x83
    GET_VERSION = 0x84
    CHUNK_SEND = 0x85
    CHUNK_GET = 0x86
    GET_ENDPOINT_INFO = 0x87
    SLOT_MANAGEMENT = 0x88
    GET_MEASUREMENTS = 0xE0
    GET_CAPABILITIES = 0xE1
    GET_SUPPORTED_EVENT_TYPES = 0xE2
    NEGOTIATE_ALGORITHMS = 0xE3
    KEY_EXCHANGE = 0xE4
    FINISH = 0xE5
    PSK_EXCHANGE = 0xE6
    PSK_FINISH = 0xE7
    HEARTBEAT = 0xE8
    KEY_UPDATE = 0xE9
    GET_ENCAPSULATED_REQUEST = 0xEA
    DELIVER_ENCAPSULATED_RESPONSE = 0xEB
    END_SESSION = 0xEC
    GET_CSR = 0xED
    SET_CERTIFICATE = 0xEE
    GET_MEASUREMENT_EXTENSION_LOG = 0xEF
    SUBSCRIBE_EVENT_TYPES = 0xF0
    SEND_EVENT = 0xF1
    GET_KEY_PAIR_INFO = 0xFC
    SET_KEY_PAIR_INFO = 0xFD
    VENDOR_DEFINED_REQUEST = 0xFE
    RESPOND_IF_READY = 0xFF

    @property
    def is_request(self) -> bool:
        """Whether bit 7, which marks requests, is set."""
        return bool(self & _REQUEST_BIT)


_REQUEST_BIT: Final = 0x80


class SpdmErrorCode(OpenEnum):
    """Error code: param1 of ERROR."""

    INVALID_REQUEST = 0x01
    INVALID_SESSION = 0x02  #: not defined by the specification any more; the reference implementation has a name for it
    BUSY = 0x03
    UNEXPECTED_REQUEST = 0x04
    UNSPECIFIED = 0x05
    DECRYPT_ERROR = 0x06
    UNSUPPORTED_REQUEST = 0x07  #: error data is the request code
    REQUEST_IN_FLIGHT = 0x08
    INVALID_RESPONSE_CODE = 0x09
    SESSION_LIMIT_EXCEEDED = 0x0A
    SESSION_REQUIRED = 0x0B
    RESET_REQUIRED = 0x0C  #: error data is the CSR tracking tag (1.3)
    RESPONSE_TOO_LARGE = 0x0D  #: extended data is the size
    REQUEST_TOO_LARGE = 0x0E
    LARGE_RESPONSE = 0x0F  #: extended data is the handle for CHUNK_GET
    MESSAGE_LOST = 0x10
    INVALID_POLICY = 0x11
    DATA_TOO_LARGE = 0x12  #: extended data is the length of the certificate chain
    VERSION_MISMATCH = 0x41
    RESPONSE_NOT_READY = 0x42  #: extended data says when and how to ask again
    REQUEST_RESYNCH = 0x43
    OPERATION_FAILED = 0x44
    NO_PENDING_REQUESTS = 0x45
    REQUEST_SESSION_TERMINATED = 0x46
    INVALID_STATE = 0x47
    VENDOR_DEFINED = 0xFF  #: error data is the registry id


class RegistryId(OpenEnum):
    """Registry or standards body ID: who assigns the vendor id that follows."""

    DMTF = 0x0
    TCG = 0x1
    USB = 0x2
    PCI_SIG = 0x3
    IANA = 0x4
    HDBASET = 0x5
    MIPI = 0x6
    CXL = 0x7
    JEDEC = 0x8
    VESA = 0x9
    IANA_CBOR = 0xA
    DMTF_DSP = 0xB


VENDOR_ID_BYTES: Final[Mapping[RegistryId, tuple[int, ...]]] = {
    RegistryId.DMTF: (0,),
    RegistryId.TCG: (2,),
    RegistryId.USB: (2,),
    RegistryId.PCI_SIG: (2,),
    RegistryId.IANA: (4,),
    RegistryId.HDBASET: (4,),
    RegistryId.MIPI: (2,),
    RegistryId.CXL: (2,),
    RegistryId.JEDEC: (2,),
    RegistryId.VESA: (0,),
    RegistryId.IANA_CBOR: (1, 2, 3, 5, 9),
    RegistryId.DMTF_DSP: (2,),
}
"""The legal lengths of a vendor id, by registry."""


class CertificateModel(OpenEnum):
    """CertModel, three bits of CertificateInfo: what the leaf certificate of a slot stands for (1.3)."""

    NONE = 0  #: no certificate, or no information
    DEVICE_CERT = 1
    ALIAS_CERT = 2
    GENERIC_CERT = 3


class KeyUsage(WireFlag):
    """KeyUsageMask: what a key pair, or the key of a slot, may sign (1.3)."""

    KEY_EX_USE = 1 << 0
    CHALLENGE_USE = 1 << 1
    MEASUREMENT_USE = 1 << 2
    ENDPOINT_INFO_USE = 1 << 3
    STANDARDS_KEY_USE = 1 << 14
    VENDOR_KEY_USE = 1 << 15


class MeasurementSummaryHashType(OpenEnum):
    """Measurement summary hash type: param2 of CHALLENGE, param1 of KEY_EXCHANGE and PSK_EXCHANGE."""

    NONE = 0x00
    TCB = 0x01
    ALL = 0xFF


class MeasurementIndex(IntEnum):
    """The measurement indices with a meaning; the others, from 1, are the device's own."""

    TOTAL_NUMBER = 0x00  #: in a request only: how many there are
    MEASUREMENT_MANIFEST = 0xFD
    DEVICE_MODE = 0xFE
    ALL = 0xFF  #: in a request only: all of them


class MeasurementValueType(OpenEnum):
    """DMTFSpecMeasurementValueType, bits 6:0."""

    IMMUTABLE_ROM = 0
    MUTABLE_FIRMWARE = 1
    HARDWARE_CONFIGURATION = 2
    FIRMWARE_CONFIGURATION = 3
    FREEFORM_MANIFEST = 4
    DEVICE_MODE = 5
    FIRMWARE_VERSION = 6
    SECURE_VERSION_NUMBER = 7
    HASH_EXTEND = 8
    INFORMATIONAL = 9
    STRUCTURED_MANIFEST = 10


RAW_BIT_STREAM: Final = 0x80
"""Bit 7 beside DMTFSpecMeasurementValueType: the value is the measured data, not their digest."""


class MeasurementContentChanged(OpenEnum):
    """Content changed, two bits of MEASUREMENTS: whether measurements changed during the exchange (1.2)."""

    NOT_DETECTED = 0  #: the responder does not detect changes, or the response is not signed
    CHANGED = 1
    NO_CHANGE = 2


class OperationalModes(WireFlag):
    """Operational modes of a device, capable or current."""

    MANUFACTURING = 1 << 0
    VALIDATION = 1 << 1
    NORMAL = 1 << 2
    RECOVERY = 1 << 3
    RMA = 1 << 4
    DECOMMISSIONED = 1 << 5


class DeviceModes(WireFlag):
    """Device modes, capable or current: who may look into the device now, and who could before."""

    NON_INVASIVE_DEBUG_ACTIVE = 1 << 0
    INVASIVE_DEBUG_ACTIVE = 1 << 1
    NON_INVASIVE_DEBUG_HAS_BEEN_ACTIVE = 1 << 2
    INVASIVE_DEBUG_HAS_BEEN_ACTIVE = 1 << 3
    INVASIVE_DEBUG_HAS_BEEN_ACTIVE_AFTER_MANUFACTURING = 1 << 4


class SessionPolicy(WireFlag):
    """SessionPolicy of KEY_EXCHANGE and PSK_EXCHANGE, from 1.2."""

    TERMINATION_POLICY = 1 << 0  #: SPDM_U4: which value ends the session is not settled; passed through
    EVENT_ALL_POLICY = 1 << 1


class MutAuthRequested(WireFlag):
    """MutAuthRequested of KEY_EXCHANGE_RSP: how the requester shall authenticate, at most one of the three."""

    # SPDM_U6: the reference implementation treats these bits as exclusive values; nobody is to emit two of them.
    MUT_AUTH_REQUESTED = 1 << 0
    MUT_AUTH_REQUESTED_WITH_ENCAP_REQUEST = 1 << 1
    MUT_AUTH_REQUESTED_WITH_GET_DIGESTS = 1 << 2


class KeyUpdateOperation(OpenEnum):
    """Key operation: param1 of KEY_UPDATE and KEY_UPDATE_ACK."""

    UPDATE_KEY = 1
    UPDATE_ALL_KEYS = 2
    VERIFY_NEW_KEY = 3


class EndSessionAttributes(WireFlag):
    """Attributes: param1 of END_SESSION."""

    NEGOTIATED_STATE_PRESERVATION_INDICATOR = 1 << 0  #: set to have the responder clear what was negotiated


class EncapsulatedPayloadType(OpenEnum):
    """Payload type: param2 of ENCAPSULATED_RESPONSE_ACK."""

    ABSENT = 0
    PRESENT = 1
    REQ_SLOT_NUMBER = 2


class EndpointInfoSubCode(OpenEnum):
    """SubCode: param1 of GET_ENDPOINT_INFO (1.3)."""

    DEVICE_CLASS_IDENTIFIER = 1


class EventGroupAttributes(WireFlag):
    """Attributes of an event group (1.3)."""

    ALL_EVENT_TYPES = 1 << 0


class DmtfEventType(OpenEnum):
    """EventTypeID of the DMTF event group (1.3)."""

    EVENT_LOST = 1
    MEASUREMENT_CHANGED = 2
    MEASUREMENT_PRE_UPDATE = 3
    CERTIFICATE_CHANGED = 4


class KeyPairCapabilities(WireFlag):
    """Capabilities of KEY_PAIR_INFO: what SET_KEY_PAIR_INFO may change (1.3)."""

    GEN_KEY_CAP = 1 << 0
    ERASABLE_CAP = 1 << 1
    CERT_ASSOC_CAP = 1 << 2
    KEY_USAGE_CAP = 1 << 3
    ASYM_ALGO_CAP = 1 << 4
    SHAREABLE_CAP = 1 << 5


class SetKeyPairInfoOperation(OpenEnum):
    """Operation: param1 of SET_KEY_PAIR_INFO (1.3)."""

    PARAMETER_CHANGE = 0
    ERASE_KEY_PAIR = 1
    GENERATE_KEY_PAIR = 2


class SlotManagementSubCode(OpenEnum):
    """SubCode: param1 of SLOT_MANAGEMENT and SLOT_MANAGEMENT_RESP (1.4)."""

    # SPDM_U1: everything about SLOT_MANAGEMENT comes from proposals to the reference implementation.
    SUPPORTED_SUB_CODES = 0x00
    GET_BANK_INFO = 0x01
    GET_BANK_DETAILS = 0x02
    GET_CERTIFICATE_CHAIN = 0x03
    GET_CSR = 0x04
    MANAGE_BANK = 0x20
    MANAGE_SLOT = 0x21
    SET_CERTIFICATE = 0x22


class ManageBankOperation(OpenEnum):
    """Operation of SLOT_MANAGEMENT ManageBank."""

    CONFIG_ALGO = 1


class ManageSlotOperation(OpenEnum):
    """Operation of SLOT_MANAGEMENT ManageSlot."""

    ERASE = 1


class BankAttributes(WireFlag):
    """BankAttributes of SLOT_MANAGEMENT GetBankDetails."""

    SELECTED = 1 << 0
    ALGORITHM_CONFIGURABLE = 1 << 1


class SlotAttributes(WireFlag):
    """SlotAttributes of SLOT_MANAGEMENT GetBankDetails."""

    PROVISIONED = 1 << 0
    WRITE_PROTECTED = 1 << 1


class SmDataId(OpenEnum):
    """SMDataID of a secured-message opaque element (DSP0277)."""

    VERSION_SELECTION = 0
    SUPPORTED_VERSION_LIST = 1
    AEAD_LIMIT = 2
