"""What is tried with DMTF's emulators: each combination once with us asking, or once with us answering."""

from __future__ import annotations

from typing import Final

import attrs

from pytio.backends.bindings import BINDINGS, Binding
from pytio.spdm import SpdmVersion

__all__ = ("ANSWERING", "ASKING", "Combination")

VERSIONS: Final = {"1.0": 0x10, "1.1": 0x11, "1.2": 0x12, "1.3": 0x13, "1.4": 0x14}


@attrs.frozen
class Combination:
    """One conversation: who speaks what, and what is said."""

    name: str
    transport: str
    version_text: str
    says: str
    """Exchanges by name, as `pytio spdm` knows them; or what the emulator is to do, as its options have it."""
    hash: str = "SHA_384"
    asym: str = "ECDSA_P384"
    req_asym: str = "ECDSA_P384"
    dhe: str = "SECP_384_R1"
    aead: str = "AES_256_GCM"
    pqc: str = ""
    """The responder's post-quantum signature, in place of ``asym``."""
    kem: str = ""
    """Key encapsulation, in place of ``dhe``."""
    options: str = ""
    """More options of the emulator."""
    added: str = ""
    """Capabilities that we have beside the usual ones."""
    removed: str = ""
    """Usual capabilities that we do not have."""
    transfer_size: int | None = None
    """Our DataTransferSize."""
    mutual: str = ""
    """How we ask for mutual authentication."""
    sessions: int = 0
    """How many sessions have to be established at least."""
    refused: str = ""
    """Errors that the emulator is to meet."""
    emulator_error: str = ""
    """What the emulator complains of."""
    runs_an_interface: bool = False
    """Whether TDISP brings an interface to RUN."""

    @property
    def signature(self) -> str:
        """The responder's signature algorithm."""
        return self.pqc or self.asym

    @property
    def is_post_quantum(self) -> bool:
        """Whether it needs emulators whose OpenSSL has these algorithms, which is 3.5 or newer."""
        return bool(self.pqc)

    @property
    def binding(self) -> Binding:
        return BINDINGS[self.transport]

    @property
    def version(self) -> SpdmVersion:
        return SpdmVersion(VERSIONS[self.version_text])

    @property
    def emulator_options(self) -> list[str]:
        """The emulator's options for what is negotiated."""
        chosen = {"ver": self.version_text, "hash": self.hash, "meas_hash": self.hash, "asym": self.asym}
        chosen |= {"req_asym": self.req_asym, "dhe": self.dhe, "aead": self.aead}
        if self.is_post_quantum:
            chosen |= {"asym": "NONE", "pqc_asym": self.pqc, "dhe": "NONE", "kem": self.kem}
        words = [word for name, value in chosen.items() for word in (f"--{name}", value)]
        return words + self.options.split()


