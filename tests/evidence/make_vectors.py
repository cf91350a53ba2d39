"""Makes the files in data/: evidence of engines back to back, once and for all.

    python -m tests.evidence.make_vectors

The files stay as they are: they hold the format to what was once written. A new format gets new files beside them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pytio.spdm.codes import SpdmVersion
from pytio.spdm.requests import Measure
from tests.evidence.collected import ROOT, identified, measured

DATA: Final = Path(__file__).parent / "data"
REQUESTS: Final = {
    "all-1.1": (SpdmVersion.V1_1, (Measure(slot=0),)),
    "one-by-one-1.2": (
        SpdmVersion.V1_2,
        (Measure(0), *(Measure(index) for index in (1, 2, 0x10, 0xFD)), Measure(0xFE, slot=0)),
    ),
    "all-1.4": (SpdmVersion.V1_4, (Measure(slot=0),)),
}
"""What is asked in which version."""


def main() -> None:
    """Write the root, and evidence as JSON and as a transcript."""
    DATA.mkdir(exist_ok=True)
    pem = x509.load_der_x509_certificate(ROOT.der).public_bytes(Encoding.PEM)
    (DATA / "root.pem").write_bytes(pem)
    for name, (version, requests) in REQUESTS.items():
        evidence = measured(identified(version), *requests)
        (DATA / f"{name}.json").write_text(evidence.to_json())
        (DATA / f"{name}.transcript").write_bytes(evidence.to_transcript())


if __name__ == "__main__":
    main()
