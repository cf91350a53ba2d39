"""A headless browser that looks at a page: over its DevTools pipe, which needs nothing but a process and two files.

Messages are JSON, a zero byte after each; what is asked has an id, what is told has none (Chrome DevTools Protocol).
"""

from __future__ import annotations

import base64
import fcntl
import io
import json
import os
import select
import shutil
import signal
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

__all__ = ("Page", "browser", "opened_page")

PROGRAMS: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
OPTIONS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1150,760",
    "--remote-debugging-pipe",
)
SECONDS: Final = 60
"""How long the browser may be silent."""
ALARMS: Final[dict[str, Callable[[Any], str]]] = {
    "Runtime.exceptionThrown": lambda told: told["exceptionDetails"]["text"],
    "Runtime.consoleAPICalled": lambda told: f"console.{told['type']}",
    "Log.entryAdded": lambda told: told["entry"]["text"],
    "Network.requestWillBeSent": lambda told: told["request"]["url"],
}
"""Events that a page of ours must not cause, and what they tell; the first request is for the page itself."""


class Page:
    """One page in the browser.

    Attributes:
        alarms: errors of scripts and of the page, what it wrote to the console, what it loaded.
    """

    def __init__(self, asks: io.FileIO, answers: io.FileIO) -> None:
        self._asks, self._answers = asks, answers
        self._asked = 0
        self._session: str | None = None
        self._rest = b""
        self._seen: list[str] = []
        self.alarms: list[str] = []

    def open(self, url: str) -> None:
        """Go to a page, and wait until it has loaded."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.ask("Page.navigate", url=url)
        while "Page.loadEventFired" not in self._seen:
            self._hear()
        self.alarms.remove(url)  # the page itself

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the browser, and return what it answers."""
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._asks.write(json.dumps(message).encode() + b"\0")
        while True:
            said = self._hear()
            if said.get("id") == self._asked:
                assert "error" not in said, said
                result: dict[str, Any] = said["result"]
                return result

    def _hear(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], SECONDS)
            assert ready, f"the browser said nothing for {SECONDS} seconds"
            more = self._answers.read(1 << 20)
            assert more, "the browser is gone"
            self._rest += more
        raw, _, self._rest = self._rest.partition(b"\0")
        said: dict[str, Any] = json.loads(raw)
        method = said.get("method", "")
        self._seen.append(method)
        if method in ALARMS:
            self.alarms.append(ALARMS[method](said["params"]))
        return said

    def close(self) -> None:
        """Let the browser end, and wait until it has."""
        self._asks.write(b'{"id": 0, "method": "Browser.close"}\0')
        while select.select([self._answers], [], [], SECONDS)[0] and self._answers.read(1 << 20):
            pass

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        said = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def point_at(self, x: float, y: float) -> None:
        """Let the pointer rest on a place of the window."""
        self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def screenshot(self, width: int, height: int) -> bytes:
        """Return a PNG of the upper left of the window."""
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png", clip=clip)["data"])


def browser() -> str:
    """Return the browser's program; skip the test where there is none."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.skip("no headless browser is installed: apt-get install chromium-headless-shell")
    return found


@contextmanager
def opened_page(html: str, folder: Path) -> Iterator[Page]:
    """Show HTML in a browser with a profile of its own, and stop the browser afterwards."""
    file = folder / "page.html"
    file.write_text(html)
    ends = [*os.pipe(), *os.pipe()]
    asked, asks, answers, answered = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    deque(map(os.close, ends), maxlen=0)
    program = browser()
    process = os.posix_spawn(
        program,
        [program, *OPTIONS, f"--user-data-dir={folder / 'profile'}"],
        os.environ,
        file_actions=[
            *((os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)),
            (os.POSIX_SPAWN_DUP2, asked, 3),  # where the browser looks for its pipes
            (os.POSIX_SPAWN_DUP2, answered, 4),
        ],
    )
    os.close(asked)
    os.close(answered)
    try:
        with os.fdopen(asks, "wb", buffering=0) as to_browser, os.fdopen(answers, "rb", buffering=0) as from_browser:
            page = Page(to_browser, from_browser)
            page.open(file.as_uri())
            yield page
            page.close()
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
