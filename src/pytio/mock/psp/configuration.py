"""What a firmware is, as data: sizes, versions, how it talks SPDM."""

from __future__ import annotations

from typing import Final

import attrs

from pytio.crypto import SigningKey
from pytio.sev.tio_codes import PAGE_BYTES, DataObjectType, Revision
from pytio.spdm.algorithms import AeadSuite, BaseAsymAlgo, BaseHashAlgo, DheGroup, MeasurementHashAlgo
from pytio.spdm.capabilities import RequesterCapabilities
from pytio.spdm.codes import SpdmVersion
from pytio.spdm.configuration import AlgorithmSet, Limits, RequesterConfig

__all__ = ("SEV_REQUESTER", "BufferSizes", "PspConfig")

_CHIP_ID_BYTES: Final = 64
_SMALLEST_TRANSFER_BYTES: Final = 3968
"""What a response may have to fit into the smallest response buffer, with the header and tag of its record."""

SEV_REQUESTER: Final = RequesterConfig(
    versions=(SpdmVersion.V1_2,),
    algorithms=AlgorithmSet(
        hashes=(BaseHashAlgo.SHA_384, BaseHashAlgo.SHA_256),
        asym=(BaseAsymAlgo.ECDSA_P384, BaseAsymAlgo.ECDSA_P256, BaseAsymAlgo.RSASSA_3072),
        pqc_asym=(),
        req_asym=(),
        req_pqc_asym=(),
        dhe=(DheGroup.SECP_384_R1, DheGroup.SECP_256_R1),
        kem=(),
        aead=(AeadSuite.AES_256_GCM, AeadSuite.AES_128_GCM),
        measurement_hashes=(MeasurementHashAlgo.SHA_384, MeasurementHashAlgo.SHA_256),
    ),
    capabilities=(
        RequesterCapabilities.ENCRYPT_CAP
        | RequesterCapabilities.MAC_CAP
        | RequesterCapabilities.KEY_EX_CAP
        | RequesterCapabilities.CHUNK_CAP
    ),
    limits=Limits(data_transfer_size=_SMALLEST_TRANSFER_BYTES),
    busy_retries=3,
)
"""The requester inside the firmware: what SPDM_ALGOS has codes for, no heartbeat, no keys of its own, no trusted roots
(`SEV_A38`). Which version it speaks is not public; the message log of measurements has the shape of 1.2."""


@attrs.frozen
class BufferSizes:
    """What TIO_STATUS says of buffers and contexts, in bytes, headers included (`SEV_A16`)."""

    req: tuple[int, int] = (PAGE_BYTES, 2 * PAGE_BYTES)
    """Smallest and largest."""
    rsp: tuple[int, int] = (PAGE_BYTES, 2 * PAGE_BYTES)
    scratch: tuple[int, int] = (PAGE_BYTES, 4 * PAGE_BYTES)
    out: tuple[int, int] = (PAGE_BYTES, 16 * PAGE_BYTES)
    device_context: int = PAGE_BYTES
    tdi_context: int = PAGE_BYTES


@attrs.frozen(kw_only=True)
class PspConfig:
    """Everything about a firmware that is no assumption."""

    supports_tio: bool = True
    """Whether this build has SEV-TIO at all."""
    api_version: tuple[int, int] = (1, 58)
    """Major and minor; R1 asks for 1.55 at least."""
    build_id: int = 1
    sizes: BufferSizes = BufferSizes()
    requester: RequesterConfig = SEV_REQUESTER
    """How it talks SPDM."""
    measurement_object: DataObjectType | None = None
    """How measurements are laid out; None for what the revision knows best."""
    max_asid: int = 1006
    """The largest ASID of a guest."""
    vcek: SigningKey | None = None
    """What signs attestation reports, a key of P-384; None for reports without a signature."""
    chip_id: bytes = bytes(_CHIP_ID_BYTES)
    """What reports name the chip by."""
    cpuid: tuple[int, int, int] = (0x1A, 0x02, 0x01)
    """Family, model and stepping of the processor, for reports."""

    def measurement_object_of(self, revision: Revision) -> DataObjectType:
        """Return how measurements are laid out: a message log from P2 on, before that the record alone."""
        if self.measurement_object is not None:
            return self.measurement_object
        has_log = revision in (Revision.P2, Revision.N)
        return DataObjectType.MESSAGE_LOG if has_log else DataObjectType.RECORD
