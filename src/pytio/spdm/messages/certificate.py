"""GET_CERTIFICATE and CERTIFICATE: read a slot's certificate chain, part by part.

Document: DSP0274, "GET_CERTIFICATE request and CERTIFICATE response messages". What the parts make together is in
`pytio.spdm.certificate_chain`.
"""

from __future__ import annotations

from pytio.spdm.codes import CertificateModel, SpdmCode, SpdmVersion
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage
from pytio.wire import AUTO, U16, U32, Bit, Bits, Bytes, Switch, fixed, message, this, wire

__all__ = ("Certificate", "GetCertificate")

_IS_LARGE = (this.version >= SpdmVersion.V1_4) & this.large_cert_chain


@message
class GetCertificate(SpdmMessage):
    """GET_CERTIFICATE: ask for a part of a slot's certificate chain (DSP0274, GET_CERTIFICATE).

    In the large form (1.4) offset and length are zero, and the large ones, also in bytes, count.
    """

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.GET_CERTIFICATE)
    slot_id: int = wire(Bits(4), default=0)
    reserved_param1: int = wire(Bits(3), default=0)
    large_cert_chain: bool = wire(Bit, default=False)
    slot_size_requested: bool = wire(Bit, default=False)
    """From 1.3: send no part, but the size of the slot's storage as remainder."""
    reserved_param2: int = wire(Bits(7), default=0)
    offset: int = wire(U16, default=0)
    length: int = wire(U16, default=0)
    large_offset: int | None = wire(U32, when=_IS_LARGE, default=0)
    large_length: int | None = wire(U32, when=_IS_LARGE, default=0)


@message
class Certificate(SpdmMessage):
    """CERTIFICATE: a part of a slot's certificate chain (DSP0274, CERTIFICATE).

    In the large form (1.4) the two short lengths are zero, and the large ones, also in bytes, count. CertificateInfo is
    there where the sender uses several keys on this connection, else zero (1.3).
    """

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.CERTIFICATE)
    slot_id: int = wire(Bits(4), default=0)
    reserved_param1: int = wire(Bits(3), default=0)
    large_cert_chain: bool = wire(Bit, default=False)
    certificate_model: CertificateModel = wire(Bits(3, CertificateModel), default=CertificateModel.NONE)
    reserved_param2: int = wire(Bits(5), default=0)
    portion_length: int = wire(U16, default=AUTO)
    remainder_length: int = wire(U16, default=0)
    large_portion_length: int | None = wire(U32, when=_IS_LARGE, default=AUTO)
    large_remainder_length: int | None = wire(U32, when=_IS_LARGE, default=0)
    cert_chain: bytes = wire(
        Switch(_IS_LARGE, {0: Bytes(this.portion_length), 1: Bytes(this.large_portion_length)}), default=b""
    )
