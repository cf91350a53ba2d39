"""What opens the records of a session, on OpenSSL's EVP."""

class RecordOpener:
    """Opens the records of one direction under one key, and counts them.

    Attributes:
        sequence: the number of the next record.
        orders: the orders of numbers that are still possible, as bits; a record other than the first settles them.
        is_encrypted: whether records are encrypted, and not only authenticated.
    """

    def __init__(self, cipher: str, key: bytes, iv: bytes, is_encrypted: bool, orders: int, sequence: int = 0) -> None:
        """Take a key of the AEAD that OpenSSL calls ``cipher``, and an IV of 12 bytes.

        Raises NotImplementedError where this OpenSSL does not offer it, ValueError where key, IV or orders do not fit.
        """

    @property
    def sequence(self) -> int: ...
    @property
    def orders(self) -> int: ...
    @property
    def is_encrypted(self) -> bool: ...
    def open(self, header: bytes, body: bytes, sequence: int | None = None) -> bytes | None:
        """Return the payload of the next record, or of the one with this number, and go on from there.

        None if it does not open, in which case nothing changes.
        """

class SessionOpener:
    """Both directions of a session: 0 is what the requester sends, 1 what the responder sends.

    Attributes:
        expected: the side that is tried first.
        failures: how many records in a row did not open; counted outside, and reset when one does.
    """

    expected: int
    failures: int

    def __init__(self, request: RecordOpener, response: RecordOpener) -> None:
        """Take what opens the two sides."""

    def __getitem__(self, side: int) -> RecordOpener:
        """Return what opens the records of one side."""

    def __setitem__(self, side: int, opener: RecordOpener) -> None:
        """Let a side go on under another key."""

    def open(self, header: bytes, body: bytes, low: bytes) -> tuple[int, bytes] | None:
        """Open a record that is the next one of either side; return the side and the payload, or None.

        ``low`` holds the low bytes of its number, if its header carries any.
        """
