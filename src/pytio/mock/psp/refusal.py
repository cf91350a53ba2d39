"""A status other than success, on its way out of a command."""

from __future__ import annotations

from pytio.sev.codes import SevStatus

__all__ = ("Refused",)


class Refused(Exception):  # noqa: N818  it is an answer, and never leaves this package
    """The command ends with a status; what it has not done yet stays undone."""

    def __init__(self, status: SevStatus, why: str = "") -> None:
        """Name the status, and for whoever debugs a client, why."""
        super().__init__(status, why)
        self.status = status
        self.why = why

    def __str__(self) -> str:
        """Say both."""
        return f"{self.status.name}: {self.why}" if self.why else self.status.name
