"""A capture as an object: iterate its records, or ask for one of them.

A trace holds the file's name and the secrets; records are made anew whenever it is iterated, so memory stays bounded
however large the file is. Asking for a record by its position keeps all of them from then on.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, overload

import attrs

from pytio.capture.bulk import BulkReader, Told, index_rows
from pytio.capture.dissector import Dissector
from pytio.capture.exchanges import Exchange, exchanges_of
from pytio.capture.files import read_frames
from pytio.capture.frames import LinkType
from pytio.capture.keylog import SECRETS_TYPE, KeyLog
from pytio.capture.ladder import Ladder
from pytio.capture.packet_frames import message_frames
from pytio.capture.packets import COOKED_MCTP_BYTES, cooked_mctp
from pytio.capture.pcapng import PcapngWriter
from pytio.capture.plain_records import plain_records
from pytio.capture.records import Record
from pytio.capture.secrets import SecretStore
from pytio.crypto import KeyMaterial

if TYPE_CHECKING:
    import pandas as pd

    from pytio.evidence import Evidence

__all__ = ("Trace", "open_capture")

_SPDM: Final = "SPDM_"


class _LateSecretsError(Exception):
    """Secrets come in a file after packets were passed over for lack of any."""


class _Reading:
    """One pass over a capture: what is known of its secrets."""

    def __init__(self, store: SecretStore, given: KeyLog) -> None:
        self.store = store
        self.logged = KeyLog(given)
        store.add(given)
        self._remarks: list[str] = []

    def take(self, kind: int, data: bytes) -> None:
        """Take a block of secrets from the capture; those of other programs are left alone."""
        if kind != SECRETS_TYPE:
            return
        log, problems = KeyLog.parse_what_is_there(data)
        self.logged.extend(log)
        self.store.add(log)
        self._remarks += [f"key log in the capture, {problem.path}: {problem.reason}" for problem in problems]

    @property
    def has_remarks(self) -> bool:
        """Whether the next record has something to say about the key log."""
        return bool(self._remarks)

    def remarked(self, record: Record) -> Record:
        """Return the record with what there is to say about the key log before it."""
        if not self._remarks:
            return record
        notes, self._remarks = (*record.notes, *self._remarks), []
        return attrs.evolve(record, notes=notes)


class Trace:
    """The records of one capture file, in order."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        psk: Iterable[KeyMaterial] = (),
        dhe_secret: Iterable[KeyMaterial] = (),
        kem_secret: Iterable[KeyMaterial] = (),
        secrets: str | os.PathLike[str] | KeyLog | None = None,
        link_type: int | None = None,
        port: int | None = None,
        verify: bool = False,
    ) -> None:
        """Name the file; nothing but the key log is read yet. Arguments are those of `open_capture`."""
        self.path = Path(path)
        self._psk = tuple(psk)
        self._dhe = tuple(dhe_secret)
        self._kem = tuple(kem_secret)
        self._given = KeyLog() if secrets is None else secrets if isinstance(secrets, KeyLog) else KeyLog.read(secrets)
        self._link_type = link_type
        self._port = port
        self._verify = verify
        self._records: list[Record] | None = None

    def __iter__(self) -> Iterator[Record]:
        """Yield the records, reading the file from its start.

        Raises:
            CaptureError: the file is no capture.
            OSError: the file cannot be read.
        """
        if self._records is not None:
            yield from self._records
            return
        yield from self._read(self._reading())

    def _reading(self) -> _Reading:
        return _Reading(SecretStore(psk=self._psk, dhe=self._dhe, kem=self._kem), self._given)

    def _read(self, reading: _Reading, *, verify: bool | None = None) -> Iterator[Record]:
        if self._verify if verify is None else verify:
            yield from self._read_one_by_one(reading, verify=True)
            return
        with self.path.open("rb") as stream:
            reader = self._bulk(stream, reading, reads=True, follows=True)
            for found in reader.runs():
                records = [found.record] if isinstance(found, Told) else plain_records(reader, found)
                yield from map(reading.remarked, records) if reading.has_remarks else records

    def _read_one_by_one(self, reading: _Reading, *, verify: bool = False) -> Iterator[Record]:
        """Read every message at once, as checking signatures takes the whole transcript."""
        dissector = Dissector(reading.store, verify=verify)
        with self.path.open("rb") as stream:
            frames = read_frames(stream, on_secrets=reading.take, link_type=self._link_type)
            for frame in message_frames(frames, port=self._port):
                yield reading.remarked(dissector.read(frame))

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        """Return the record at a position, from 0, or a slice of them; reads the whole file the first time."""
        return self._all()[index]

    def __len__(self) -> int:
        """Return the number of records; reads the whole file the first time."""
        return len(self._all())

    def _all(self) -> list[Record]:
        if self._records is None:
            self._records = [*iter(self)]  # not list(), which would ask for the length first
        return self._records

    def exchanges(self) -> Iterator[Exchange]:
        """Yield the records as pairs of request and response, in the order in which they are complete.

        Requests without an answer are there, too. Raises what iterating the trace raises.
        """
        return exchanges_of(self)

    def evidence(self) -> tuple[Evidence, ...]:
        """Return what the device has signed of itself: one `Evidence` for each signed MEASUREMENTS, in order.

        Each has the certificate chain as it was read before, and the TDI reports of its connection. Nothing is judged
        yet. Raises what iterating the trace raises.
        """
        from pytio.capture.collect import evidence_of  # noqa: PLC0415  few need evidence, which needs certificates

        return tuple(evidence_of(self._read(self._reading(), verify=True), self.path.name))

    def ladder(self, start: int = 0, stop: int | None = None) -> Ladder:
        """Return a picture of the records, or of those from position ``start`` up to ``stop``, counted from 0.

        It is text at a terminal, and swim lanes with the fields of each message in a notebook. Raises what iterating
        the trace raises; ValueError for a negative position.
        """
        records = list(islice(self, start, stop))
        return Ladder(records, is_whole=stop is None or len(records) < stop - start)

    def to_dataframe(self) -> pd.DataFrame:
        """Return the facts of the records' headers as a pandas data frame, one row a record, indexed by its number.

        ================  ============================================================================================
        time              time of capture, UTC, in nanoseconds
        interface         the capture's name for where it was taken
        transport         ``pci-doe``, ``mctp``, ``tcp``, ``none``; ``psp``, ``guest``, ``pcie``
        type              ``discovery``, ``spdm`` for a message in clear, ``secured`` for a record of a session, ``psp``
                          for a command, ``guest`` for a guest's exit
        direction         ``request`` or ``response``
        session_id        of the session that a record travelled in
        decrypted         whether a record of a session was opened
        version           of SPDM, such as ``1.2``
        code              of the SPDM message, the command of the PSP, the guest message
        message           its name
        carried           the layer directly inside the SPDM message: ``idekm``, ``tdisp``, ``cxl``, ``spdm``
        carried_code      of the message in it
        carried_message   that message's name
        offset            where in the file the captured bytes begin; missing for what travelled in several packets
        size              how many bytes they are
        ================  ============================================================================================

        What is not known, or not there, is a missing value. Texts are categorical. Messages are not decoded for it, so
        that what is wrong with their fields shows only in the records.

        Of a capture that begins with a TLP, the rows are its TLPs, and the columns what travels in clear of each: time,
        interface, type, ``stream_id``, ``sub_stream``, ``pr_sent_counter``, ``k``, ``m`` and ``t`` of an IDE TLP,
        ``traffic_class``, ``length_dw``, ``requester_or_completer_id``, ``address`` of a memory or I/O request outside
        of flit mode, and the size in bytes.

        Raises:
            ImportError: pandas is not installed; it comes with ``pytio[notebook]``.
            CaptureError: the file is no capture.
            OSError: the file cannot be read.
        """
        from pytio.capture.data_frame import data_frame  # noqa: PLC0415  most programs want records

        with self.path.open("rb") as stream:
            frames = read_frames(stream, link_type=self._link_type)
            first = next(frames, None)
            if first is not None and first.link_type == LinkType.USER2:
                from pytio.capture.tlp_frame import tlp_frame  # noqa: PLC0415

                return tlp_frame(chain((first,), frames))
        for follows in (False, True):
            reading = self._reading()
            with self.path.open("rb") as stream, suppress(_LateSecretsError):
                reader = self._bulk(stream, reading, reads=False, follows=follows)
                return data_frame(index_rows(reader), reader.places)
        raise AssertionError("secrets are late only where sessions are not followed")

    def _bulk(self, stream: BinaryIO, reading: _Reading, *, reads: bool, follows: bool) -> BulkReader:
        """Return a reader; without secrets, sessions need to be followed only for the messages' own sake."""
        follows = follows or bool(reading.store)

        def take(kind: int, data: bytes) -> None:
            reading.take(kind, data)
            if not follows and reading.store:
                raise _LateSecretsError

        return BulkReader(
            stream,
            reading.store,
            on_secrets=take,
            link_type=self._link_type,
            port=self._port,
            reads=reads,
            follows=follows,
        )

    def key_log(self) -> KeyLog:
        """Return the secrets that sessions of this capture have proven, each with its session; reads the whole file.

        What key logs hold beside SPDM secrets is in it, too.
        """
        reading = self._reading()
        deque(self._read(reading), maxlen=0)
        log = KeyLog(reading.store.proven)
        log.extend(entry for entry in reading.logged if not entry.kind.startswith(_SPDM))
        return log

    def save(self, path: str | os.PathLike[str], *, secrets: bool | KeyLog = False) -> None:
        """Write the captured packets as a pcapng file; over this trace's own file, too.

        Args:
            path: the file to write.
            secrets: whether the file carries, in clear, what it takes to decrypt it: True for what `key_log` finds, or
                a key log. Whoever has such a file can read everything in it.

        Raises:
            CaptureError: this trace's file is no capture.
            OSError: a file cannot be read or written.
        """
        log = (self.key_log() if secrets else None) if isinstance(secrets, bool) else secrets
        made = Path(f"{os.fspath(path)}.part")
        try:
            with made.open("wb") as target:
                self._write(PcapngWriter(target), log)
            made.replace(path)
        finally:
            made.unlink(missing_ok=True)

    def _write(self, writer: PcapngWriter, log: KeyLog | None) -> None:
        if log is not None:
            writer.write_secrets(SECRETS_TYPE, log.build())
        interfaces: dict[tuple[int, str | None], int] = {}
        with self.path.open("rb") as source:
            for frame in read_frames(source, link_type=self._link_type):
                if frame.problem is not None and not frame.data:
                    continue  # the file ends here, and nothing of the packet is there
                data, around, kind = frame.data, 0, int(frame.link_type)
                if kind == LinkType.MCTP:  # other tools have no name for DMTF's number, but for Linux' way
                    data, around, kind = cooked_mctp(data), COOKED_MCTP_BYTES, LinkType.LINUX_SLL
                place = kind, frame.interface
                if place not in interfaces:
                    interfaces[place] = writer.add_interface(*place)
                writer.write_packet(
                    data,
                    interface=interfaces[place],
                    time_ns=frame.time_ns,
                    original_size=frame.original_size + around,
                    comment=frame.comment,
                )

    def __repr__(self) -> str:
        """Name the file, and say nothing of secrets."""
        return f"<Trace {self.path.name}>"


