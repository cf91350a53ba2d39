"""What the reference decoder prints of a message, taken from pytio's message: one table, one entry for each field.

Bytes become ``"<length>:<first 8 hex digits of their SHA-256>"``, as in the reference.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from pytio.capture import Layer, Record
from pytio.spdm.messages.measurement_log import DmtfMeasurementExtensionLog
from pytio.spdm.messages.measurements import DeviceMode, MeasurementBlock
from pytio.spdm.opaque import SecuredMessageElement, parse_opaque, parse_opaque_element
from pytio.tdisp import InterfaceReport
from pytio.wire import WireStruct

Fields = dict[str, Any]
Taker = str | Callable[[Any], Any]

CARRIERS: Final = {"mctp", "secured"}


def digest(raw: bytes) -> str:
    """Return what stands for bytes in the reference."""
    return f"{len(raw)}:{hashlib.sha256(raw).hexdigest()[:8]}"


def bits(*names: str | None) -> Callable[[Any], int]:
    """Return a taker that puts boolean fields together, lowest bit first; None is a bit without a field."""

    def take(message: Any) -> int:
        return sum(getattr(message, name) << shift for shift, name in enumerate(names) if name)

    return take


def algorithm(alg_type: int) -> Callable[[Any], int]:
    """Return a taker of one algorithm structure's choice."""

    def take(message: Any) -> int:
        [found] = [entry.alg_supported for entry in message.alg_structures if entry.alg_type == alg_type]
        return int(found)

    return take


def secured_versions(message: Any) -> list[str]:
    """Return the versions of secured messages in opaque data."""
    table = parse_opaque(message.opaque_data, message.version)
    assert not isinstance(table, bytes)
    found = []
    for element in table.elements:
        parsed = parse_opaque_element(element)
        assert isinstance(parsed, SecuredMessageElement)
        content: Any = parsed.content
        found += [str(entry) for entry in getattr(content, "versions", [content])]
    return found


def block(part: MeasurementBlock) -> Fields:
    """Return a measurement block."""
    measurement: Any = part.measurement
    value = measurement.value
    raw = measurement.build()[3:]
    fields: Fields = {
        "CommonHeader.Index": part.index,
        "CommonHeader.MeasSpec": int(part.measurement_specification),
        "CommonHeader.size": part.measurement_size,
        "DmtfHeader.Type": measurement.value_type | measurement.is_raw_bit_stream << 7,
        "DmtfHeader.Size": measurement.value_size,
        "Value": digest(raw),
    }
    if isinstance(value, int):
        fields["Svn"] = value
    if isinstance(value, DeviceMode):
        fields["DeviceMode.OpCap"] = int(value.operational_mode_capabilities)
        fields["DeviceMode.OpStat"] = int(value.operational_mode_state)
        fields["DeviceMode.ModCap"] = int(value.device_mode_capabilities)
        fields["DeviceMode.ModStat"] = int(value.device_mode_state)
    return fields


def mel_entries(message: Any) -> list[Fields]:
    """Return the entries of a measurement extension log that came in one part."""
    return [
        {
            "MelIndex": entry.mel_index,
            "MeasIndex": entry.measurement_index,
            "Value": digest(entry.measurement.build()[3:]),
        }
        for entry in mel(message).mel_entries
    ]


def mel(message: Any) -> DmtfMeasurementExtensionLog:
    """Return the measurement extension log of a message that holds all of it."""
    return DmtfMeasurementExtensionLog.parse(message.mel)


def either(small: str, large: str) -> Callable[[Any], int]:
    """Return a taker of a number that stands in one of two fields."""
    return lambda message: int(getattr(message, large, None) or getattr(message, small))


def chain_hash(message: Any) -> bytes:
    """Return the root's hash in a chain; its size is that of the leaf's, told by where the first certificate begins."""
    chain: bytes = message.cert_chain
    return chain[4 : chain.index(b"\x30\x82")]


