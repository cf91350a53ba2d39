"""What no public source settles about SEV-TIO's firmware, and what the model does: one row each, and where.

A holder of AMD's specification corrects an assumption in the one place that its row names. The table in the
documentation is made from this one. `SEV_A37` and those after it are this model's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pytio.ide.assumptions import Assumption

__all__ = ("ASSUMPTIONS",)

_PSP: Final = "pytio.mock.psp"


def _rows(*rows: tuple[int, str, str, str]) -> dict[str, Assumption]:
    return {f"SEV_A{number}": Assumption(text, confidence, place) for number, text, confidence, place in rows}


ASSUMPTIONS: Final[Mapping[str, Assumption]] = MappingProxyType(
    _rows(
        (
            1,
            "reserved bytes of a command that are not zero are INVALID_PARAM in strict mode, and ignored in lax mode",
            "medium",
            f"{_PSP}.checks.reserved_bytes",
        ),
        (2, "a wrong LENGTH is INVALID_LEN", "medium", f"{_PSP}.checks.read"),
        (
            3,
            "a buffer of 2 MiB is named directly, never in a scatter list, and its address is aligned",
            "low",
            f"{_PSP}.pages.Pages.check_shape",
        ),
        (4, "a scatter list without an end is INVALID_ADDRESS", "medium", f"{_PSP}.pages.Pages.of_buffer"),
        (5, "OUTPUT may be NULL where a command leaves no object", "medium", f"{_PSP}.buffers.SpdmBuffers"),
        (6, "requests, responses and results are never encrypted", "high", "pytio.sev.data_objects.BufferHeader"),
        (
            7,
            "objects that the firmware writes have exact lengths, PAYLOAD_SZ is rounded up to 32",
            "medium",
            f"{_PSP}.buffers.Buffer.put",
        ),
        (
            8,
            "a buffer or context below its smallest size is INCORRECT_BUFFER_LENGTH",
            "medium",
            f"{_PSP}.buffers.SpdmBuffers",
        ),
        (
            9,
            (
                "while a command waits for the device, another one is IN_USE, unless it disconnects or unbinds with "
                "FORCE; the same one with another buffer is INVALID_PARAM; without a response the exchange ends with "
                "SPDM_ERROR"
            ),
            "low",
            f"{_PSP}.checks.pending",
        ),
        (
            10,
            "a response of the wrong type, undecodable, refusing, or failing authentication is SPDM_ERROR",
            "medium",
            f"{_PSP}.buffers.SpdmBuffers.answer",
        ),
        (
            11,
            "after EXPAND_BUFFER_LENGTH_REQUEST the command comes back with other buffers, and is else the same",
            "medium",
            f"{_PSP}.device_commands.write_result",
        ),
        (
            12,
            (
                "a page in the wrong state is INVALID_PAGE_STATE, another's INVALID_PAGE_OWNER, of another size "
                "INVALID_PAGE_SIZE; an address that is misaligned, reserved or outside is INVALID_ADDRESS"
            ),
            "medium",
            f"{_PSP}.pages.Pages.check_states",
        ),
        (13, "a command without a result leaves an empty object", "low", f"{_PSP}.buffers.SpdmBuffers.clear_output"),
        (14, "the bind of R1 locks and starts", "medium", f"{_PSP}.tdi_commands.bind"),
        (15, "TIO_CRYPTO_ALG is 0", "low", f"{_PSP}.platform_commands.tio_status"),
        (16, "sizes of buffers and contexts, and zeros before TIO_INIT", "low", f"{_PSP}.configuration.BufferSizes"),
        (
            17,
            "lock flags other than NO_FW_UPDATE, LOCK_MSIX and ALL_REQUEST_REDIRECT are INVALID_PARAM",
            "medium",
            f"{_PSP}.tdi_commands.bind",
        ),
        (18, "the SLA of its creation names a context", "medium", f"{_PSP}.contexts.DeviceContext"),
        (
            19,
            "context pages hold nothing that counts, and are scribbled over when they are given back",
            "high",
            f"{_PSP}.firmware.Psp.give_back",
        ),
        (
            20,
            "TIO_INIT without TIO_EN or twice, and commands before it, are INVALID_PLATFORM_STATE",
            "medium",
            f"{_PSP}.checks.platform",
        ),
        (
            21,
            (
                "of a guest message, a bad header is INVALID_PARAM, a spent counter AEAD_OFLOW, a bad tag or number "
                "BAD_SIGNATURE; the guest gets no answer"
            ),
            "medium",
            f"{_PSP}.guest_channel.open_request",
        ),
        (22, "measurements are fresh if taken since the bind", "medium", f"{_PSP}.tdi_commands.measurement_flags"),
        (
            23,
            (
                "MMIO_VALIDATE checks id, bind, range id, offset and count; then each page: owner, MMIO, size, guest "
                "address, immutable; then whether all are alike"
            ),
            "low",
            f"{_PSP}.tdi_messages.mmio_validate",
        ),
        (24, "MMIO_CONFIG of N has 32 bytes", "low", "pytio.sev.guest_messages.MmioConfigReqN"),
        (25, "an sDTE with bits that are not the guest's is RESERVED", "medium", f"{_PSP}.tdi_messages.sdte_write"),
        (
            26,
            "RDX bits 1 and 2 of N's TDI_INFO ask for certificates and measurements",
            "low",
            "pytio.sev.tio_codes.EvidenceFlags",
        ),
        (
            27,
            (
                "ids of interfaces count up from 1, a new one with every bind; the host of N finds it in the last 4 "
                "bytes of TDI_INFO"
            ),
            "low",
            f"{_PSP}.firmware.Psp.next_tdi_id",
        ),
        (28, "interfaces are locked with an MMIO reporting offset of 0", "medium", f"{_PSP}.tdi_commands"),
        (29, "the digest of an interface report is its SHA-384", "medium", f"{_PSP}.contexts.blob_digest"),
        (30, "digests of what was never fetched are zero", "medium", f"{_PSP}.contexts.DeviceContext"),
        (31, "the order of messages in a connect", "medium", f"{_PSP}.connecting.connect"),
        (
            32,
            "certificates that are not those of the connect are DEV_CERT_CHANGED, and the digest stays",
            "low",
            f"{_PSP}.device_commands.certificates",
        ),
        (33, "the order of messages in a bind", "medium", f"{_PSP}.tdi_commands.bind"),
        (34, "of guest messages, only MMIO_CONFIG that writes talks to the device", "medium", f"{_PSP}.tdi_messages"),
        (
            35,
            "a guest's message is in a page of the hypervisor, its answer in one of the firmware",
            "medium",
            f"{_PSP}.checks.addresses",
        ),
        (
            36,
            "messages about an interface that is not bound any more are answered so",
            "medium",
            f"{_PSP}.tdi_messages.tdi_info",
        ),
        (
            37,
            (
                "SNP_PLATFORM_STATUS, SNP_FEATURE_INFO, SNP_GUEST_STATUS and TIO_STATUS write into pages of the "
                "hypervisor or of the firmware"
            ),
            "medium",
            f"{_PSP}.call.Place",
        ),
        (
            38,
            (
                "the firmware checks a certificate chain and the signatures under it, but trusts no root: it records "
                "digests, and who verifies them is the guest; its requester speaks SPDM 1.2 and has no heartbeat"
            ),
            "medium",
            f"{_PSP}.configuration.SEV_REQUESTER",
        ),
        (39, "layout of the guest status behind STATE", "low", "pytio.sev.commands.GuestStatus"),
        (
            40,
            "states of devices and interfaces, what each allows, and when fences close",
            "low",
            f"{_PSP}.device_states.TRANSITIONS",
        ),
        (41, "the order in which a command is checked", "low", f"{_PSP}.dispatch.run"),
        (
            42,
            "R1 and R2, which lack NOT_IO and NOT_4K, say NOT_ASSIGNED and NOT_MAPPED",
            "low",
            f"{_PSP}.tdi_messages.mmio_validate",
        ),
        (
            43,
            (
                "an exchange that ends before its time inside a session takes the session with it, since its records "
                "are out of step: the device is in ERROR then, and its interfaces are fenced off"
            ),
            "medium",
            f"{_PSP}.losses.settle",
        ),
        (
            44,
            "SNP_PAGE_SET_STATE has a LENGTH and a list of ranges that begin 2 MiB, and makes HV-Fixed pages",
            "low",
            "pytio.sev.commands.SnpPageSetState",
        ),
    )
)
"""By name."""
