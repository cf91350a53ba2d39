"""pytio's own responder behind the emulated device: data objects in and out of ``/dev/teeio-doe``."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pytio.mock import Endpoint

__all__ = ("MOST_BYTES", "answering", "serving")

MOST_BYTES = 8192
_TICK_S = 0.05


@contextmanager
def serving(answer: Callable[[bytes], bytes | None]) -> Iterator[list[bytes]]:
    """Answer requests with ``answer`` until the block ends; None leaves one without an answer. Yields the requests."""
    descriptor = os.open("/dev/teeio-doe", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    requests: list[bytes] = []
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            if not select.select([descriptor], [], [], _TICK_S)[0]:
                continue
            try:
                request = os.read(descriptor, MOST_BYTES)
            except BlockingIOError:  # aborted meanwhile
                continue
            requests.append(request)
            response = answer(request)
            if response is not None:
                os.write(descriptor, response)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield requests
    finally:
        stop.set()
        thread.join()
        os.close(descriptor)


def answering(endpoint: Endpoint) -> Callable[[bytes], bytes | None]:
    """Return an endpoint as what `serving` asks."""

    def answer(request: bytes) -> bytes | None:
        endpoint.receive(request, now=0.0)
        return endpoint.bytes_to_send()

    return answer