COMMON: Final[Mapping[str, Taker]] = {
    "AckReqID": "ack_request_id",
    "Context": lambda message: getattr(message, "requester_context", None) or message.responder_context,
    "ExchangeData": "exchange_data",
    "Handle": "handle",
    "HashType": "measurement_summary_hash_type",
    "Heart": "heartbeat_period_s",
    "KeyOp": "key_operation",
    "KeyPairID": "key_pair_id",
    "Length": either("length", "large_length"),
    "MeasurementSummaryHash": "measurement_summary_hash",
    "Nonce": "nonce",
    "Offset": either("offset", "large_offset"),
    "OpaqueData": "opaque_data",
    "RandomData": "random_data",
    "ReqContext": "requester_context",
    "ReqID": "request_id",
    "ReqSessionID": "req_session_id",
    "ReqSlotID": "req_slot_id",
    "RspSessionID": "rsp_session_id",
    "Signature": "signature",
    "SlotID": "slot_id",
    "SUPPORTED_VERSION": secured_versions,
    "Tag": "tag",
    "VERSION_SELECTION": secured_versions,
    "VerifyData": lambda message: getattr(message, "requester_verify_data", None) or message.responder_verify_data,
}

CAPABILITIES: Final[Mapping[str, Taker]] = {
    "Flags": "flags",
    "CTExponent": "ct_exponent",
    "ExtFlags": "ext_flags",
    "DataTransSize": "data_transfer_size",
    "MaxSpdmMsgSize": "max_spdm_msg_size",
}
STRUCTURES: Final[Mapping[str, Taker]] = {
    "DHE": algorithm(2),
    "AEAD": algorithm(3),
    "ReqAsym": algorithm(4),
    "KeySchedule": algorithm(5),
    "ReqPqcAsym": algorithm(6),
    "KEM": algorithm(7),
}
CHUNK: Final[Mapping[str, Taker]] = {
    "Attr": bits("last_chunk"),
    "ChunkSeqNo": "chunk_seq_no",
    "ChunkSize": "chunk_size",
    "LargeMsgSize": "large_message_size",
}
VENDOR: Final[Mapping[str, Taker]] = {
    "StandID": "standard_id",
    "vendor_id": lambda message: int.from_bytes(message.vendor_id, "little"),
    "LargeReq": lambda message: message.is_large << 7,
}