def _asking() -> tuple[Combination, ...]:
    identify = "digests certificate challenge measurements"
    session = "session heartbeat key-update measurements end-session"
    vendor = "session ide-km tdisp end-session"
    psk = "psk-session heartbeat key-update end-session"
    no_session = [Combination(f"ask-none-{version}", "none", version, identify) for version in VERSIONS]
    plain = [
        Combination(f"ask-{transport}-1.0", transport, "1.0", identify, hash="SHA_256", asym="ECDSA_P256")
        for transport in ("mctp", "pci-doe", "tcp")
    ]
    sessions = [
        Combination(f"ask-{transport}-{version}-session", transport, version, f"{identify} {session}")
        for version in ("1.1", "1.2", "1.3", "1.4")
        for transport in ("mctp", "pci-doe", "tcp")
    ]
    bring_up = [
        Combination(f"ask-pci-doe-{version}-tdisp", "pci-doe", version, vendor)
        for version in ("1.1", "1.2", "1.3", "1.4")
    ]
    with_psk = [
        Combination(f"ask-{transport}-{version}-psk", transport, version, psk, added="PSK")
        for transport, version in (("mctp", "1.1"), ("pci-doe", "1.2"), ("tcp", "1.3"), ("mctp", "1.4"))
    ]
    signatures = [
        Combination(f"ask-mctp-1.2-{asym.lower()}", "mctp", "1.2", f"{identify} {session}", asym=asym, hash=hashing)
        for asym, hashing in (
            *(("ECDSA_P256", "SHA_256"), ("ECDSA_P521", "SHA_512"), ("EDDSA_25519", "SHA_256")),
            *(("RSASSA_2048", "SHA_256"), ("RSAPSS_3072", "SHA_384"), ("RSAPSS_4096", "SHA_512")),
            ("RSASSA_3072", "SHA3_384"),
        )
        if asym != "EDDSA_25519"
    ]
    agreements = [
        Combination(f"ask-tcp-1.2-{dhe.lower()}", "tcp", "1.2", session, dhe=dhe, aead=aead, hash=hashing)
        for dhe, aead, hashing in (
            *(("FFDHE_2048", "AES_128_GCM", "SHA_256"), ("FFDHE_3072", "CHACHA20_POLY1305", "SHA3_256")),
            *(("FFDHE_4096", "AES_256_GCM", "SHA3_512"), ("SECP_256_R1", "AES_128_GCM", "SHA3_384")),
            ("SECP_521_R1", "CHACHA20_POLY1305", "SHA_512"),
        )
    ]
    clear = [
        Combination(f"ask-{transport}-{version}-clear", transport, version, session, added="HANDSHAKE_IN_THE_CLEAR")
        for transport, version in (("mctp", "1.1"), ("pci-doe", "1.2"), ("tcp", "1.4"))
    ]
    return (*no_session, *plain, *sessions, *bring_up, *with_psk, *signatures, *agreements, *clear, *_asking_more())


def _asking_more() -> tuple[Combination, ...]:
    """Mutual authentication, chunks, and what the responder asks."""
    identity = "CERT CHAL MUT_AUTH"
    mutual = [
        Combination(
            f"ask-{transport}-{version}-mutual-{way.lower()}",
            transport,
            version,
            "certificate challenge session heartbeat end-session",
            added=identity + clear,
            options=f"--mut_auth {way}",
            req_asym=req_asym,
        )
        for transport, version, way, clear, req_asym in (
            ("mctp", "1.1", "W_ENCAP", " HANDSHAKE_IN_THE_CLEAR", "ECDSA_P256"),
            ("pci-doe", "1.2", "W_ENCAP", "", "RSAPSS_3072"),
            ("tcp", "1.2", "WO_ENCAP", "", "ECDSA_P384"),
            ("mctp", "1.3", "DIGESTS", "", "ECDSA_P384"),
            ("pci-doe", "1.4", "W_ENCAP", "", "ECDSA_P521"),
            ("tcp", "1.3", "W_ENCAP", " HANDSHAKE_IN_THE_CLEAR MULTI_KEY_CAP_NEG", "ECDSA_P384"),
        )
    ]
    chunks = [
        Combination(
            f"ask-{transport}-{version}-chunks-{size}",
            transport,
            version,
            "certificate challenge measurements session measurements end-session",
            transfer_size=size,
        )
        for transport, version, size in (
            ("mctp", "1.2", 42),
            ("pci-doe", "1.3", 128),
            ("tcp", "1.4", 300),
            ("none", "1.2", 64),
        )
        if transport != "none"
    ]
    told = [
        Combination(
            f"ask-{transport}-{version}-more",
            transport,
            version,
            "measurement-log endpoint-info session measurement-log endpoint-info request-key-update their-key-update "
            "heartbeat end-session",
            added="EP_INFO_CAP_NO_SIG",
        )
        for transport, version in (("mctp", "1.3"), ("pci-doe", "1.4"))
    ]
    provisioned = [
        Combination(
            f"ask-{transport}-{version}-provision",
            transport,
            version,
            f"digests csr certificate {more}session set-certificate end-session",
            added=added,
        )
        for transport, version, more, added in (
            ("mctp", "1.2", "", ""),
            ("pci-doe", "1.3", "key-pair ", ""),
            ("tcp", "1.4", "key-pair ", ""),
        )
    ]
    quantum = [
        Combination(
            f"ask-{transport}-1.4-{pqc.lower()}",
            transport,
            "1.4",
            "digests certificate challenge session heartbeat key-update end-session",
            pqc=pqc,
            kem=kem,
        )
        for transport, pqc, kem in (
            ("mctp", "ML_DSA_44", "ML_KEM_768"),
            ("pci-doe", "ML_DSA_65", "ML_KEM_768"),
            ("tcp", "ML_DSA_87", "ML_KEM_1024"),
        )
    ]
    return (*mutual, *chunks, *told, *provisioned, *quantum)


