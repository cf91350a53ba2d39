"""Opening the secured records of an index one after the other, on OpenSSL's EVP."""

from pytio._accel.pure_openers import AnySessionOpener

class RecordTable:
    """The sessions whose records can be opened."""

    def set(self, sessions: list[tuple[int, int, AnySessionOpener | None]]) -> None:
        """Name the sessions: flow, session id, and what opens them; None where that happens elsewhere.

        Other than compiled openers count as None.
        """

    def open_rows(
        self, data: bytes, rows: bytearray, first: int, count: int, stops: bytes, plain: bytearray, plain_at: int
    ) -> tuple[int, int, int]:
        """Go through rows from ``first`` on, and open what can be opened.

        Returns the row at which the run ended, how far ``plain`` is filled, and why it ended. Rows say what was found
        in them; ``plain`` takes the messages. Raises ValueError where rows point outside of ``data``.
        """