SPDM: Final[Mapping[str, Mapping[str, Taker]]] = {
    "VERSION": {"Versions": lambda message: [str(entry) for entry in message.version_number_entries]},
    "GET_CAPABILITIES": CAPABILITIES,
    "CAPABILITIES": CAPABILITIES,
    "NEGOTIATE_ALGORITHMS": {
        **STRUCTURES,
        "MeasSpec": "measurement_specification",
        "OtherParam": "other_params_support",
        "Hash": "base_hash_algo",
        "Asym": "base_asym_algo",
        "PqcAsym": "pqc_asym_algo",
        "MelSpec": "mel_specification",
        "ext_hash_count": "ext_hash_count",
        "ext_asym_count": "ext_asym_count",
    },
    "ALGORITHMS": {
        **STRUCTURES,
        "MeasSpec": "measurement_specification_sel",
        "OtherParam": "other_params_selection",
        "Hash": "base_hash_sel",
        "MeasHash": "measurement_hash_algo",
        "Asym": "base_asym_sel",
        "PqcAsym": "pqc_asym_sel",
        "MelSpec": "mel_specification_sel",
        "ExtHashCount": "ext_hash_sel_count",
        "ExtAsymCount": "ext_asym_sel_count",
    },
    "DIGESTS": {
        "SupportedSlotMask": "supported_slot_mask",
        "ProvisionedSlotMask": "provisioned_slot_mask",
        "Digests": lambda message: [digest(entry) for entry in message.digests],
        "KeyPairId": lambda message: list(message.key_pair_ids),
        "CertInfo": lambda message: [int(info.certificate_model) for info in message.certificate_info],
        "KeyUsage": lambda message: [int(mask) for mask in message.key_usage_masks],
    },
    "GET_CERTIFICATE": {"LargeCert": lambda message: message.large_cert_chain << 7, "Attr": "slot_size_requested"},
    "CERTIFICATE": {
        "LargeCert": lambda message: message.large_cert_chain << 7,
        "Attr": "certificate_model",
        "PortLen": either("portion_length", "large_portion_length"),
        "RemLen": either("remainder_length", "large_remainder_length"),
        "SpdmCertChainSize": lambda message: int.from_bytes(message.cert_chain[:4], "little"),
        "RootHash": chain_hash,
        "CertChain": lambda message: message.cert_chain[4 + len(chain_hash(message)) :],
    },
    "CHALLENGE_AUTH": {
        "Attr": lambda message: message.slot_id | message.basic_mut_auth_req << 7,
        "SlotMask": "slot_mask",
        "CertChainHash": "cert_chain_hash",
    },
    "GET_MEASUREMENTS": {
        "Attr": bits("signature_requested", "raw_bit_stream_requested", "new_measurement_requested"),
        "MeasOp": "measurement_operation",
        "SlotID": lambda message: message.slot_id_param.slot_id,
    },
    "MEASUREMENTS": {
        "TotalMeasIndex": "total_number_of_measurements",
        "NumOfBlocks": "number_of_blocks",
        "MeasRecordLen": "measurement_record_length",
        "ContentChange": lambda message: message.content_changed << 4,
        "MeasurementRecord": lambda message: b"".join(part.build() for part in message.measurement_record),
        "Blocks": lambda message: [block(part) for part in message.measurement_record],
    },
    "MEASUREMENT_EXTENSION_LOG": {
        "PortLen": "portion_length",
        "RemLen": "remainder_length",
        "SpdmMelNumber": lambda message: mel(message).number_of_entries,
        "SpdmMelTotalLen": lambda message: mel(message).mel_entries_length,
        "MelEntries": mel_entries,
    },
    "KEY_EXCHANGE": {"Policy": "session_policy"},
    "KEY_EXCHANGE_RSP": {"MutAuth": "mut_auth_requested", "ReqSlotID": "req_slot_id"},
    "FINISH": {"Attr": bits("signature_included")},
    "PSK_EXCHANGE": {"Policy": "session_policy", "PSKHint": "psk_hint"},
    "END_SESSION": {"Attr": "attributes"},
    "ERROR": {"ErrCode": "error_code", "ErrData": "error_data"},
    "CHUNK_SEND": CHUNK,
    "CHUNK_SEND_ACK": {**CHUNK, "Attr": bits("early_error_detected")},
    "CHUNK_GET": CHUNK,
    "CHUNK_RESPONSE": CHUNK,
    "GET_ENDPOINT_INFO": {"SubCode": "sub_code", "RequestAttribute": bits("signature_requested")},
    "ENDPOINT_INFO": {"EndpointInfoSize": "endpoint_info_length", "EndpointInfo": "endpoint_info"},
    "GET_CSR": {
        "Attr": lambda message: message.certificate_model | message.csr_tracking_tag << 3 | message.overwrite << 7,
        "RequesterInfo": "requester_info",
    },
    "CSR": {"CSR": "csr"},
    "SET_CERTIFICATE": {
        "Attr": lambda message: message.slot_id | message.certificate_model << 4 | message.erase << 7,
        "CertChain": "certificate_chain",
    },
    "KEY_PAIR_INFO": {
        "TotalKeyPairs": "total_key_pairs",
        "Cap": "capabilities",
        "KeyUsageCap": "key_usage_capabilities",
        "CurrKeyUsage": "current_key_usage",
        "AsymCap": "asym_algo_capabilities",
        "CurrAsym": "current_asym_algo",
        "AssicSlotMask": "assoc_cert_slot_mask",
        "PubKeyInfo": "public_key_info",
        "PqcAsymCap": "pqc_asym_algo_capabilities",
        "CurrPqcAsym": "current_pqc_asym_algo",
    },
    "SET_KEY_PAIR_INFO": {
        "Operation": "operation",
        "DesiredKeyUsage": "desired_key_usage",
        "DesiredAsymAlgo": "desired_asym_algo",
        "DesiredAssocCertSlotMask": "desired_assoc_cert_slot_mask",
        "DesiredPqcAsymAlgo": "desired_pqc_asym_algo",
    },
    "VENDOR_DEFINED_REQUEST": VENDOR,
    "VENDOR_DEFINED_RESPONSE": VENDOR,
}

IDE_KM: Final[Mapping[str, Taker]] = {
    "port": "port_index",
    "DevFunc": "device_function",
    "Bus": "bus",
    "Seg": "segment",
    "MaxPort": "max_port_index",
    "StreamId": "stream_id",
    "Status": "status",
    "KeySubStream": lambda message: (
        message.slot.key_set | message.slot.direction << 1 | message.slot.sub_stream << 4  # PCIe Base, chapter 6
    ),
    "PortIndex": "port_index",
}

