"""Evidence: what a device has signed of itself, with everything it takes to judge it later and elsewhere.

`Evidence` holds the certificate chain, the signed messages, the signature and, where there are any, the reports of
device interfaces; it comes from a capture, from a requester, or from a file, and keeps where each part came from. Its
native form is DMTF's standard measurement transcript. ``verify`` judges it in steps, each with reason and section.
"""

from pytio.evidence.evidence import Evidence
from pytio.evidence.messages import Measured, TranscriptForm
from pytio.evidence.steps import Step, Verdict
from pytio.evidence.verification import Expectations

__all__ = ("Evidence", "Expectations", "Measured", "Step", "TranscriptForm", "Verdict")
