"""Goal: what a monitoring system may see, it sees over TCP, and nothing there changes anything."""

from __future__ import annotations

import subprocess

import pytest

from lab import Lab

pytestmark = pytest.mark.patient


def test_metrics_listener(lab: Lab) -> None:
    """metrics.listen serves metrics, health and a page over TCP, and nothing that changes anything."""
    node = lab.lbs[0]
    node.start(lab.config(append="metrics: {listen: 10.196.35.25:9100}\n"))

    def ask(path: str, method: str = "GET") -> tuple[int, str]:
        argv = ["curl", "-s", "-m", "3", "-X", method, "-w", "\n%{http_code}", f"http://10.196.35.25:9100{path}"]
        done = subprocess.run(["ip", "netns", "exec", lab.client.name, *argv], capture_output=True, text=True, check=False)
        body, _, code = done.stdout.rpartition("\n")
        return int(code), body

    assert "lbd_server_up{" in ask("/metrics")[1]
    assert ask("/healthz")[0] == 200
    assert "k8s-master-1" in ask("/")[1]
    assert ask("/v1/status")[0] == 404
    assert ask("/v1/failover", "POST")[0] == 404
    assert ask("/metrics", "POST")[0] == 405
