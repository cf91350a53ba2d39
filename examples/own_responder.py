"""A responder of one's own: other measurements, another algorithm, and a requester that checks both.

Run it: it serves itself on a socket of its own, asks, and ends.
"""

import threading

from pytio.backends.bindings import MCTP
from pytio.backends.socket import SocketAddress, SocketTransport
from pytio.crypto import Certificate, SignatureAlgorithm
from pytio.crypto.issuing import issue_chain
from pytio.hosts import Driver, Server
from pytio.mock import Endpoint
from pytio.spdm import Requester, RequesterConfig, ResponderConfig
from pytio.spdm.codes import MeasurementValueType
from pytio.spdm.configuration import KeyPair, Measurement, Slot, Trust
from pytio.spdm.events import Measured
from pytio.spdm.requests import Authenticate, Connect, Measure, ReadCertificate

identity = issue_chain(SignatureAlgorithm.ECDSA_P256, device_info="Maker:Toaster:0001")
config = ResponderConfig(
    key_pairs=(KeyPair(identity.key),),
    slots={0: Slot(identity.certificates)},
    measurements=(
        Measurement(1, MeasurementValueType.MUTABLE_FIRMWARE, b"toast 2.1", is_raw_only=True),
        Measurement(2, MeasurementValueType.FIRMWARE_CONFIGURATION, b"golden brown", is_raw_only=True),
    ),
)

with Server(Endpoint(config, binding=MCTP)) as server:
    threading.Thread(target=server.serve, daemon=True).start()
    assert MCTP.record_format is not None
    requester = Requester(
        RequesterConfig(trust=Trust(roots=(Certificate(identity.root),))), record_format=MCTP.record_format
    )
    host, port = server.address
    with Driver(requester, SocketTransport.open(SocketAddress(host, port, MCTP))) as driver:
        for intent in (Connect(), ReadCertificate(), Authenticate(), Measure(slot=0)):
            events = driver.ask(intent)
    measured = events[-1]
    assert isinstance(measured, Measured)
    assert measured.is_signed
    for block in measured.measurements.measurement_record:
        print(block.index, block.measurement.value_type.name, bytes(block.measurement.value).decode())