def _answering() -> tuple[Combination, ...]:
    connection = "--exe_conn DIGEST,CERT,CHAL,MEAS --exe_session NO_END --meas_op ALL"
    session = "--exe_conn DIGEST,CERT --exe_session KEY_EX,HEARTBEAT,KEY_UPDATE,MEAS --meas_op ALL"
    psk = "--exe_conn VCA --exe_session PSK,HEARTBEAT,KEY_UPDATE"
    vendor = "--exe_conn DIGEST,CERT --exe_session KEY_EX,APP"
    sessionless = "KEY_EX PSK_CAP_WITH_CONTEXT ENCRYPT MAC HBEAT KEY_UPD HANDSHAKE_IN_THE_CLEAR MUT_AUTH ENCAP"
    plain = [
        Combination(f"answer-none-{version}", "none", version, connection, removed=sessionless) for version in VERSIONS
    ]
    plain += [
        Combination(f"answer-{transport}-1.0", transport, "1.0", connection, hash="SHA_256", asym="ECDSA_P256")
        for transport in ("mctp", "pci-doe", "tcp")
    ]
    sessions = [
        Combination(f"answer-{transport}-{version}-session", transport, version, session, sessions=1)
        for version in ("1.1", "1.2", "1.3", "1.4")
        for transport in ("mctp", "pci-doe", "tcp")
    ]
    with_psk = [
        Combination(f"answer-{transport}-{version}-psk", transport, version, psk, sessions=1)
        for transport, version in (("mctp", "1.1"), ("pci-doe", "1.2"), ("tcp", "1.3"), ("mctp", "1.4"))
    ]
    bring_up = [
        Combination(
            f"answer-pci-doe-{version}-tdisp",
            "pci-doe",
            version,
            vendor,
            sessions=1,
            refused="UNSUPPORTED_REQUEST",  # of CXL
            emulator_error="ERROR: do_app_session_via_spdm - 8001000a\nERROR: do_session_via_spdm - 8001000a\n",
            runs_an_interface=True,
        )
        for version in ("1.1", "1.2", "1.3", "1.4")
    ]
    signatures = [
        Combination(f"answer-mctp-1.2-{asym.lower()}", "mctp", "1.2", session, asym=asym, hash=hashing, sessions=1)
        for asym, hashing in (
            *(("ECDSA_P256", "SHA_256"), ("ECDSA_P521", "SHA_512"), ("RSASSA_3072", "SHA3_384")),
            *(("RSASSA_2048", "SHA_256"), ("RSAPSS_3072", "SHA_384"), ("RSAPSS_4096", "SHA_512")),
        )
    ]
    agreements = [
        Combination(
            f"answer-tcp-1.2-{dhe.lower()}", "tcp", "1.2", session, dhe=dhe, aead=aead, hash=hashing, sessions=1
        )
        for dhe, aead, hashing in (
            *(("FFDHE_2048", "AES_128_GCM", "SHA_256"), ("FFDHE_3072", "CHACHA20_POLY1305", "SHA3_256")),
            *(("FFDHE_4096", "AES_256_GCM", "SHA3_512"), ("SECP_256_R1", "AES_128_GCM", "SHA3_384")),
            ("SECP_521_R1", "CHACHA20_POLY1305", "SHA_512"),
        )
    ]
    secret = [
        Combination(
            f"answer-{transport}-{version}-secret",
            transport,
            version,
            session,
            removed="HANDSHAKE_IN_THE_CLEAR",
            sessions=1,
        )
        for transport, version in (("mctp", "1.1"), ("pci-doe", "1.2"), ("tcp", "1.4"))
    ]
    return (*plain, *sessions, *with_psk, *bring_up, *signatures, *agreements, *secret, *_answering_more())


