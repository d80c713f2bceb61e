"""Goal: a person with a browser, at a desk or on a phone, sees what the cluster does while it does it.

LBD_SCREENSHOTS=DIR keeps what the browser showed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Iterator

import pytest

from lab import VIP, Lab, eventually
from lab.browser import Browser, browser_on

PORT = 9100
LISTEN = f"metrics: {{listen: '0.0.0.0:{PORT}'}}\n"
DESK, PHONE = (1200, 1500), (390, 2600)


@pytest.fixture(name="browser")
def browser_of_client(lab: Lab) -> Iterator[Browser]:
    """A browser on the client."""
    with browser_on(lab.client) as browser:
        yield browser


def keep(browser: Browser, name: str) -> None:
    """A picture for people, where one is wanted."""
    if os.environ.get("LBD_SCREENSHOTS"):
        browser.screenshot(Path(os.environ["LBD_SCREENSHOTS"]) / f"{name}.png")


def colour(browser: Browser, selector: str) -> str:
    """The background of an element as the browser paints it."""
    return browser.run(f"return getComputedStyle(document.querySelector('{selector}')).backgroundColor")


def test_status_page(lab: Lab, browser: Browser) -> None:
    """Nodes, addresses, services and events; a failover and a server that fails show by themselves; nothing is asked of others."""
    owner = lab.start(lab.config(append=LISTEN))
    peer = lab.other(owner)
    for width, height in (DESK, PHONE):
        browser.look(width, height)
        browser.open(f"http://{owner.address}:{PORT}/")
        eventually(lambda: "owns the virtual address" in browser.text("#headline"), 10.0)
        text = browser.text("body")
        for wanted in (owner.name, peer.name, VIP, "kube-api", "ingress-http", "k8s-worker-3", "10.196.35.22:6443", "leastconn"):
            assert wanted in text, wanted
        # Nothing runs over the edge, and everything can be reached by scrolling down alone.
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth"), f"wider than {width}"
    assert browser.text("#fresh").startswith("live")
    eventually(lambda: browser.run("return document.querySelector('#verdict').dataset.tone") == "good", 10.0)

    with lab.sessions(12):
        eventually(lambda: "12" in browser.text("#services .service:nth-child(2) .figures b"), 6.0)
        eventually(lambda: browser.run("return document.querySelectorAll('#services path.line[d]').length") == 3, 6.0)
        keep(browser, "phone-light")
    browser.look(*PHONE, dark=True)
    dark = colour(browser, "body")
    keep(browser, "phone-dark")
    browser.look(*DESK)
    light = colour(browser, "body")
    keep(browser, "desk-light")
    brightness = [sum(int(n) for n in re.findall(r"\d+", value)[:3]) for value in (dark, light)]
    assert brightness[0] < 150 < 600 < brightness[1], (dark, light)

    lab.masters[1].answer_with(403)
    lab.workers[0].stop()
    assert owner.lbctl("failover", "--wait").code == 0
    eventually(lambda: "stands by" in browser.text("#headline") and f"owner {peer.name}" in browser.text("#detail"), 6.0)
    eventually(lambda: "active → backup" in browser.text("#events"), 6.0)
    eventually(lambda: "without an identity" in browser.text("#problems"), 12.0)
    eventually(lambda: "2 of 3 servers take new sessions" in browser.text("#problems"), 12.0)
    browser.look(*DESK, dark=True)
    keep(browser, "desk-dark")
    assert browser.complaints() == []

    # A node that is gone is told, and what is shown then is known to be old.
    owner.sigterm()
    eventually(lambda: browser.text("#fresh").startswith("no answer for"), 10.0)
    assert browser.run("return document.body.hasAttribute('data-stale')")


def test_page_asks_nobody_else(lab: Lab) -> None:
    """One file: no other host, style, script or picture is named in it, and a policy forbids what is not."""
    node = lab.lbs[0]
    node.start(lab.config(append=LISTEN))
    page = lab.client.get(node.address, PORT).body
    assert not re.findall(r"(?:src|href)\s*=\s*['\"](?!/|data:)|url\(|@import|//[a-z0-9-]+\.[a-z]", page.replace("http://www.w3.org/2000/svg", ""))
    assert "default-src 'none'" in page
