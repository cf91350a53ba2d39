"""Say what a signature covers, and find out what a device did wrong that signs something else.

    python examples/explain_a_signature.py

The signature is from the capture that comes with pytio. The mistaken device is made up here: it signs with a key
of its own, and it does not forget the measurements of before.
"""

import json
from importlib import resources

import attrs

import pytio
from pytio.crypto import PrivateKey, SignatureAlgorithm
from pytio.spdm.mistakes import find_mistake
from pytio.spdm.proofs import Background
from pytio.spdm.signing import signing_input

data = resources.files("pytio") / "data"
secrets = json.loads((data / "bring_up.secrets.json").read_text())
with resources.as_file(data / "bring_up.pcap") as path:
    trace = pytio.open_capture(path, dhe_secret=map(bytes.fromhex, secrets["dhe_secret"]), verify=True)
    signed = [check for record in trace for check in record.checks if check.check == "MEASUREMENTS signature"]

print(signed[0].explain())

before, now = signed[0].proof, signed[1].proof
kept = tuple(piece for piece in before.pieces if piece.rule == "L")
wrong = (*before.pieces, *(piece for piece in now.pieces if piece.rule == "L"))
key = PrivateKey.generate(SignatureAlgorithm.ECDSA_P384)
message = signing_input(now.version, now.context, now.digest_of(wrong))
signature = key.sign(message.message, message.parameters(now.algorithm, now.hash_algorithm))

failed = attrs.evolve(now, key=key.public_key, value=signature, background=Background(dropped=(kept,)))
print()
print(f"{failed.what} holds: {failed.holds}; the device was mistaken: {find_mistake(failed)}")