def _answering_more() -> tuple[Combination, ...]:
    """Mutual authentication, chunks, and what we ask."""
    mutual = [
        Combination(
            f"answer-{transport}-{version}-mutual-{way.lower().replace('_', '-')}",
            transport,
            version,
            "--exe_conn DIGEST,CERT,CHAL --exe_session KEY_EX,HEARTBEAT",
            mutual=way,
            removed=removed,
            req_asym=req_asym,
            sessions=1,
        )
        for transport, version, way, removed, req_asym in (
            ("mctp", "1.1", "WITH_ENCAPSULATION", "", "ECDSA_P256"),
            ("pci-doe", "1.2", "WITH_ENCAPSULATION", "HANDSHAKE_IN_THE_CLEAR", "RSAPSS_3072"),
            ("tcp", "1.2", "WITHOUT_ENCAPSULATION", "", "ECDSA_P384"),
            ("mctp", "1.3", "WITH_DIGESTS", "", "ECDSA_P384"),
            ("pci-doe", "1.4", "WITH_ENCAPSULATION", "HANDSHAKE_IN_THE_CLEAR", "ECDSA_P521"),
        )
    ]
    chunks = [
        Combination(
            f"answer-{transport}-{version}-chunks-{size}",
            transport,
            version,
            "--exe_conn DIGEST,CERT,CHAL,MEAS --exe_session KEY_EX,MEAS --meas_op ALL",
            transfer_size=size,
            sessions=1,
        )
        for transport, version, size in (("mctp", "1.2", 42), ("pci-doe", "1.3", 128), ("tcp", "1.4", 300))
    ]
    asked = [
        Combination(
            f"answer-{transport}-{version}-more",
            transport,
            version,
            "--exe_conn DIGEST,CERT,MEL,EP_INFO --exe_session KEY_EX,KEY_UPDATE,MEL,EP_INFO --key_upd RSP",
            sessions=1,
        )
        for transport, version in (("mctp", "1.3"), ("pci-doe", "1.4"))
    ]
    provisioned = [
        Combination(
            f"answer-{transport}-{version}-provision",
            transport,
            version,
            f"--exe_conn DIGEST,CERT,{steps} --exe_session KEY_EX,{steps}",
            added=f"CSR SET_CERT {added}",
            sessions=1,
        )
        for transport, version, steps, added in (
            ("mctp", "1.2", "GET_CSR,SET_CERT", ""),
            ("pci-doe", "1.3", "GET_CSR,SET_CERT,GET_KEY_PAIR_INFO", "GET_KEY_PAIR_INFO"),
            (
                "tcp",
                "1.4",
                "GET_CSR,SET_CERT,GET_KEY_PAIR_INFO",
                "GET_KEY_PAIR_INFO MULTI_KEY_CAP_NEG",
            ),
        )
    ]
    quantum = [
        Combination(
            f"answer-{transport}-1.4-{pqc.lower()}",
            transport,
            "1.4",
            "--exe_conn CERT --exe_session KEY_EX,HEARTBEAT --slot_count 1",
            pqc=pqc,
            kem=kem,
            sessions=1,
            refused="LARGE_RESPONSE",  # in one message; it comes in chunks
        )
        for transport, pqc, kem in (
            ("mctp", "ML_DSA_44", "ML_KEM_768"),
            ("pci-doe", "ML_DSA_65", "ML_KEM_768"),
            ("tcp", "ML_DSA_87", "ML_KEM_1024"),
        )
    ]
    return (*mutual, *chunks, *asked, *provisioned, *quantum)


ASKING: Final = _asking()
ANSWERING: Final = _answering()
