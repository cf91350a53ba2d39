"""One role of ours as a process: ``python -m tests.bench.spdm_sessions respond|request PORT SESSIONS``.

A session is everything from GET_VERSION to END_SESSION: negotiation, digests, the certificate chain, which is examined,
KEY_EXCHANGE, FINISH. Both roles speak over a socket, as the emulators do, and keep nothing from one connection to the
next. The process prints the CPU seconds that it took, without those of its start.
"""

from __future__ import annotations

import sys
import time
from typing import Any, Final

from pytio.backends.bindings import MCTP
from pytio.backends.socket import SocketAddress, SocketTransport
from pytio.crypto import Certificate
from pytio.hosts import Driver, Server
from pytio.mock.example import example_config, example_endpoint
from pytio.spdm import Requester, RequesterConfig, SpdmVersion
from pytio.spdm.algorithms import AeadSuite, BaseAsymAlgo, BaseHashAlgo, DheGroup, MeasurementHashAlgo
from pytio.spdm.configuration import AlgorithmSet, Trust
from pytio.spdm.requests import Connect, LeaveSession, ReadCertificate, ReadDigests, StartSession
from pytio.spdm.secured import RECORD_FORMATS, RecordTransport
from tests.peers.identities import identity

NAMES: Final = {"asym": "ECDSA_P384", "hash": "SHA_384", "dhe": "SECP_384_R1", "aead": "AES_256_GCM"}
CHAIN: Final = identity(NAMES["asym"])
AGREED: Final[dict[str, Any]] = {
    "versions": (SpdmVersion.V1_2,),
    "algorithms": AlgorithmSet(
        hashes=(BaseHashAlgo[NAMES["hash"]],),
        measurement_hashes=(MeasurementHashAlgo[NAMES["hash"]],),
        asym=(BaseAsymAlgo[NAMES["asym"]],),
        req_asym=(BaseAsymAlgo[NAMES["asym"]],),
        pqc_asym=(),
        req_pqc_asym=(),
        dhe=(DheGroup[NAMES["dhe"]],),
        kem=(),
        aead=(AeadSuite[NAMES["aead"]],),
    ),
}


def respond(port: int) -> None:
    """Serve until the requester says that it was the last."""
    endpoint = example_endpoint(example_config(identities={0: CHAIN}, **AGREED), binding=MCTP)
    with Server(endpoint, port=port, stops_when_told=True) as server:
        server.serve()


def request(port: int, sessions: int) -> None:
    """Hold so many sessions, one after the other, each on a connection of its own."""
    config = RequesterConfig(trust=Trust(roots=(Certificate(CHAIN.root),)), **AGREED)
    requester = Requester(config, record_format=RECORD_FORMATS[RecordTransport.MCTP])
    transport = SocketTransport.open(SocketAddress("127.0.0.1", port, MCTP))
    driver = Driver(requester, transport)
    for _ in range(sessions):
        for intent in (Connect(), ReadDigests(), ReadCertificate(), StartSession()):
            driver.ask(intent)
        (number,) = requester.sessions
        driver.ask(LeaveSession(), session=number)
    transport.end(stops_peer=True)


if __name__ == "__main__":
    role, port, sessions = sys.argv[1:]
    begun = time.process_time()
    respond(int(port)) if role == "respond" else request(int(port), int(sessions))
    print(time.process_time() - begun)
