"""From a capture to a verdict: take what a device signed of itself, write it down, read it again, and judge it.

    python examples/judge_evidence.py

The capture comes with pytio. A verifier has the trusted root from the maker of the device; here it is taken from the
chain that the device shows, which proves nothing but that everything else holds together.
"""

import json
from datetime import UTC, datetime
from importlib import resources

import pytio
from pytio.evidence import Evidence, Expectations

data = resources.files("pytio") / "data"
secrets = json.loads((data / "bring_up.secrets.json").read_text())
with resources.as_file(data / "bring_up.pcap") as path:
    trace = pytio.open_capture(
        path,
        psk=map(bytes.fromhex, secrets["psk"]),
        dhe_secret=map(bytes.fromhex, secrets["dhe_secret"]),
    )
    collected = trace.evidence()

print(len(collected), "signed measurements; the last one as JSON has", len(collected[-1].to_json()), "characters")
evidence = Evidence.from_json(collected[-1].to_json())
root = evidence.certificates[0]
at = datetime(2026, 11, 22, tzinfo=UTC)

print("\nWith the right root, at the right time, and the nonce that was chosen:")
verdict = evidence.verify([root], at=at, expectations=Expectations(nonce=evidence.nonce))
print(verdict)

print("\nWithout trust, ten years later, with another nonce and another firmware:")
expected = Expectations(nonce=bytes(32), measurements={2: bytes(48)})
print(*evidence.verify([], at=at.replace(year=2036), expectations=expected).failed, sep="\n")
