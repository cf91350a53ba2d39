"""X.509 certificates, one at a time, with the object identifiers that DMTF gave a meaning (RFC 5280; DSP0274).

This file knows what a certificate says. Whether a chain of them may be believed is in `pytio.crypto.chains`. It knows
no protocol message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pytio.crypto import der
from pytio.crypto.algorithms import UnsupportedAlgorithmError
from pytio.crypto.keys import PublicKey
from pytio.errors import DecodeError

if TYPE_CHECKING:
    from datetime import datetime

__all__ = (
    "OID_DEVICE_INFO",
    "OID_HARDWARE_IDENTITY",
    "OID_MUTABLE_CERTIFICATE",
    "OID_REQUESTER_AUTH",
    "OID_RESPONDER_AUTH",
    "OID_SPDM",
    "OID_SPDM_EXTENSION",
    "Certificate",
    "parse_certificates",
    "parse_pem_certificates",
    "read_certificates",
)

OID_SPDM: Final = "1.3.6.1.4.1.412.274"
"""The arc of everything below."""
OID_DEVICE_INFO: Final = f"{OID_SPDM}.1"
"""SubjectAltName otherName: ``manufacturer:product:serial``."""
OID_HARDWARE_IDENTITY: Final = f"{OID_SPDM}.2"
"""In the SPDM extension of the certificate that carries the hardware's identity."""
OID_RESPONDER_AUTH: Final = f"{OID_SPDM}.3"
"""Extended key usage."""
OID_REQUESTER_AUTH: Final = f"{OID_SPDM}.4"
"""Extended key usage."""
OID_MUTABLE_CERTIFICATE: Final = f"{OID_SPDM}.5"
"""In the SPDM extension of certificates that a device may make anew."""
OID_SPDM_EXTENSION: Final = f"{OID_SPDM}.6"
"""The SPDM extension: SEQUENCE OF SEQUENCE that begins with an object identifier."""

E = TypeVar("E", bound=x509.ExtensionType)

