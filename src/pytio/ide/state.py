"""What an IDE stream may become, and what each error does to it: two tables.

Document: PCIe Base 6.x chapter 6, "IDE Stream State Machine" and "IDE Errors". This file holds no state.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

import attrs

from pytio.ide.codes import AerBit, IdeError, StreamState

__all__ = ("EFFECTS", "KEY_DESTROYERS", "TRANSITIONS", "Effect", "Severity", "StreamCause")


class StreamCause(Enum):
    """What moves a stream from one state to another."""

    KEYS_COMPLETE = "every key of one key set is programmed"
    SECURED = "these keys are switched on in both directions, and the stream is enabled"
    CHECK_FAILED = "a received TLP failed a check"
    PARTNER_FAILED = "the partner sent IDE Fail"
    DISABLED = "the enable bit was cleared"
    KEY_SET_STOPPED = "K_SET_STOP of the key set in use"
    INVOCATIONS_EXHAUSTED = "the last possible IV was used"
    FUNCTION_LEVEL_RESET = "function-level reset of the function with the IDE capability"
    CONVENTIONAL_RESET = "conventional reset"
    LINK_DOWN = "the link went down"
    SESSION_ENDED = "the session that programmed the keys ended"
    REGISTERS_CHANGED = "IDE registers of the stream were written"
    TLP_BLOCKED = "access control, or something else, blocked a TLP of the stream"


_STARTS: Final = frozenset({StreamCause.KEYS_COMPLETE, StreamCause.SECURED})

TRANSITIONS: Final[Mapping[tuple[StreamState, StreamCause], StreamState]] = MappingProxyType(
    {
        (StreamState.INSECURE, StreamCause.KEYS_COMPLETE): StreamState.READY,
        (StreamState.READY, StreamCause.SECURED): StreamState.SECURE,
        **{
            (state, cause): StreamState.INSECURE
            for state in StreamState
            for cause in StreamCause
            if cause not in _STARTS
        },
    }
)
"""From a state, by a cause, to the next; what is missing does not happen. Key refresh leaves a stream Secure."""

KEY_DESTROYERS: Final = frozenset(StreamCause) - _STARTS
"""What destroys the keys: everything that makes a stream Insecure (`PCIE_A31`)."""


class Severity(Enum):
    """How AER reports an error, by default."""

    FATAL = "fatal"
    NON_FATAL = "non-fatal"


@attrs.frozen
class Effect:
    """What an error does."""

    aer_bit: AerBit | None
    """The bit of Uncorrectable Error Status; None for what IDE itself does not report."""
    severity: Severity
    is_dropped: bool
    """Whether the TLP is dropped."""
    is_insecure: bool
    """Whether the stream becomes Insecure, which its partner learns by IDE Fail."""


_CHECK_FAILED: Final = Effect(AerBit.IDE_CHECK_FAILED, Severity.FATAL, is_dropped=True, is_insecure=True)
_DROPPED: Final = Effect(None, Severity.NON_FATAL, is_dropped=True, is_insecure=False)

EFFECTS: Final[Mapping[IdeError, Effect]] = MappingProxyType(
    dict.fromkeys(IdeError, _CHECK_FAILED)
    | {
        IdeError.MISROUTED: Effect(AerBit.MISROUTED_IDE_TLP, Severity.NON_FATAL, is_dropped=True, is_insecure=False),
        IdeError.PCRC_MISMATCH: Effect(
            AerBit.PCRC_CHECK_FAILED, Severity.NON_FATAL, is_dropped=False, is_insecure=False
        ),
        IdeError.REQUESTER_OUT_OF_RANGE: _DROPPED,
        IdeError.COMPLETER_OUT_OF_RANGE: _DROPPED,
        IdeError.UNEXPECTED_COMPLETION: _DROPPED,
    }
)
"""What each error does."""
