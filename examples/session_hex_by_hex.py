"""One SPDM session, byte by byte: what goes over the wire, what it means, and what the records hold.

Nothing here is drawn at random, so it prints the same bytes each time; a real endpoint never does that.
"""

from __future__ import annotations

from pytio.crypto import LibraryProvider, Secret
from pytio.spdm import Requester, RequesterConfig, Responder, ResponderConfig, SpdmVersion, message_class
from pytio.spdm.algorithms import AeadSuite, BaseHashAlgo
from pytio.spdm.capabilities import RequesterCapabilities, ResponderCapabilities
from pytio.spdm.configuration import AlgorithmSet
from pytio.spdm.endpoint import Outgoing
from pytio.spdm.requests import Connect, Intent, KeepAlive, LeaveSession, StartPskSession
from pytio.spdm.session import Side

MOST_SHOWN = 24


class SameEachTime(LibraryProvider):
    """Draws no lots."""

    def nonce(self, size: int) -> bytes:
        """Return the same bytes each time."""
        return bytes(range(size))


KEYS = {b"hint": Secret(b"a key that both sides have held since the factory")}
ALGORITHMS = AlgorithmSet(
    hashes=(BaseHashAlgo.SHA_256,), aead=(AeadSuite.AES_256_GCM,), asym=(), pqc_asym=(), dhe=(), kem=()
)
requester = Requester(
    RequesterConfig(
        versions=(SpdmVersion.V1_2,),
        algorithms=ALGORITHMS,
        capabilities=RequesterCapabilities.PSK_CAP
        | RequesterCapabilities.ENCRYPT_CAP
        | RequesterCapabilities.MAC_CAP
        | RequesterCapabilities.HBEAT_CAP,
        pre_shared_keys=KEYS,
    ),
    provider=SameEachTime(),
)
responder = Responder(
    ResponderConfig(
        algorithms=ALGORITHMS,
        capabilities=ResponderCapabilities.PSK_CAP_WITH_CONTEXT
        | ResponderCapabilities.ENCRYPT_CAP
        | ResponderCapabilities.MAC_CAP
        | ResponderCapabilities.HBEAT_CAP,
        pre_shared_keys=KEYS,
        heartbeat_period_s=10,
    ),
    provider=SameEachTime(),
)


SAID: list[Outgoing] = []


def show(arrow: str, message: Outgoing) -> None:
    """Print a message: its name, where it is in clear, and its first bytes."""
    SAID.append(message)
    name = "record" if message.is_secured else message_class(message[1]).NAME
    more = f" ... {len(message)} bytes" if len(message) > MOST_SHOWN else ""
    print(f"{arrow} {name:22} {message[:MOST_SHOWN].hex(' ')}{more}")


def ask(request: Intent, session: int | None = None) -> None:
    """Ask, and carry messages to and fro until it is answered."""
    requester.send(request, session=session, now=0.0)
    while (message := requester.bytes_to_send()) is not None:
        show("->", message)
        responder.receive(message, now=0.0, is_secured=message.is_secured)
        while (answer := responder.bytes_to_send()) is not None:
            show("<-", answer)
            requester.receive(answer, now=0.0, is_secured=answer.is_secured)


ask(Connect())
ask(StartPskSession(hint=b"hint"))
[session] = requester.sessions.values()
print(f"session {session.session_id:#x}, request data secret {session.direction(Side.REQUEST).secret.reveal().hex()}")
ask(KeepAlive(), session.session_id)
ask(LeaveSession(), session.session_id)