_MALFORMED: Final = (
    ValueError,
    TypeError,
    KeyError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for bytes that are no certificate."""


class Certificate:
    """One certificate; its extensions have been read, its signature has not been checked.

    Attributes:
        der: the bytes.
        library_certificate: the library's object; only this package looks at it.
        is_ca: cA of basicConstraints, None without that extension.
        path_length: pathLenConstraint of basicConstraints, None if there is none.
        key_usages: the bits of keyUsage that are set, as RFC 5280 spells them, None without that extension.
        extended_key_usages: the identifiers of extendedKeyUsage, None without that extension.
        critical_oids: the extensions that are critical.
    """

    __slots__ = (
        "_extensions",
        "critical_oids",
        "der",
        "extended_key_usages",
        "is_ca",
        "key_usages",
        "library_certificate",
        "path_length",
    )

    def __init__(self, der_bytes: bytes) -> None:
        """Read a certificate. Raises DecodeError if the bytes are none, or more than one."""
        self.der = der_bytes
        try:
            self.library_certificate = x509.load_der_x509_certificate(der_bytes)
            extensions = self.library_certificate.extensions
            self._read_eagerly()
        except _MALFORMED as error:
            raise DecodeError(f"not an X.509 certificate: {error}", der_bytes) from error
        self.critical_oids = frozenset(extension.oid.dotted_string for extension in extensions if extension.critical)
        self._extensions = {extension.oid.dotted_string: extension.value for extension in extensions}
        basic_constraints = self._extension(x509.BasicConstraints)
        self.is_ca = basic_constraints.ca if basic_constraints is not None else None
        self.path_length = basic_constraints.path_length if basic_constraints is not None else None
        usages = self._extension(x509.KeyUsage)
        self.key_usages = _key_usages(usages) if usages is not None else None
        extended = self._extension(x509.ExtendedKeyUsage)
        self.extended_key_usages = frozenset(oid.dotted_string for oid in extended) if extended is not None else None

    def _extension(self, kind: type[E]) -> E | None:
        found = self._extensions.get(kind.oid.dotted_string)
        return found if isinstance(found, kind) else None

    def _read_eagerly(self) -> None:
        """Touch what the library reads late, so that what is malformed shows at once."""
        certificate = self.library_certificate
        _ = certificate.subject, certificate.issuer, certificate.version, certificate.serial_number
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc

    @property
    def subject(self) -> str:
        """The subject's name (RFC 4514)."""
        return self.library_certificate.subject.rfc4514_string()

    @property
    def subject_der(self) -> bytes:
        """The subject's name, in DER."""
        return self.library_certificate.subject.public_bytes()

    @property
    def issuer(self) -> str:
        """The issuer's name (RFC 4514)."""
        return self.library_certificate.issuer.rfc4514_string()

    @property
    def is_self_issued(self) -> bool:
        """Whether subject and issuer are the same name."""
        return self.library_certificate.subject == self.library_certificate.issuer

    @property
    def is_version_3(self) -> bool:
        """Whether it is of X.509 version 3."""
        return self.library_certificate.version is x509.Version.v3

    @property
    def not_before(self) -> datetime:
        """The first second it is valid, in UTC."""
        return self.library_certificate.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        """The last second it is valid, in UTC."""
        return self.library_certificate.not_valid_after_utc

    @property
    def public_key(self) -> PublicKey:
        """The key it certifies.

        Raises DecodeError if its bytes hold none, UnsupportedAlgorithmError if the key serves no algorithm known here.
        """
        try:
            spki = self.library_certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        except ValueError as error:
            raise DecodeError("no public key in the certificate", self.der) from error
        except UnsupportedAlgorithm as error:
            raise UnsupportedAlgorithmError("the public key of the certificate") from error
        return PublicKey.from_spki(spki)

    @property
    def device_info(self) -> str | None:
        """``manufacturer:product:serial`` from the subject's alternative names, None if it is not there.

        Raises DecodeError if that name is malformed.
        """
        for name in self._extension(x509.SubjectAlternativeName) or ():
            if isinstance(name, x509.OtherName) and name.type_id.dotted_string == OID_DEVICE_INFO:
                text = der.read(name.value, 0)
                return name.value[text.content : text.end].decode(errors="replace")
        return None

    @property
    def spdm_oids(self) -> tuple[str, ...]:
        """The identifiers in the SPDM extension, none without it. Raises DecodeError if it is malformed."""
        extension = self._extensions.get(OID_SPDM_EXTENSION)
        if not isinstance(extension, x509.UnrecognizedExtension):
            return ()
        data = extension.value
        firsts = [der.children(data, entry)[:1] for entry in der.children(data, der.read(data, 0))]
        return tuple(
            der.dotted(data[element.content : element.end])
            for elements in firsts
            for element in elements
            if element.tag == der.Tag.OBJECT_IDENTIFIER
        )

    @property
    def name_constraints(self) -> x509.NameConstraints | None:
        """The library's object for that extension; only this package looks at it."""
        return self._extension(x509.NameConstraints)

    @property
    def names(self) -> list[x509.GeneralName]:
        """The subject, unless it is empty, and its alternative names; only this package looks at them."""
        subject = self.library_certificate.subject
        alternatives = self._extension(x509.SubjectAlternativeName) or ()
        return [*([x509.DirectoryName(subject)] if subject.rdns else []), *alternatives]

    def is_issued_by(self, issuer: Certificate) -> bool:
        """Say whether the issuer's subject is named as issuer, and its key holds for the signature.

        Raises UnsupportedAlgorithmError if the library cannot check such a signature.
        """
        try:
            self.library_certificate.verify_directly_issued_by(issuer.library_certificate)
        except (InvalidSignature, ValueError, TypeError):
            return False
        except UnsupportedAlgorithm as error:
            raise UnsupportedAlgorithmError("the signature algorithm of the certificate") from error
        return True

    def __eq__(self, other: object) -> bool:
        """Compare the bytes."""
        return isinstance(other, Certificate) and self.der == other.der

    def __hash__(self) -> int:
        """Hash the bytes."""
        return hash(self.der)

    def __repr__(self) -> str:
        """Name subject and issuer."""
        return f"<Certificate of {self.subject} by {self.issuer}>"


def parse_pem_certificates(data: bytes) -> tuple[Certificate, ...]:
    """Return the certificates of a PEM file, in their order. Raises DecodeError if it holds none."""
    try:
        found = x509.load_pem_x509_certificates(data)
    except _MALFORMED as error:
        raise DecodeError(f"no PEM certificates: {error}", data[:0]) from error
    return tuple(Certificate(one.public_bytes(Encoding.DER)) for one in found)


def parse_certificates(data: bytes) -> tuple[Certificate, ...]:
    """Return the certificates that follow one another, as they do in chains; none for no bytes.

    Raises DecodeError, with the position in ``data`` and the number of the certificate as path.
    """
    found: list[Certificate] = []
    offset = 0
    for octets in der.split(data):
        try:
            found.append(Certificate(octets))
        except DecodeError as error:
            raise DecodeError(error.reason, data, offset, f"certificate[{len(found)}]") from error
        offset += len(octets)
    return tuple(found)


def read_certificates(data: bytes) -> tuple[Certificate, ...]:
    """Return the certificates of a file, PEM or DER, one or several. Raises DecodeError if it holds none."""
    found = parse_pem_certificates(data) if _PEM_BEGIN in data else parse_certificates(data)
    if not found:
        raise DecodeError("no certificate", data)
    return found


_PEM_BEGIN: Final = b"-----BEGIN "
_KEY_USAGES: Final = {
    "digital_signature": "digitalSignature",
    "content_commitment": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}


def _key_usages(extension: x509.KeyUsage) -> frozenset[str]:
    return frozenset(name for attribute, name in _KEY_USAGES.items() if getattr(extension, attribute))
