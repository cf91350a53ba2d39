"""Every value that the recorded peers logged of their key schedules, made again from the captured bytes.

The log is walked from top to bottom, and what the capture says has to come out in the same order: nothing may be left
over on either side. Only the shared secrets come from the log; which of them is whose is found out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import pytest

from pytio.capture import Record
from pytio.capture.conversation import Conversation, Session
from pytio.capture.dissector import Dissector
from pytio.capture.draft import Draft
from pytio.capture.secrets import SecretStore
from pytio.crypto import HashAlgorithm, Secret, digest
from pytio.spdm import algorithms
from pytio.spdm.codes import KeyUpdateOperation
from pytio.spdm.messages.algorithms import Algorithms
from pytio.spdm.messages.challenge import ChallengeAuth
from pytio.spdm.messages.key_exchange import FinishRsp, KeyExchangeRsp
from pytio.spdm.messages.measurements import Measurements
from pytio.spdm.messages.psk import PskExchangeRsp, PskFinishRsp
from pytio.spdm.messages.session import KeyUpdateAck
from pytio.spdm.transcript import Pieces, joined
from tests.capture import recorded_tcp
from tests.capture.recorded import frames, log, secrets

Entry = tuple[str, str]
Later = Callable[[], Iterator[Entry]]

COUNTS: Final = {
    "s01-doe12-p384-full": 111,
    "s02-mctp10-rsa3072-onebyone": 12,
    "s03-mctp11-p256-aes128": 94,
    "s04-mctp12-rsapss3072-ffdhe-chacha": 70,
    "s05-mctp12-chunk": 94,
    "s06-doe13-p256-provision": 64,
    "s07-doe14-p384": 89,
    "s08-doe12-psk-only": 40,
    "s09-tcp12-loopback": 70,
}
"""How many entries each log has."""

MEASURED_ELSEWHERE: Final = {"s08-doe12-psk-only": "s01-doe12-p384-full"}
"""A capture without measurements, and one of the same responder with the same algorithms."""

NOT_LOGGED: Final = "mutC"
"""The rule of the last piece that the requester's CHALLENGE_AUTH signs; test_signatures checks it."""
HASHED: Final = {
    "CHALLENGE_AUTH signature": "m1m2 hash",
    "MEASUREMENTS signature": "l1l2 hash",
    "ENDPOINT_INFO signature": "il1il2 hash",
    "KEY_EXCHANGE_RSP signature": "th_curr hash",
    "FINISH signature": "th_curr hash",
}
"""What is signed, and what the log calls the digest of that."""


class Reproduction:
    """Reads a capture and collects the entries that its log should have."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.hash_algorithm = HashAlgorithm.SHA_256
        self.parts: list[Later] = []
        self.live: dict[int, Live] = {}
        given = secrets(name)
        self.blocks: dict[int, bytes] = {}
        store = SecretStore(psk=given["psk"], dhe=given["dhe_secret"])
        is_tcp = name == recorded_tcp.NAME
        self.reader = recorded_tcp.TcpReader(store, self.signed) if is_tcp else Dissector(store, self.signed)
        for frame in recorded_tcp.frames() if is_tcp else frames(name):
            self.pending: list[Later] = []
            record = self.reader.read(frame)
            self.measure(record)
            self.follow(record)

    def entries(self) -> list[Entry]:
        """Return all entries, in order; some can only be told once the whole capture is read."""
        return [entry for part in self.parts for entry in part()]

    def signed(self, what: str, pieces: Pieces, draft: Draft) -> None:
        """Keep what was signed or MACed in the record that is being read."""
        covered = joined(pieces)
        if pieces[-1].rule == NOT_LOGGED:
            return
        if what in HASHED:
            hashed = digest(self.hash_algorithm, covered).hex()
            self.pending.append(lambda: iter([(HASHED[what], hashed)]))
        else:
            side = "request" if "Requester" in what else "response"
            session = self.newest()
            self.pending.append(lambda: iter([("th_curr hmac", finished_hmac(session, side, covered))]))

    @property
    def conversation(self) -> Conversation:
        """The one conversation of a recorded session; the endpoints may have another the other way round."""
        if isinstance(self.reader, recorded_tcp.TcpReader):
            return self.reader.conversation
        found = [flow.conversation for flow in self.reader._flows.values()]
        return next(conversation for conversation in found if conversation.negotiated is not None)

    def newest(self) -> Session:
        """Return the session that started last."""
        session = self.conversation._newest
        assert session is not None
        return session

    def measure(self, record: Record) -> None:
        """Keep the responder's measurement blocks, headers included, by index."""
        message = record.message
        if isinstance(message, Measurements) and record.session_id is None:
            self.blocks |= {block.index: block.build() for block in message.measurement_record}

    def follow(self, record: Record) -> None:
        """Add what a record leads to, in the order in which the peers log it."""
        for layer in record.layers:
            message: Any = layer.message
            if isinstance(message, Algorithms):
                self.hash_algorithm = algorithms.hash_algorithm(message.base_hash_sel)
            if isinstance(message, ChallengeAuth) and message.measurement_summary_hash:
                self.parts.append(partial(self.summary, message, has_chain=True))
            if isinstance(message, KeyExchangeRsp | PskExchangeRsp):
                self.parts.append(partial(self.summary, message))
        message = record.message
        if isinstance(message, PskExchangeRsp):
            self.start(Live(self.newest(), is_psk=True))
            self.parts += self.pending
        elif isinstance(message, KeyExchangeRsp):
            self.parts += self.pending
            self.start(Live(self.newest(), is_psk=False))
        elif isinstance(message, FinishRsp | PskFinishRsp):
            self.parts += self.pending
            self.parts.append(self.live[self.newest().session_id].data)
        elif isinstance(message, KeyUpdateAck) and message.key_operation is KeyUpdateOperation.UPDATE_ALL_KEYS:
            assert record.session_id is not None
            self.parts.append(self.live[record.session_id].update)
        else:
            self.parts += self.pending

    def start(self, live: Live) -> None:
        """Begin a session."""
        self.live[live.session.session_id] = live
        self.parts.append(live.handshake)

    def summary(self, message: Any, *, has_chain: bool = False) -> Iterator[Entry]:
        """Give the measurement summary hash, made from measurement blocks, and before it the chain's hash."""
        if has_chain:
            yield "cert_chain_hash", digest(self.hash_algorithm, self.chain()).hex()
        elsewhere = MEASURED_ELSEWHERE.get(self.name)
        blocks = Reproduction(elsewhere).blocks if elsewhere else self.blocks
        made = digest(self.hash_algorithm, b"".join(blocks[index] for index in sorted(blocks)))
        assert made == message.measurement_summary_hash
        yield "measurement_summary_hash", made.hex()

    def chain(self) -> bytes:
        """Return the responder's certificate chain in slot 0, as it was read."""
        chain = self.conversation._chains[False].chain(0)
        assert chain is not None
        return chain


