"""ATTESTATION_REPORT: what the firmware says and signs about a guest and its platform.

Document: AMD 56860, "ATTESTATION_REPORT". Versions 2, 3 and 5 are public; they differ in bytes that the older one
reserves. A version between two has the layout of the lower one, a later one that of 5; `problems` says what is unusual.
"""

from __future__ import annotations

from typing import Final

from pytio.errors import SevDecodeError
from pytio.wire import U32, U64, Bit, Bits, Byte, Bytes, Nested, WireStruct, message, this, wire

__all__ = ("AttestationReport", "GuestPolicy", "KeyInfo", "PlatformInfo")

_CPUID_VERSION: Final = 3
_MITIGATION_VERSION: Final = 5
_KNOWN_VERSIONS: Final = (2, 3, 5)
_ECDSA_P384_SHA384: Final = 1
_SIGNED_BYTES: Final = 0x2A0
_MAX_VMPL: Final = 3


@message
class GuestPolicy(WireStruct, errors=SevDecodeError):
    """Guest policy, 8 bytes: what the guest's owner allows."""

    abi_minor: int = wire(Byte, default=0)
    abi_major: int = wire(Byte, default=0)
    smt: bool = wire(Bit, default=False)
    reserved_one: bool = wire(Bit, default=True)
    """Must be 1."""
    migration_agent: bool = wire(Bit, default=False)
    debug: bool = wire(Bit, default=False)
    single_socket: bool = wire(Bit, default=False)
    cxl: bool = wire(Bit, default=False)
    require_aes_256_xts: bool = wire(Bit, default=False)
    rapl_disabled: bool = wire(Bit, default=False)
    ciphertext_hiding: bool = wire(Bit, default=False)
    page_swap_disabled: bool = wire(Bit, default=False)
    reserved: int = wire(Bits(38), default=0)


@message
class PlatformInfo(WireStruct, errors=SevDecodeError):
    """Platform information, 8 bytes."""

    smt_enabled: bool = wire(Bit, default=False)
    tsme_enabled: bool = wire(Bit, default=False)
    ecc_enabled: bool = wire(Bit, default=False)
    rapl_disabled: bool = wire(Bit, default=False)
    ciphertext_hiding_enabled: bool = wire(Bit, default=False)
    alias_check_complete: bool = wire(Bit, default=False)
    reserved_6: int = wire(Bits(1), default=0)
    tio_enabled: bool = wire(Bit, default=False)
    """SEV-TIO."""
    reserved: int = wire(Bits(56), default=0)


@message
class KeyInfo(WireStruct, errors=SevDecodeError):
    """Key information, 4 bytes."""

    author_key_present: bool = wire(Bit, default=False)
    chip_key_masked: bool = wire(Bit, default=False)
    """The signature is zero."""
    signing_key: int = wire(Bits(3), default=0)
    """0 VCEK, 1 VLEK, 7 none."""
    reserved: int = wire(Bits(27), default=0)


@message
class AttestationReport(WireStruct, errors=SevDecodeError):
    """ATTESTATION_REPORT, 1184 bytes in every version."""

    version: int = wire(U32)
    guest_svn: int = wire(U32, default=0)
    policy: GuestPolicy = wire(Nested(GuestPolicy), default=GuestPolicy())
    family_id: bytes = wire(Bytes(16), default=bytes(16))
    image_id: bytes = wire(Bytes(16), default=bytes(16))
    vmpl: int = wire(U32, default=0)
    signature_algorithm: int = wire(U32, default=_ECDSA_P384_SHA384)
    """1 is ECDSA P-384 with SHA-384."""
    current_tcb: bytes = wire(Bytes(8), default=bytes(8))
    """`TcbVersion` or `TurinTcbVersion`, by the processor; so are the other three."""
    platform_info: PlatformInfo = wire(Nested(PlatformInfo), default=PlatformInfo())
    key_info: KeyInfo = wire(Nested(KeyInfo), default=KeyInfo())
    reserved: bytes = wire(Bytes(4), default=bytes(4))
    report_data: bytes = wire(Bytes(64), default=bytes(64))
    measurement: bytes = wire(Bytes(48), default=bytes(48))
    host_data: bytes = wire(Bytes(32), default=bytes(32))
    id_key_digest: bytes = wire(Bytes(48), default=bytes(48))
    author_key_digest: bytes = wire(Bytes(48), default=bytes(48))
    report_id: bytes = wire(Bytes(32), default=bytes(32))
    migration_agent_report_id: bytes = wire(Bytes(32), default=bytes(32))
    reported_tcb: bytes = wire(Bytes(8), default=bytes(8))
    cpuid_family: int | None = wire(Byte, when=this.version >= _CPUID_VERSION, default=None)
    cpuid_model: int | None = wire(Byte, when=this.version >= _CPUID_VERSION, default=None)
    cpuid_stepping: int | None = wire(Byte, when=this.version >= _CPUID_VERSION, default=None)
    reserved_cpuid_v2: bytes | None = wire(Bytes(3), when=this.version < _CPUID_VERSION, default=None)
    reserved_cpuid: bytes = wire(Bytes(21), default=bytes(21))
    chip_id: bytes = wire(Bytes(64), default=bytes(64))
    """Zero where it is masked; Turin fills the first 8 bytes only."""
    committed_tcb: bytes = wire(Bytes(8), default=bytes(8))
    current_build: int = wire(Byte, default=0)
    current_minor: int = wire(Byte, default=0)
    current_major: int = wire(Byte, default=0)
    reserved_current: int = wire(Byte, default=0)
    committed_build: int = wire(Byte, default=0)
    committed_minor: int = wire(Byte, default=0)
    committed_major: int = wire(Byte, default=0)
    reserved_committed: int = wire(Byte, default=0)
    launch_tcb: bytes = wire(Bytes(8), default=bytes(8))
    launch_mitigation_vector: int | None = wire(U64, when=this.version >= _MITIGATION_VERSION, default=None)
    current_mitigation_vector: int | None = wire(U64, when=this.version >= _MITIGATION_VERSION, default=None)
    reserved_mitigation_v2: bytes | None = wire(Bytes(16), when=this.version < _MITIGATION_VERSION, default=None)
    reserved_end: bytes = wire(Bytes(152), default=bytes(152))
    signature_r: bytes = wire(Bytes(72), default=bytes(72))
    """Little-endian, extended with zeros."""
    signature_s: bytes = wire(Bytes(72), default=bytes(72))
    """Little-endian, extended with zeros."""
    reserved_signature: bytes = wire(Bytes(368), default=bytes(368))

    def signed_bytes(self) -> bytes:
        """Return the 672 bytes that the signature covers."""
        return self.build()[:_SIGNED_BYTES]

    def problems(self) -> tuple[str, ...]:
        """Return what is unusual: a version that is not public, reserved bits that are set, values out of range."""
        checks = {
            f"version {self.version} is not public: read as the next lower one": self.version in _KNOWN_VERSIONS,
            "policy bit 17 is 0, and must be 1": self.policy.reserved_one,
            f"VMPL {self.vmpl} is above {_MAX_VMPL}": self.vmpl <= _MAX_VMPL,
            f"signature algorithm {self.signature_algorithm} is unknown": self.signature_algorithm
            == _ECDSA_P384_SHA384,
        }
        reserved = [
            f"{field.name} is not zero"
            for field in self.FIELDS
            if field.is_reserved and any(_octets(getattr(self, field.name)))
        ]
        return (*(text for text, holds in checks.items() if not holds), *reserved)


def _octets(value: int | bytes | None) -> bytes:
    return bytes([value]) if isinstance(value, int) else value or b""
