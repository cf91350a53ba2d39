"""Who may reach what in which state of an interface, and what an interface itself may send: the tables of TDISP.

Document: PCIe Base 6.x chapter 11, "TDI State Machine" and the rules for memory requests in each state. A request that
is rejected is an Unsupported Request, and changes no state. Configuration requests are answered in every state.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from pytio.tdisp import TdiState

__all__ = ("ACCEPTED", "OUTGOING", "Origin", "Outgoing", "Target", "is_accepted")


class Target(Enum):
    """What a memory request reaches."""

    TEE_MEMORY = "TEE memory"
    """Of an interface that is not locked, ordinary memory."""
    NON_TEE_MEMORY = "memory with IS_NON_TEE_MEM"
    MSI_X = "the MSI-X table or PBA, locked"
    UNLOCKED_MSI_X = "the MSI-X table or PBA, not locked"


class Origin(Enum):
    """Where a memory request comes from."""

    TVM = "T=1, on a stream that is bound to the interface"
    OTHER_TEE = "T=1, on another stream"
    ORDINARY = "T=0, or no IDE"


class Outgoing(Enum):
    """What an interface sends of its own accord."""

    MEMORY = "a memory request"
    MSI_X = "an MSI-X message, the table locked and reported"
    UNLOCKED_MSI_X = "an MSI-X message, the table not locked"


_ALL: Final = frozenset(Origin)
_NOT_TEE: Final = frozenset({Origin.ORDINARY})
_TVM_ONLY: Final = frozenset({Origin.TVM})
_NOBODY: Final[frozenset[Origin]] = frozenset()

ACCEPTED: Final[Mapping[tuple[TdiState, Target], frozenset[Origin]]] = MappingProxyType(
    {
        (TdiState.CONFIG_UNLOCKED, Target.TEE_MEMORY): _NOT_TEE,
        (TdiState.CONFIG_LOCKED, Target.TEE_MEMORY): _NOBODY,
        (TdiState.RUN, Target.TEE_MEMORY): _TVM_ONLY,
        (TdiState.ERROR, Target.TEE_MEMORY): _NOBODY,
        **{(state, Target.NON_TEE_MEMORY): _ALL for state in TdiState},
        (TdiState.CONFIG_UNLOCKED, Target.MSI_X): _NOT_TEE,
        (TdiState.CONFIG_LOCKED, Target.MSI_X): _NOBODY,
        (TdiState.RUN, Target.MSI_X): _TVM_ONLY,
        (TdiState.ERROR, Target.MSI_X): _NOBODY,
        **{(state, Target.UNLOCKED_MSI_X): _NOT_TEE for state in TdiState},
    }
)
"""From whom a memory request is answered, by the interface's state and what the request reaches."""

OUTGOING: Final[Mapping[tuple[TdiState, Outgoing], bool]] = MappingProxyType(
    {
        **{(TdiState.CONFIG_UNLOCKED, sent): False for sent in Outgoing},
        (TdiState.CONFIG_LOCKED, Outgoing.MSI_X): False,
        (TdiState.CONFIG_LOCKED, Outgoing.UNLOCKED_MSI_X): False,
        (TdiState.RUN, Outgoing.MEMORY): True,
        (TdiState.RUN, Outgoing.MSI_X): True,
        (TdiState.RUN, Outgoing.UNLOCKED_MSI_X): False,
    }
)
"""With which T an interface sends something; what is missing it must not send in that state."""


def is_accepted(state: TdiState, target: Target, origin: Origin) -> bool:
    """Say whether a memory request is answered."""
    return origin in ACCEPTED[state, target]
