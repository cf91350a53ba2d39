"""What an endpoint can do: the flags of GET_CAPABILITIES and CAPABILITIES.

Document: DSP0274, "Capabilities request and response messages". A field of two bits has a member for each legal value
but zero. This file knows no rule between flags.
"""

from __future__ import annotations

from pytio.wire import WireFlag

__all__ = ("ExtendedCapabilities", "RequesterCapabilities", "ResponderCapabilities")


class RequesterCapabilities(WireFlag):
    """Flags of GET_CAPABILITIES, from 1.1."""

    CERT_CAP = 1 << 1
    CHAL_CAP = 1 << 2
    ENCRYPT_CAP = 1 << 6
    MAC_CAP = 1 << 7
    MUT_AUTH_CAP = 1 << 8
    KEY_EX_CAP = 1 << 9
    PSK_CAP = 1 << 10
    ENCAP_CAP = 1 << 12
    HBEAT_CAP = 1 << 13
    KEY_UPD_CAP = 1 << 14
    HANDSHAKE_IN_THE_CLEAR_CAP = 1 << 15
    PUB_KEY_ID_CAP = 1 << 16
    CHUNK_CAP = 1 << 17
    EP_INFO_CAP_NO_SIG = 1 << 22
    EP_INFO_CAP_SIG = 1 << 23
    EVENT_CAP = 1 << 25
    MULTI_KEY_CAP_ONLY = 1 << 26
    MULTI_KEY_CAP_NEG = 1 << 27
    LARGE_RESP_CAP = 1 << 31


class ResponderCapabilities(WireFlag):
    """Flags of CAPABILITIES."""

    CACHE_CAP = 1 << 0
    CERT_CAP = 1 << 1
    CHAL_CAP = 1 << 2
    MEAS_CAP_NO_SIG = 1 << 3
    MEAS_CAP_SIG = 1 << 4
    MEAS_FRESH_CAP = 1 << 5
    ENCRYPT_CAP = 1 << 6
    MAC_CAP = 1 << 7
    MUT_AUTH_CAP = 1 << 8
    KEY_EX_CAP = 1 << 9
    PSK_CAP = 1 << 10  #: without context, so without PSK_FINISH
    PSK_CAP_WITH_CONTEXT = 1 << 11
    ENCAP_CAP = 1 << 12
    HBEAT_CAP = 1 << 13
    KEY_UPD_CAP = 1 << 14
    HANDSHAKE_IN_THE_CLEAR_CAP = 1 << 15
    PUB_KEY_ID_CAP = 1 << 16
    CHUNK_CAP = 1 << 17
    ALIAS_CERT_CAP = 1 << 18
    SET_CERT_CAP = 1 << 19
    CSR_CAP = 1 << 20
    CERT_INSTALL_RESET_CAP = 1 << 21
    EP_INFO_CAP_NO_SIG = 1 << 22
    EP_INFO_CAP_SIG = 1 << 23
    MEL_CAP = 1 << 24
    EVENT_CAP = 1 << 25
    MULTI_KEY_CAP_ONLY = 1 << 26
    MULTI_KEY_CAP_NEG = 1 << 27
    GET_KEY_PAIR_INFO_CAP = 1 << 28
    SET_KEY_PAIR_INFO_CAP = 1 << 29
    SET_KEY_PAIR_RESET_CAP = 1 << 30
    LARGE_RESP_CAP = 1 << 31


class ExtendedCapabilities(WireFlag):
    """ExtFlags of GET_CAPABILITIES and CAPABILITIES, from 1.4."""

    SLOT_MGMT_CAP = 1 << 0
