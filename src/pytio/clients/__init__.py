"""Clients: what an administrator or a driver wants, as plans of actions. They call nobody and perform no I/O.

A plan is a generator that yields the next action and is sent its outcome; `pytio.hosts` performs the actions. So a
rollback is a ``try``, and a test sends outcomes in and looks at the actions.
"""

from pytio.clients.tsm import GivenEvidence, PortSight, Sight, Tsm, Witness

__all__ = ("GivenEvidence", "PortSight", "Sight", "Tsm", "Witness")