TDISP: Final[Mapping[str, Taker]] = {
    "interface": lambda message: int.from_bytes(message.interface_id.build()[:4], "little"),
    "tdisp_versions": lambda message: [f"{entry >> 4}.{entry & 15}" for entry in message.versions],
    "tsm_caps": "tsm_caps",
    "dsm_caps": "dsm_caps",
    "msg_cap": lambda message: message.req_msgs_supported.to_bytes(16, "big"),
    "lock_flags": "lock_interface_flags_supported",
    "addr_width": "dev_addr_width",
    "req_this": "num_req_this",
    "req_all": "num_req_all",
    "flags": "flags",
    "default_stream": "default_stream_id",
    "mmio_offset": lambda message: message.mmio_reporting_offset % (1 << 64),
    "bind_p2p_mask": "bind_p2p_address_mask",
    "nonce": "nonce",
    "offset": "offset",
    "length": "length",
    "port_len": "portion_length",
    "rem_len": "remainder_length",
    "tdi_state": "tdi_state",
}

DISCOVERY: Final[Mapping[str, Taker]] = {
    "index": "index",
    "vendor": "vendor_id",
    "type": "data_object_type",
    "next_index": "next_index",
}


def taken(message: WireStruct, table: Mapping[str, Taker], name: str) -> Any:
    """Return one field of a message, in the form of the reference."""
    taker = table.get(name) or COMMON[name]
    value = getattr(message, taker) if isinstance(taker, str) else taker(message)
    return digest(value) if isinstance(value, bytes) else int(value) if isinstance(value, int) else value


def report_fields(raw: bytes) -> Fields:
    """Return a whole interface report."""
    report = InterfaceReport.parse(raw)
    return {
        "if_info": int(report.interface_info),
        "msix_ctrl": report.msi_x_message_control,
        "lnr_ctrl": report.lnr_control,
        "tph_ctrl": report.tph_control,
        "mmio_count": report.mmio_range_count,
        "ranges": [
            {
                "first": entry.first_page,
                "num_pg": entry.page_count,
                "attr": int(entry.attributes),
                "rang_id": entry.range_id,
            }
            for entry in report.mmio_ranges
        ],
        "dev_info": digest(report.device_specific_info),
    }


class Comparison:
    """Compares records with the reference's rows, in order; counts what it compared."""

    def __init__(self) -> None:
        self.fields = 0
        self._report = b""

    def layers(self, record: Record, rows: list[list[Any]]) -> list[str]:
        """Return where the record's layers disagree with the reference's."""
        told = [layer for layer in record.layers if layer.name not in CARRIERS and layer.title != "DATA_OBJECT"]
        if len(told) != len(rows):
            return [f"layers {[layer.title or layer.name for layer in told]}, expected {rows}"]
        return [problem for layer, row in zip(told, rows, strict=True) for problem in self._layer(layer, row)]

    def _layer(self, layer: Layer, row: list[Any]) -> list[str]:
        name, *heads, fields = row
        if name in ("cxl", "pldm"):
            return self._opaque(layer, row)
        message = layer.message
        if message is None or layer.name != name:
            return [f"{layer.name} {layer.title} was not decoded, expected {row}"]
        found = [] if name == "doe" else [layer.facts["code"]]
        found = [layer.data[0], *found] if name == "spdm" else found
        if name == "spdm" and layer.facts["version"] != f"{heads[0] >> 4}.{heads[0] & 15}":
            return [f"{layer.title}: version {layer.facts['version']}"]
        if found != heads:
            return [f"{layer.title}: {found}, expected {heads}"]
        table = {"spdm": SPDM.get(message.NAME, {}), "idekm": IDE_KM, "tdisp": TDISP, "doe": DISCOVERY}[name]
        return [problem for key, value in fields.items() for problem in self._field(message, table, key, value)]

    def _field(self, message: Any, table: Mapping[str, Taker], name: str, expected: Any) -> list[str]:
        self.fields += 1
        found = report_fields(self._portions(message)) if name == "Report" else taken(message, table, name)
        if name == "port_len" and message.remainder_length:
            self._report = message.report_bytes
        return [] if found == expected else [f"{message.NAME}.{name}: {found!r}, expected {expected!r}"]

    def _portions(self, message: Any) -> bytes:
        return self._report + bytes(message.report_bytes)

    def _opaque(self, layer: Layer, row: list[Any]) -> list[str]:
        """Compare what pytio does not look into: CXL by protocol and code, PLDM by its header."""
        self.fields += 1
        if row[0] == "pldm":
            found: list[Any] = ["pldm", [*layer.data[: len(row[1])]], {}]
        else:
            found = ["cxl", layer.data[0], layer.data[2 if layer.data[0] else 1]]
        return [] if layer.name == row[0] and found == row else [f"{layer.name} {found}, expected {row}"]
