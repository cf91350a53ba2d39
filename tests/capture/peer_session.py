"""One session between two peers: its keys, its handshake, its records and key updates."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.capture.peers import Peers


from pytio.crypto import Secret
from pytio.spdm.codes import EncapsulatedPayloadType, KeyUpdateOperation, SpdmVersion
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.messages.certificate import GetCertificate
from pytio.spdm.messages.digests import GetDigests
from pytio.spdm.messages.encapsulated import (
    DeliverEncapsulatedResponse,
    EncapsulatedRequest,
    EncapsulatedResponseAck,
    GetEncapsulatedRequest,
)
from pytio.spdm.messages.key_exchange import Finish, FinishRsp
from pytio.spdm.messages.psk import PskFinish, PskFinishRsp
from pytio.spdm.messages.session import EndSession, EndSessionAck, Heartbeat, HeartbeatAck, KeyUpdate, KeyUpdateAck
from pytio.spdm.records import Protection, RecordDirection
from pytio.spdm.secured import RecordHeader, RecordPlaintext


class PeerSession:
    """One session of the peers."""

    def __init__(self, peers: Peers, number: int, handshake_secret: Secret, th1: bytes) -> None:
        self.peers = peers
        self.number = number
        self.transcript = th1
        self.encapsulated_digests = b""
        self.is_mutual = False
        self.is_psk = False
        self._schedule = peers.terms.schedule
        self._handshake_secret = handshake_secret
        made = self._schedule.handshake_secrets(handshake_secret, peers.hashed(th1))
        self.secrets = {"request": made.request, "response": made.response}
        self.directions = self._directions()

    def _directions(self) -> dict[str, RecordDirection]:
        terms = self.peers.terms
        protection = Protection.ENCRYPT_AND_MAC if terms.is_encrypted else Protection.MAC_ONLY
        return {
            side: RecordDirection(self._schedule, secret, protection=protection, orders=(terms.sequence_order,))
            for side, secret in self.secrets.items()
        }

    def verify_data(self, side: str, covered: bytes) -> bytes:
        """Return the verify data of one side over a transcript."""
        key = self._schedule.finished_key(self.secrets[side])
        return self._schedule.finished_hmac(key, self.peers.hashed(covered))

    def establish(self) -> None:
        """Move on to the data phase."""
        master_secret = self._schedule.master_secret(self._handshake_secret)
        made = self._schedule.data_secrets(master_secret, self.peers.hashed(self.transcript))
        self.secrets = {"request": made.request, "response": made.response}
        self.directions = self._directions()

    # records

    def send(self, side: str, application_data: bytes) -> None:
        """Seal and send application data."""
        route, cipher = self.peers.route, self.directions[side].cipher
        payload = application_data
        if self.peers.terms.is_encrypted:
            padding = self.peers.nonce(self.peers.random.randrange(1, 9)) if route.sequence_bytes else b""
            payload = RecordPlaintext(application_data=application_data, random_padding=padding).build()
        header = RecordHeader(
            session_id=self.number,
            sequence_number=cipher.sequence_bytes(route.sequence_bytes),
            length=cipher.body_size(len(payload)),
        ).build()
        route.record(header + cipher.seal(header, payload), is_request=side == "request")

    def ask(self, message: SpdmMessage) -> bytes:
        """Let the requester say something inside the session; return the bytes."""
        raw = message.build()
        self.send("request", self.peers.route.inner(raw))
        return raw

    def answer(self, message: SpdmMessage) -> bytes:
        """Let the responder say something inside the session; return the bytes."""
        raw = message.build()
        self.send("response", self.peers.route.inner(raw))
        return raw

    # handshake

    def finish(self) -> PeerSession:
        """Exchange FINISH and its response, or those of a PSK session; data keys follow."""
        if self.is_psk:
            return self._finish_psk()
        terms = self.peers.terms
        finish = Finish(
            version=terms.version,
            signature_included=self.is_mutual,
            signature=b"" if self.is_mutual else None,
            requester_verify_data=b"",
        )
        if self.is_mutual:
            chain = self.peers.hashed(self.peers.requester_chain)
            parts = [("K", self.transcript), ("ED", self.encapsulated_digests), ("CM", chain), ("F", finish.build())]
            finish = finish.replace(signature=self.peers.finish_signature(parts))
            self.transcript += self.encapsulated_digests + chain
        verify_data = self.verify_data("request", self.transcript + finish.build())
        self.transcript += self._said(self.peers.ask, self.ask)(finish.replace(requester_verify_data=verify_data))
        response = FinishRsp(version=terms.version)
        if terms.is_in_the_clear:
            verify_data = self.verify_data("response", self.transcript + response.build())
            response = response.replace(responder_verify_data=verify_data)
        self.transcript += self._said(self.peers.answer, self.answer)(response)
        self.establish()
        return self

    def _said(
        self, clear: Callable[[SpdmMessage], bytes], sealed: Callable[[SpdmMessage], bytes]
    ) -> Callable[[SpdmMessage], bytes]:
        return clear if self.peers.terms.is_in_the_clear else sealed

    def _finish_psk(self) -> PeerSession:
        version = self.peers.terms.version
        if self.peers.terms.has_psk_context:
            finish = PskFinish(version=version, requester_verify_data=b"")
            verify_data = self.verify_data("request", self.transcript + finish.build())
            self.transcript += self.ask(finish.replace(requester_verify_data=verify_data))
            self.transcript += self.answer(PskFinishRsp(version=version))
            self.establish()
        return self

    def show_requester(self) -> None:
        """Let the responder ask for the requester's digests and certificate, by the encapsulated flow."""
        version, chain = self.peers.terms.version, self.peers.requester_chain
        ask, answer = self._said(self.peers.ask, self.ask), self._said(self.peers.answer, self.answer)
        digests = self.peers.digests_of(chain).build()
        ask(GetEncapsulatedRequest(version=version))
        answer(
            EncapsulatedRequest(version=version, request_id=1, encapsulated_request=GetDigests(version=version).build())
        )
        ask(DeliverEncapsulatedResponse(version=version, request_id=1, encapsulated_response=digests))
        answer(self._acknowledge(1, GetCertificate(version=version, slot_id=0, length=0xFFFF)))
        certificate = self.peers.certificate_of(chain).build()
        ask(DeliverEncapsulatedResponse(version=version, request_id=2, encapsulated_response=certificate))
        answer(self._acknowledge(2, None))
        self.encapsulated_digests = digests if self.peers.terms.is_multi_key else b""

    def _acknowledge(self, request_id: int, following: SpdmMessage | None) -> EncapsulatedResponseAck:
        return EncapsulatedResponseAck(
            version=self.peers.terms.version,
            ack_request_id=request_id if self.peers.terms.version >= SpdmVersion.V1_2 else None,
            request_id=request_id + 1 if following else 0,
            payload_type=EncapsulatedPayloadType.PRESENT if following else EncapsulatedPayloadType.ABSENT,
            encapsulated_request=following.build() if following else None,
        )

    # data

    def beat(self, times: int = 1) -> None:
        """Exchange heartbeats."""
        for _ in range(times):
            self.ask(Heartbeat(version=self.peers.terms.version))
            self.answer(HeartbeatAck(version=self.peers.terms.version))

    def update(self, *sides: str) -> None:
        """Change keys as the requester asks: of the request direction, or of both."""
        version = self.peers.terms.version
        operation = KeyUpdateOperation.UPDATE_ALL_KEYS if "response" in sides else KeyUpdateOperation.UPDATE_KEY
        self.ask(KeyUpdate(version=version, key_operation=operation, tag=1))
        if "response" in sides:
            self._change("response")
        self.answer(KeyUpdateAck(version=version, key_operation=operation, tag=1))
        self._change("request")
        self.ask(KeyUpdate(version=version, key_operation=KeyUpdateOperation.VERIFY_NEW_KEY, tag=2))
        self.answer(KeyUpdateAck(version=version, key_operation=KeyUpdateOperation.VERIFY_NEW_KEY, tag=2))

    def update_encapsulated(self) -> None:
        """Change the key of the response direction, as the responder asks."""
        version, operation = self.peers.terms.version, KeyUpdateOperation.UPDATE_KEY
        asked = KeyUpdate(version=version, key_operation=operation, tag=3)
        answered = KeyUpdateAck(version=version, key_operation=operation, tag=3)
        self.ask(GetEncapsulatedRequest(version=version))
        self.answer(EncapsulatedRequest(version=version, request_id=1, encapsulated_request=asked.build()))
        self.ask(DeliverEncapsulatedResponse(version=version, request_id=1, encapsulated_response=answered.build()))
        self._change("response")
        verify: dict[str, Any] = {"key_operation": KeyUpdateOperation.VERIFY_NEW_KEY, "tag": 4}
        self.answer(self._acknowledge(1, KeyUpdate(version=version, **verify)))
        confirmed = KeyUpdateAck(version=version, **verify).build()
        self.ask(DeliverEncapsulatedResponse(version=version, request_id=2, encapsulated_response=confirmed))
        self.answer(self._acknowledge(2, None))

    def _change(self, side: str) -> None:
        self.directions[side].update()
        self.directions[side].commit()

    def end(self) -> None:
        """Close the session."""
        self.ask(EndSession(version=self.peers.terms.version))
        self.answer(EndSessionAck(version=self.peers.terms.version))
