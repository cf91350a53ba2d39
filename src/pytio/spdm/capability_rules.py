"""Which capabilities go together: what one side says, and what both say (DSP0274, flag fields definitions).

A rule is a sentence and a question. Who breaks one as a requester is answered InvalidRequest; of a responder that
breaks one the requester wants nothing. This file knows flags, not messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from operator import or_
from types import MappingProxyType
from typing import Final, TypeAlias

from pytio.spdm.capabilities import ExtendedCapabilities, RequesterCapabilities, ResponderCapabilities
from pytio.spdm.codes import SpdmVersion

__all__ = ("KNOWN_REQUESTER_CAPABILITIES", "KNOWN_RESPONDER_CAPABILITIES", "known_extended", "objection")

_Flags: TypeAlias = RequesterCapabilities | ResponderCapabilities
_R: Final = RequesterCapabilities
_P: Final = ResponderCapabilities
_V: Final = SpdmVersion


def _union(flags: type[RequesterCapabilities | ResponderCapabilities], below: int) -> int:
    return reduce(or_, (int(flag) for flag in flags if flag < below), 0)


_BELOW: Final[Mapping[int, tuple[int, int]]] = {
    _V.V1_0: (1 << 0, 1 << 6),
    _V.V1_1: (1 << 17, 1 << 17),
    _V.V1_2: (1 << 18, 1 << 22),
    _V.V1_3: (1 << 30, 1 << 30),
    _V.V1_4: (1 << 32, 1 << 32),
}
"""The first bit that a version does not know, for the requester and for the responder."""

KNOWN_REQUESTER_CAPABILITIES: Final[Mapping[int, RequesterCapabilities]] = MappingProxyType(
    {version: _R(_union(_R, below)) for version, (below, _) in _BELOW.items()}
)
"""The flags of GET_CAPABILITIES, by version; others are reserved."""

KNOWN_RESPONDER_CAPABILITIES: Final[Mapping[int, ResponderCapabilities]] = MappingProxyType(
    {version: _P(_union(_P, below)) for version, (_, below) in _BELOW.items()}
)
"""The flags of CAPABILITIES, by version; others are reserved."""


def known_extended(version: int, flags: ExtendedCapabilities) -> ExtendedCapabilities:
    """Return the extended flags that a version knows: before 1.4 there is none."""
    return flags if version >= _V.V1_4 else ExtendedCapabilities(0)


_BIT: Final = {str(flag.name): int(flag) for flag in (*_P, *_R)}
"""Bits by name; the two sides agree on every bit that both have, but for what PSK_CAP and EP_INFO_CAP mean."""


def _has(flags: _Flags, *names: str) -> bool:
    return any(flags & _BIT[name] for name in names)


def _sessions_need_protection(flags: _Flags) -> bool:
    return not _has(flags, "KEY_EX_CAP", "PSK_CAP", "PSK_CAP_WITH_CONTEXT") or _has(flags, "ENCRYPT_CAP", "MAC_CAP")


_OF_SESSIONS: Final = ("ENCRYPT_CAP", "MAC_CAP", "HANDSHAKE_IN_THE_CLEAR_CAP", "HBEAT_CAP", "KEY_UPD_CAP")


def _protection_needs_sessions(flags: _Flags) -> bool:
    return _has(flags, "KEY_EX_CAP", "PSK_CAP", "PSK_CAP_WITH_CONTEXT") or not _has(flags, *_OF_SESSIONS)


def _events_need_sessions(flags: _Flags) -> bool:
    return _has(flags, "KEY_EX_CAP", "PSK_CAP", "PSK_CAP_WITH_CONTEXT") or not _has(flags, "EVENT_CAP")


def _clear_handshake_needs_key_exchange(flags: _Flags) -> bool:
    return _has(flags, "KEY_EX_CAP") or not _has(flags, "HANDSHAKE_IN_THE_CLEAR_CAP")


def _requester_psk_is_legal(flags: _Flags) -> bool:
    return not flags & _P.PSK_CAP_WITH_CONTEXT


def _responder_psk_is_legal(flags: _Flags) -> bool:
    return not (flags & _P.PSK_CAP and flags & _P.PSK_CAP_WITH_CONTEXT)


def _one_kind_of_key(flags: _Flags) -> bool:
    return not (_has(flags, "CERT_CAP") and _has(flags, "PUB_KEY_ID_CAP"))


def _identity(flags: _Flags) -> bool:
    return _has(flags, "CERT_CAP", "PUB_KEY_ID_CAP")


def _requester_identity_has_a_use(flags: _Flags) -> bool:
    return not _identity(flags) or _has(flags, "CHAL_CAP", "KEY_EX_CAP", "EP_INFO_CAP_SIG")


def _responder_identity_has_a_use(flags: _Flags) -> bool:
    return not _identity(flags) or _has(flags, "CHAL_CAP", "KEY_EX_CAP", "MEAS_CAP_SIG", "EP_INFO_CAP_SIG")


def _requester_proofs_need_identity(flags: _Flags) -> bool:
    return _identity(flags) or not _has(flags, "CHAL_CAP", "MUT_AUTH_CAP", "EP_INFO_CAP_SIG")


def _responder_proofs_need_identity(flags: _Flags) -> bool:
    proofs = ("CHAL_CAP", "MUT_AUTH_CAP", "KEY_EX_CAP", "MEAS_CAP_SIG", "EP_INFO_CAP_SIG")
    return _identity(flags) or not _has(flags, *proofs)


def _mutual_authentication_needs_an_exchange(flags: _Flags) -> bool:
    return not _has(flags, "MUT_AUTH_CAP") or _has(flags, "KEY_EX_CAP", "CHAL_CAP")


def _measurement_field_is_legal(flags: _Flags) -> bool:
    return not (_has(flags, "MEAS_CAP_NO_SIG") and _has(flags, "MEAS_CAP_SIG"))


def _fresh_measurements_need_measurements(flags: _Flags) -> bool:
    return not _has(flags, "MEAS_FRESH_CAP") or _has(flags, "MEAS_CAP_NO_SIG", "MEAS_CAP_SIG")


def _version_1_0_pairs(flags: _Flags) -> bool:
    if _has(flags, "MEAS_CAP_SIG"):
        return _has(flags, "CERT_CAP")
    return _has(flags, "CERT_CAP") == _has(flags, "CHAL_CAP")


def _provisioning_needs_certificates(flags: _Flags) -> bool:
    return _has(flags, "CERT_CAP") or not _has(flags, "ALIAS_CERT_CAP", "SET_CERT_CAP")


def _csr_needs_set_certificate(flags: _Flags) -> bool:
    return _has(flags, "SET_CERT_CAP") or not _has(flags, "CSR_CAP")


def _install_reset_needs_provisioning(flags: _Flags) -> bool:
    return _has(flags, "CSR_CAP", "SET_CERT_CAP") or not _has(flags, "CERT_INSTALL_RESET_CAP")


def _encapsulation_for_mutual_authentication(flags: _Flags) -> bool:
    return _has(flags, "ENCAP_CAP") or not _has(flags, "MUT_AUTH_CAP")


def _endpoint_info_field_is_legal(flags: _Flags) -> bool:
    return not (_has(flags, "EP_INFO_CAP_NO_SIG") and _has(flags, "EP_INFO_CAP_SIG"))


def _multi_key(flags: _Flags) -> bool:
    return _has(flags, "MULTI_KEY_CAP_ONLY", "MULTI_KEY_CAP_NEG")


def _multi_key_field_is_legal(flags: _Flags) -> bool:
    return not (_has(flags, "MULTI_KEY_CAP_ONLY") and _has(flags, "MULTI_KEY_CAP_NEG"))


def _multi_key_needs_certificates(flags: _Flags) -> bool:
    return not _multi_key(flags) or (_has(flags, "CERT_CAP") and not _has(flags, "PUB_KEY_ID_CAP"))


def _multi_key_needs_key_pair_info(flags: _Flags) -> bool:
    return not _multi_key(flags) or _has(flags, "GET_KEY_PAIR_INFO_CAP")


def _raw_key_excludes_key_pairs(flags: _Flags) -> bool:
    return not _has(flags, "PUB_KEY_ID_CAP") or not _has(flags, "GET_KEY_PAIR_INFO_CAP", "SET_KEY_PAIR_INFO_CAP")


def _key_pair_reset_needs_setting(flags: _Flags) -> bool:
    return not _has(flags, "SET_KEY_PAIR_RESET_CAP") or _has(flags, "SET_KEY_PAIR_INFO_CAP")


_Rule: TypeAlias = tuple[str, Callable[[_Flags], bool], range]

_FROM_1_1: Final = range(_V.V1_1, 0x100)
_FROM_1_2: Final = range(_V.V1_2, 0x100)
_FROM_1_3: Final = range(_V.V1_3, 0x100)
_FROM_1_4: Final = range(_V.V1_4, 0x100)
_ALL: Final = range(_V.V1_0, 0x100)

_OF_BOTH: Final[tuple[_Rule, ...]] = (
    ("KEY_EX_CAP and PSK_CAP need ENCRYPT_CAP or MAC_CAP", _sessions_need_protection, _FROM_1_1),
    ("what protects sessions needs KEY_EX_CAP or PSK_CAP", _protection_needs_sessions, _FROM_1_1),
    ("EVENT_CAP needs KEY_EX_CAP or PSK_CAP", _events_need_sessions, _FROM_1_3),
    ("HANDSHAKE_IN_THE_CLEAR_CAP needs KEY_EX_CAP", _clear_handshake_needs_key_exchange, _FROM_1_1),
    ("CERT_CAP and PUB_KEY_ID_CAP exclude each other", _one_kind_of_key, _FROM_1_1),
    ("MUT_AUTH_CAP needs KEY_EX_CAP or CHAL_CAP", _mutual_authentication_needs_an_exchange, _FROM_1_1),
    ("EP_INFO_CAP is none, unsigned or signed", _endpoint_info_field_is_legal, _FROM_1_3),
    ("MULTI_KEY_CAP is none, only or negotiable", _multi_key_field_is_legal, _FROM_1_3),
    ("MULTI_KEY_CAP needs CERT_CAP", _multi_key_needs_certificates, _FROM_1_3),
)

_OF_REQUESTER: Final[tuple[_Rule, ...]] = (
    *_OF_BOTH,
    ("PSK_CAP of a requester is one bit", _requester_psk_is_legal, _FROM_1_1),
    ("CERT_CAP or PUB_KEY_ID_CAP has a use", _requester_identity_has_a_use, _FROM_1_1),
    ("what is signed needs CERT_CAP or PUB_KEY_ID_CAP", _requester_proofs_need_identity, _FROM_1_1),
    ("MUT_AUTH_CAP needs ENCAP_CAP", _encapsulation_for_mutual_authentication, range(_V.V1_1, _V.V1_2)),
)

_OF_RESPONDER: Final[tuple[_Rule, ...]] = (
    *_OF_BOTH,
    ("PSK_CAP is none, without context or with it", _responder_psk_is_legal, _FROM_1_1),
    ("CERT_CAP or PUB_KEY_ID_CAP has a use", _responder_identity_has_a_use, _FROM_1_1),
    ("what is signed needs CERT_CAP or PUB_KEY_ID_CAP", _responder_proofs_need_identity, _FROM_1_1),
    ("MEAS_CAP is none, unsigned or signed", _measurement_field_is_legal, _ALL),
    ("MEAS_FRESH_CAP needs MEAS_CAP", _fresh_measurements_need_measurements, _ALL),
    ("in 1.0 CERT_CAP goes with CHAL_CAP or signed measurements", _version_1_0_pairs, range(_V.V1_0, _V.V1_1)),
    ("ALIAS_CERT_CAP and SET_CERT_CAP need CERT_CAP", _provisioning_needs_certificates, _FROM_1_2),
    ("CSR_CAP needs SET_CERT_CAP", _csr_needs_set_certificate, _FROM_1_2),
    ("CERT_INSTALL_RESET_CAP needs CSR_CAP or SET_CERT_CAP", _install_reset_needs_provisioning, _FROM_1_2),
    ("MULTI_KEY_CAP needs GET_KEY_PAIR_INFO_CAP", _multi_key_needs_key_pair_info, _FROM_1_3),
    ("PUB_KEY_ID_CAP excludes key-pair information", _raw_key_excludes_key_pairs, _FROM_1_3),
    ("SET_KEY_PAIR_RESET_CAP needs SET_KEY_PAIR_INFO_CAP", _key_pair_reset_needs_setting, _FROM_1_4),
)


def objection(version: int, flags: _Flags) -> str:
    """Return the first rule that the flags of one side break in a version, empty where they break none.

    Only bits that the version knows are to be given.
    """
    rules = _OF_REQUESTER if isinstance(flags, RequesterCapabilities) else _OF_RESPONDER
    for text, holds, versions in rules:
        if version in versions and not holds(flags):
            return text
    return ""
