"""GET_DIGESTS and DIGESTS: which slots hold a certificate chain, and the digest of each.

Document: DSP0274, "GET_DIGESTS request and DIGESTS response messages". A digest covers the whole chain structure
(`pytio.spdm.certificate_chain`).
"""

from __future__ import annotations

from pytio.spdm.codes import CertificateModel, KeyUsage, SpdmCode, SpdmVersion
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage, SpdmStruct
from pytio.wire import U16, Array, Bits, Byte, Flags, Nested, Sized, computed, fixed, given, message, this, wire

__all__ = ("CertificateInfo", "Digests", "GetDigests")


def _slots(mask: int) -> int:
    """Return how many slots a mask names."""
    return mask.bit_count()


@message
class CertificateInfo(SpdmStruct):
    """CertificateInfo: what the leaf certificate of a slot stands for (1.3)."""

    certificate_model: CertificateModel = wire(Bits(3, CertificateModel), default=CertificateModel.NONE)
    reserved: int = wire(Bits(5), default=0)


@message
class GetDigests(SpdmMessage):
    """GET_DIGESTS: ask for the digests of all certificate chains (DSP0274, GET_DIGESTS)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.GET_DIGESTS)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)


@message
class Digests(SpdmMessage):
    """DIGESTS: one digest for each provisioned slot, ascending (DSP0274, DIGESTS).

    SupportedSlotMask is reserved before 1.3. The last three fields are there where the sender uses several keys on
    this connection.
    """

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.DIGESTS)
    supported_slot_mask: int = wire(Byte, default=0)
    """Slots that exist, bit by slot."""
    provisioned_slot_mask: int = wire(Byte)
    """Slots that hold a certificate chain, or at least a key; one digest and so on for each."""
    digests: tuple[bytes, ...] = wire(Array(computed(_slots, this.provisioned_slot_mask), Sized("digest")))
    """Of the whole chain structure; zeros where there is a key only."""
    key_pair_ids: tuple[int, ...] | None = wire(
        Array(computed(_slots, this.provisioned_slot_mask), Byte), when=given.multi_key, default=None
    )
    certificate_info: tuple[CertificateInfo, ...] | None = wire(
        Array(computed(_slots, this.provisioned_slot_mask), Nested(CertificateInfo)), when=given.multi_key, default=None
    )
    key_usage_masks: tuple[KeyUsage, ...] | None = wire(
        Array(computed(_slots, this.provisioned_slot_mask), Flags(U16, KeyUsage)), when=given.multi_key, default=None
    )
