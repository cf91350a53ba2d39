"""The requester's half of SPDM: one file for each phase, and `engine` that ties them together (DSP0274).

Each phase has the same two things: builders, which make a message out of an intent, and takers, which check a response
and say what it means. Both are found by table, so nothing here asks what kind of message it has.
"""

from pytio.spdm.requester.engine import Requester

__all__ = ("Requester",)
