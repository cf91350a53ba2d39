"""The responder's half of SPDM: one file for each phase, and `engine` that ties them together (DSP0274).

Each phase has handlers, one for each request, found by table. A handler returns the response, or raises `Refusal`, and
the engine sends that ERROR.
"""

from pytio.spdm.responder.calls import NotReadyError, VendorHandler
from pytio.spdm.responder.engine import Responder

__all__ = ("NotReadyError", "Responder", "VendorHandler")
