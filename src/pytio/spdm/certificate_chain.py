"""The certificate chain structure: what a slot holds, and what the digest of a slot covers.

Document: DSP0274, "Certificates and certificate chains". This file splits; what a certificate says, and whether the
chain holds, is for others.
"""

from __future__ import annotations

from typing import Final

from pytio.errors import SpdmDecodeError
from pytio.spdm.messages.base import SpdmStruct
from pytio.wire import AUTO, U32, Bytes, Sized, given, message, this, wire

__all__ = ("CertificateChain", "split_certificates")

_LENGTH_BYTES: Final = 4
_DER_SEQUENCE: Final = 0x30
_DER_LONG_FORM: Final = 0x80
"""In the first length byte: its other bits say how many bytes of length follow."""
_DER_HEADER_BYTES: Final = 2


@message
class CertificateChain(SpdmStruct):
    """Certificate chain structure: length in bytes, hash of the root certificate, and the certificates.

    Up to 1.3 the upper half of the length is reserved, and the structure therefore shorter than 64 KiB.
    """

    length: int = wire(U32, default=AUTO)
    root_hash: bytes = wire(Sized("digest"))
    certificate_list: bytes = wire(Bytes(this.length - given.digest - _LENGTH_BYTES))

    def certificates(self) -> tuple[bytes, ...]:
        """Return the certificates, each as DER, from the root's side to the leaf.

        Raises:
            SpdmDecodeError: they are no DER, with the offset in the whole structure.
        """
        base = _LENGTH_BYTES + len(self.root_hash)
        try:
            return split_certificates(self.certificate_list)
        except SpdmDecodeError as error:
            path = f"{type(self).__name__}.{error.path}"
            raise SpdmDecodeError(error.reason, self.build(), base + error.offset, path) from None


def split_certificates(data: bytes) -> tuple[bytes, ...]:
    """Split certificates that follow each other, by the lengths in their DER headers.

    Raises:
        SpdmDecodeError: what stands there is no DER sequence, or does not end with the data.
    """
    certificates: list[bytes] = []
    start = 0
    while start < len(data):
        end = start + _der_size(data, start, f"certificate_list[{len(certificates)}]")
        certificates.append(data[start:end])
        start = end
    return tuple(certificates)


def _der_size(data: bytes, start: int, path: str) -> int:
    """Return the size of the DER element at ``start``, its header included."""
    if data[start] != _DER_SEQUENCE:
        raise SpdmDecodeError(f"{data[start]:#x} does not start a DER sequence", data, start, path)
    left = len(data) - start
    header = _DER_HEADER_BYTES
    size = data[start + 1] if left >= header else 0
    if size == _DER_LONG_FORM:
        raise SpdmDecodeError("DER has no indefinite length", data, start, path)
    if size > _DER_LONG_FORM:
        header += size - _DER_LONG_FORM
        size = int.from_bytes(data[start + _DER_HEADER_BYTES : start + header], "big")
    if header + size > left:
        raise SpdmDecodeError(f"needs {header + size} bytes, {left} left", data, start, path)
    return header + size
