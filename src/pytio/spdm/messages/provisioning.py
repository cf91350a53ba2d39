"""GET_CSR and SET_CERTIFICATE with their responses: how a slot gets its certificate chain (DSP0274, from 1.2).

This file knows layouts only; what is in a certificate chain, see `pytio.spdm.certificate_chain`.
"""

from __future__ import annotations

from typing import Final

from pytio.spdm.codes import CertificateModel, SpdmCode, SpdmVersion
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage
from pytio.wire import AUTO, U16, U32, Bit, Bits, Byte, Bytes, fixed, message, this, wire

__all__ = ("Csr", "GetCsr", "SetCertificate", "SetCertificateRsp")

_CHAIN_LENGTH_BYTES: Final = 4


@message
class GetCsr(SpdmMessage):
    """GET_CSR: ask for a certificate signing request (DSP0274, GET_CSR)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.GET_CSR)
    key_pair_id: int = wire(Byte, default=0)
    """From 1.3, on a connection with several keys; else 0."""
    certificate_model: CertificateModel = wire(Bits(3, CertificateModel), default=CertificateModel.NONE)
    """From 1.3; the rest of the byte, too."""
    csr_tracking_tag: int = wire(Bits(3), default=0)
    """As in the ERROR ResetRequired that put the request off; else 0."""
    reserved_param2: int = wire(Bits(1), default=0)
    overwrite: bool = wire(Bit, default=False)
    """Give up the requests that are pending."""
    requester_info_length: int = wire(U16, default=AUTO)
    opaque_data_length: int = wire(U16, default=AUTO)
    requester_info: bytes = wire(Bytes(this.requester_info_length), default=b"")
    """DER: what the request shall contain, as PKCS #10 CertificationRequestInfo."""
    opaque_data: bytes = wire(Bytes(this.opaque_data_length), default=b"")


@message
class Csr(SpdmMessage):
    """CSR: the certificate signing request (DSP0274, CSR)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.CSR)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)
    csr_length: int = wire(U16, default=AUTO)
    reserved: int = wire(U16, default=0)
    csr: bytes = wire(Bytes(this.csr_length))
    """DER: PKCS #10."""


@message
class SetCertificate(SpdmMessage):
    """SET_CERTIFICATE: fill a slot with a certificate chain, or erase it (DSP0274, SET_CERTIFICATE).

    The chain is a structure that begins with its own length; ``certificate_chain`` is all of it.
    """

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.SET_CERTIFICATE)
    slot_id: int = wire(Bits(4))
    certificate_model: CertificateModel = wire(Bits(3, CertificateModel), default=CertificateModel.NONE)
    """From 1.3; reserved before."""
    erase: bool = wire(Bit, default=False)
    """From 1.3; reserved before."""
    key_pair_id: int = wire(Byte, default=0)
    """From 1.3, on a connection with several keys; else 0."""
    chain_length: int | None = wire(U32, when=this.erase == 0, default=AUTO)
    """Bytes of the whole chain structure, these four included; up to 1.3 the upper two bytes are reserved."""
    chain_content: bytes | None = wire(
        Bytes(this.chain_length - _CHAIN_LENGTH_BYTES), when=this.erase == 0, default=b""
    )
    """The chain structure behind its length: hash of the root certificate, then the certificates."""

    @property
    def certificate_chain(self) -> bytes:
        """The whole chain structure, as slots keep it and digests cover it; empty in a request to erase."""
        if self.chain_length is None or self.chain_content is None:
            return b""
        return self.chain_length.to_bytes(_CHAIN_LENGTH_BYTES, "little") + self.chain_content


@message
class SetCertificateRsp(SpdmMessage):
    """SET_CERTIFICATE_RSP: the chain is installed, or erased (DSP0274, SET_CERTIFICATE_RSP)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.SET_CERTIFICATE_RSP)
    slot_id: int = wire(Bits(4))
    reserved_param1: int = wire(Bits(4), default=0)
    reserved_param2: int = wire(Byte, default=0)
