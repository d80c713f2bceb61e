"""A headless Chromium on a host of the lab: pages as a person sees them, and what their scripts complain about."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Iterator

from .host import Host
from .wait import eventually

DRIVER_PORT = 9515
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


class Browser:
    """Chromium with a profile of its own; end it with `close()`."""

    def __init__(self, host: Host) -> None:
        # Here and not above: nothing but this needs the package.
        from selenium import webdriver  # pylint: disable=import-outside-toplevel
        from selenium.webdriver.chromium.remote_connection import ChromiumRemoteConnection  # pylint: disable=import-outside-toplevel

        self._host = host
        self._driver_process = host.spawn("chromedriver", f"--port={DRIVER_PORT}", log="chromedriver")
        eventually(lambda: host.connect("127.0.0.1", DRIVER_PORT, 1.0).close() is None, 20.0, "chromedriver")
        options = webdriver.ChromeOptions()
        for flag in (*_FLAGS, f"--user-data-dir={host.directory / 'chromium'}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        with host.inside():
            commands = ChromiumRemoteConnection(f"http://127.0.0.1:{DRIVER_PORT}", "goog", "chrome")
            self._driver = webdriver.Remote(commands, options=options)

    def close(self) -> None:
        """Ends the browser."""
        with contextlib.suppress(Exception), self._host.inside():
            self._driver.quit()
        self._driver_process.kill()

    def open(self, url: str) -> None:
        """Loads a page."""
        with self._host.inside():
            self._driver.get(url)

    def run(self, script: str) -> Any:
        """The value of a script, which says `return`."""
        with self._host.inside():
            return self._driver.execute_script(script)

    def text(self, selector: str) -> str:
        """The visible text of the first element that matches; empty while there is none."""
        return self.run(f"const e = document.querySelector({selector!r}); return e ? e.innerText : ''")

    def look(self, width: int, height: int, dark: bool = False) -> None:
        """The size of the window from now on, in CSS pixels, and which colours its user likes."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        with self._host.inside():
            self._driver.execute("executeCdpCommand", {"cmd": "Emulation.setDeviceMetricsOverride", "params": size})
            self._driver.execute("executeCdpCommand", {"cmd": "Emulation.setEmulatedMedia", "params": {"features": scheme}})

    def screenshot(self, file: Path) -> None:
        """The visible part of the page as a PNG."""
        with self._host.inside():
            self._driver.get_screenshot_as_file(str(file))

    def complaints(self) -> list[str]:
        """What was written to the console since the last call, and failed requests."""
        with self._host.inside():
            return [entry["message"] for entry in self._driver.get_log("browser")]


@contextlib.contextmanager
def browser_on(host: Host) -> Iterator[Browser]:
    """A browser for the block."""
    browser = Browser(host)
    try:
        yield browser
    finally:
        browser.close()
