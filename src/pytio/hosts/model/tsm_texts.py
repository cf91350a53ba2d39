"""The texts that the kernels of the SEV-TIO RFCs print for people: certificates, measurements, interface report.

Facts: the RFCs' printers. They cut runs of bytes at 32, and call a measurement "digest" where DSP0274 says raw bit
stream, and the other way round: a model says it as they do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pytio.errors import DecodeError
from pytio.spdm.messages.measurements import MeasurementBlock
from pytio.tdisp import InterfaceInfo, InterfaceReport, MmioRange
from pytio.tdisp.codes import MmioAttributes

__all__ = ("certificates_text", "measurements_text", "report_text")

_NONE: Final = "none"
_RUN_BYTES: Final = 32
_LENGTH_BYTES: Final = 2
_DMTF: Final = 1
_RAW: Final = 0x80
_TYPE_MASK: Final = 0x7F
_VALUE_HEADER_BYTES: Final = 3
_DEVICE_MODE: Final = 5
_WORD_BYTES: Final = 4
_KINDS: Final = ("ImmuROM", "MutFW", "HWCfg", "FWCfg", "MeasMft", "DevDbg", "MutFWVer", "MutFWVerSec")
_INFO: Final = (
    ("no_fw_update", InterfaceInfo.NO_FW_UPDATE),
    ("dma_no_pasid", InterfaceInfo.DMA_WITHOUT_PASID),
    ("dma_pasid", InterfaceInfo.DMA_WITH_PASID),
    ("ats", InterfaceInfo.ATS),
    ("prs", InterfaceInfo.PRS),
)
_ATTRIBUTES: Final = (
    ("MSIX", MmioAttributes.MSI_X_TABLE),
    ("PBA", MmioAttributes.MSI_X_PBA),
    ("NonTEE", MmioAttributes.IS_NON_TEE_MEM),
    ("Upd", MmioAttributes.IS_MEM_ATTR_UPDATABLE),
)


def certificates_text(chain: bytes) -> str:
    """Return what ``tsm_certs`` says of a chain, with its length in front as SPDM gives it."""
    return "\n".join(_certificates(chain)) or _NONE


def _certificates(chain: bytes) -> Iterator[str]:
    index = 0
    while len(chain) >= _LENGTH_BYTES and (size := int.from_bytes(chain[:_LENGTH_BYTES], "little")) > _LENGTH_BYTES:
        yield f"[{index}] len={size}:"
        block, chain = chain[_WORD_BYTES:size], chain[size:]
        for at in range(0, len(block), _RUN_BYTES):
            row = block[at : at + _RUN_BYTES]
            yield f"{row.hex(' ')}  {''.join(chr(byte) if 32 <= byte < 127 else '.' for byte in row)}"  # noqa: PLR2004
        index += 1


def measurements_text(record: bytes, *, has_length: bool = False) -> str:
    """Return what ``tsm_meas`` says of a measurement record; the second RFC puts its length in front."""
    if not record:
        return _NONE
    return "\n".join(([f"Len={len(record)}"] if has_length else []) + list(_measurements(record)))


def _measurements(record: bytes) -> Iterator[str]:
    while record:
        try:
            block, used = MeasurementBlock.parse_prefix(record)
        except DecodeError:
            return  # the kernel's printer stops, too
        raw, record = record[:used], record[used:]
        shown = _measurement(raw[_WORD_BYTES:], block.measurement_specification)
        yield f"#{block.index} ({block.measurement_size}) {shown}..."


def _measurement(raw: bytes, specification: int) -> str:
    if specification != _DMTF or len(raw) < _VALUE_HEADER_BYTES:
        return f"spec={specification:x}: {raw[:_RUN_BYTES].hex(' ')}"
    kind, value = raw[0] & _TYPE_MASK, raw[_VALUE_HEADER_BYTES:]
    name = _KINDS[kind] if kind < len(_KINDS) else "reserved"
    if kind == _DEVICE_MODE:
        words = (value[at : at + _WORD_BYTES] for at in range(0, len(value), _WORD_BYTES))
        shown = " ".join(f"{int.from_bytes(word, 'little'):x}" for word in words)
    else:
        shown = value[:_RUN_BYTES].hex(" ")
    return f"{raw[0]:x}=[{'digest' if raw[0] & _RAW else 'raw'} {name}]: {shown}"


def report_text(report: bytes) -> str:
    """Return what ``tsm_report`` says of an interface report; raises TdispDecodeError where it is none."""
    return "\n".join(_report(InterfaceReport.parse(report))) if report else _NONE


def _report(report: InterfaceReport) -> Iterator[str]:
    yield from (f"{name}={int(flag in report.interface_info)}" for name, flag in _INFO)
    yield f"msi_x_message_control={report.msi_x_message_control:#x}"
    yield f"lnr_control={report.lnr_control:#x}"
    yield f"tph_control={report.tph_control:#x}"
    yield from (_range(index, each) for index, each in enumerate(report.mmio_ranges))
    specific = report.device_specific_info
    yield f"DevSp len={len(specific)}" + (f" {specific[:_RUN_BYTES].hex(' ')}" if specific else "")


def _range(index: int, memory: MmioRange) -> str:
    marks = " ".join(f"{name}{'+' if flag in memory.attributes else '-'}" for name, flag in _ATTRIBUTES)
    return f"[{index}] #{memory.range_id} {memory.address:#018x} +{memory.size_bytes:#x} {marks}"