class Live:
    """One session's secrets, as the log shows them."""

    def __init__(self, session: Session, *, is_psk: bool) -> None:
        self.session = session
        self.is_psk = is_psk
        self.directions: dict[str, Secret] = {}

    @property
    def keys(self) -> Any:
        """The session's keys."""
        assert self.session.keys is not None
        assert self.session.keys.has_keys
        return self.session.keys

    def handshake(self) -> Iterator[Entry]:
        """Give the entries of the handshake phase. Of a PSK session the log leaves out the secrets."""
        schedule = self.keys.schedule
        shared, handshake_secret, directions = self.keys.settled
        derive = schedule.psk_handshake_secret if self.is_psk else schedule.handshake_secret
        assert derive(shared) == handshake_secret
        yield "# session", f"{self.session.session_id:08x} handshake"
        yield "th1 hash", self.hashed(self.keys.transcript.th1())
        if not self.is_psk:
            yield "handshake_secret", shown(handshake_secret)
            yield "request_handshake_secret", shown(directions.request)
            yield "response_handshake_secret", shown(directions.response)
        yield "finished_key", shown(schedule.finished_key(directions.request))
        yield "finished_key", shown(schedule.finished_key(directions.response))
        yield from self.record_keys(directions.request)
        yield from self.record_keys(directions.response)

    def data(self) -> Iterator[Entry]:
        """Give the entries of the data phase."""
        schedule, transcript = self.keys.schedule, self.keys.transcript
        master_secret = schedule.master_secret(self.keys.settled[1])
        made = schedule.data_secrets(master_secret, bytes.fromhex(self.hashed(transcript.th2())))
        self.directions = {"Response": made.response, "Request": made.request}
        yield "# session", f"{self.session.session_id:08x} data"
        yield "th2 hash", self.hashed(transcript.th2())
        if not self.is_psk:
            yield "master_secret", shown(master_secret)
            yield "request_data_secret", shown(made.request)
            yield "response_data_secret", shown(made.response)
            yield "export_master_secret", shown(made.export_master)
        yield from self.record_keys(made.request)
        yield from self.record_keys(made.response)

    def update(self) -> Iterator[Entry]:
        """Give the entries of a key update."""
        for side, secret in self.directions.items():
            self.directions[side] = self.keys.schedule.updated_secret(secret)
            yield f"{side}DataSecretUpdate", shown(self.directions[side])
            yield from self.record_keys(self.directions[side])

    def record_keys(self, secret: Secret) -> Iterator[Entry]:
        """Give key and IV of one direction."""
        keys = self.keys.schedule.record_keys(secret)
        yield "key", shown(keys.key)
        yield "iv", shown(keys.iv)

    def hashed(self, pieces: Pieces) -> str:
        """Return the digest of a transcript."""
        return digest(self.keys.schedule.hash_algorithm, joined(pieces)).hex()


def finished_hmac(session: Session, side: str, covered: bytes) -> str:
    """Return verify data over ``covered``, under the keys that the session turned out to have."""
    keys = session.keys
    assert keys is not None
    _, _, directions = keys.settled
    key = keys.schedule.finished_key(getattr(directions, side))
    return keys.schedule.finished_hmac(key, digest(keys.schedule.hash_algorithm, covered)).hex()


def shown(secret: Secret) -> str:
    """Return a secret as the log shows it."""
    return secret.reveal().hex()


@pytest.mark.parametrize("name", COUNTS)
def test_every_logged_value_comes_out_of_the_capture(name: str) -> None:
    logged = [tuple(entry) for entry in log(name)["key_schedule"]]
    made = Reproduction(name).entries()
    for position, (entry, expected) in enumerate(zip(made, logged, strict=False)):
        assert entry == expected, f"entry {position}"
    assert len(made) == len(logged) == COUNTS[name]


def test_nothing_was_left_out() -> None:
    assert {entry for name in COUNTS for entry, _ in log(name)["key_schedule"]} == {
        *("cert_chain_hash", "measurement_summary_hash", "# session", "th1 hash", "th2 hash", "th_curr hmac"),
        *HASHED.values(),
        *("handshake_secret", "request_handshake_secret", "response_handshake_secret", "finished_key", "key", "iv"),
        *("master_secret", "request_data_secret", "response_data_secret", "export_master_secret"),
        *("RequestDataSecretUpdate", "ResponseDataSecretUpdate"),
    }
