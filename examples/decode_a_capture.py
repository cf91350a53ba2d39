"""Decode a recorded bring-up and tell the life of its device interface.

    python examples/decode_a_capture.py

The capture and its session secrets come with pytio. With a capture of your own, give its path and your secrets to
`open_capture`.
"""

import json
from importlib import resources

import pytio
from pytio.idekm import KeyProg
from pytio.tdisp import DeviceInterfaceState

data = resources.files("pytio") / "data"
secrets = json.loads((data / "bring_up.secrets.json").read_text())

with resources.as_file(data / "bring_up.pcap") as path:
    trace = pytio.open_capture(
        path,
        psk=map(bytes.fromhex, secrets["psk"]),
        dhe_secret=map(bytes.fromhex, secrets["dhe_secret"]),
    )
    records = list(trace)

print(len(records), "records;", sum(record.is_decrypted is True for record in records), "were encrypted and are open")
for record in records[:100]:
    message = record.message
    if isinstance(message, KeyProg):
        print(f"{record.number:>4}  a link key for stream {message.stream_id}, {message.slot}")
    elif isinstance(message, DeviceInterfaceState):
        print(f"{record.number:>4}  {message.interface_id} is {message.tdi_state.name}")