def open_capture(
    path: str | os.PathLike[str],
    *,
    psk: Iterable[KeyMaterial] = (),
    dhe_secret: Iterable[KeyMaterial] = (),
    kem_secret: Iterable[KeyMaterial] = (),
    secrets: str | os.PathLike[str] | KeyLog | None = None,
    link_type: int | None = None,
    port: int | None = None,
    verify: bool = False,
) -> Trace:
    """Open a capture of SPDM traffic.

    Args:
        path: a pcap or pcapng file: of DOE data objects, of MCTP packets, or of a network with TCP connections.
        psk: pre-shared keys, one for each PSK session, in the order in which the sessions start.
        dhe_secret: raw Diffie-Hellman secrets, one for each session that KEY_EXCHANGE started, in order.
        kem_secret: secrets of key encapsulation, likewise.
        secrets: a key log, or the name of a file that is one; a key log inside the capture is used without being asked.
        link_type: what the packets are, whatever the file says of it.
        port: the TCP port of SPDM; without it, connections are told by what they carry.
        verify: whether to check every signature and every HMAC; the outcome is in the ``checks`` of each record.

    Raises:
        CaptureError: the file is no capture, or the key log is malformed.
        OSError: a file cannot be read.
    """
    trace = Trace(
        path,
        psk=psk,
        dhe_secret=dhe_secret,
        kem_secret=kem_secret,
        secrets=secrets,
        link_type=link_type,
        port=port,
        verify=verify,
    )
    next(iter(trace), None)  # a file that is no capture is refused here, not at the first use
    return trace
