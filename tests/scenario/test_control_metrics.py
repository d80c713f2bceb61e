"""Goal: what a monitoring system may see, it sees over TCP, whole and well-formed; and nothing there changes anything."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Iterator

import pytest

from lab import Lab, eventually
from lab.lb import LoadBalancer
from lab.paths import REPOSITORY

pytestmark = pytest.mark.patient

PORT = 9100
LISTEN = f"metrics: {{listen: '0.0.0.0:{PORT}'}}\n"
RULES = REPOSITORY / "conf/prometheus/lbd.rules.yml"
RULE_TESTS = REPOSITORY / "tests/prometheus/lbd.rules.test.yml"
DASHBOARD = REPOSITORY / "conf/grafana/lbd.json"

# Absent before Linux 6.2.
NOT_EVERYWHERE = {"lbd_process_open_fds"}
# What Grafana puts in place of its variables.
VARIABLES = {"$__rate_interval": "1m", "$job": ".*", "$instance": ".*", "$service": ".*"}


def promtool(*arguments: str, stdin: str | None = None) -> tuple[int, str]:
    """Prometheus' own judge."""
    done = subprocess.run(["promtool", *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def samples(text: str) -> set[str]:
    """The names that have a sample."""
    return {match[1] for match in re.finditer(r"(?m)^(lbd_\w+)[{ ]", text)}


def expressions(value: Any) -> Iterator[str]:
    """Every expression of a dashboard: of panels, annotations and variables."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("expr", "definition") and isinstance(inner, str):
                yield inner
            else:
                yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)


def with_client_certificate(lab: Lab) -> str:
    """The lab's configuration with everything that has metrics of its own."""
    certificate = lab.authority.issue("server")
    shown = f"verify: false, cert_file: {certificate.certificate}, key_file: {certificate.key}"
    return lab.config(append=LISTEN, replace={"verify: false": shown})


def scrape(lab: Lab, node: LoadBalancer) -> str:
    """GET /metrics over TCP, once every server was checked."""
    eventually(lambda: all(s["check"]["last"] for service in node.status()["services"] for s in service["servers"]))
    return lab.client.get(node.address, PORT, "/metrics").body


def test_metrics_listener(lab: Lab) -> None:
    """metrics.listen serves metrics, health, a page and what it asks for over TCP, and nothing that changes anything."""
    node = lab.lbs[0]
    node.start(lab.config(append="metrics: {listen: 10.196.35.25:9100}\n"))

    def ask(method: str, path: str) -> tuple[int, str]:
        argv = ["curl", "-s", "-m", "3", "-X", method, "-w", "\n%{http_code}", f"http://10.196.35.25:9100{path}"]
        done = subprocess.run(["ip", "netns", "exec", lab.client.name, *argv], capture_output=True, text=True, check=False)
        body, _, code = done.stdout.rpartition("\n")
        return int(code), body

    assert "lbd_server_up{" in ask("GET", "/metrics")[1]
    assert ask("GET", "/healthz")[0] == 200
    assert ask("GET", "/")[1].startswith("<!doctype html>")
    assert {s["name"] for s in json.loads(ask("GET", "/status.json")[1])["services"]} == {"kube-api", "ingress-http", "ingress-https"}
    assert len(json.loads(ask("GET", "/events.json?n=2&follow=1")[1])["events"]) == 2
    assert ask("GET", "/v1/status")[0] == 404
    assert ask("GET", "/v1/connections")[0] == 404
    assert ask("POST", "/v1/failover")[0] == 404
    for path in ("/", "/metrics", "/status.json", "/events.json"):
        assert ask("POST", path)[0] == 405, path


def test_metrics_are_clean_and_used_as_they_are(lab: Lab, tmp_path: Path) -> None:
    """promtool finds nothing to say; every name that rules and dashboard use has a sample, and their syntax is right."""
    owner = lab.start(with_client_certificate(lab))
    eventually(lambda: samples(scrape(lab, owner)) >= {"lbd_peer_heard_age_seconds"})
    text = scrape(lab, owner)
    code, said = promtool("check", "metrics", stdin=text)
    assert (code, said) == (0, ""), said
    there = samples(text) | NOT_EVERYWHERE

    asked = list(expressions(json.loads(DASHBOARD.read_text(encoding="utf-8"))))
    assert len(asked) > 40
    for expression in [*asked, RULES.read_text(encoding="utf-8")]:
        missing = set(re.findall(r"\blbd_\w+", expression)) - there
        assert not missing, f"{expression}: there is no {missing}"

    plain = [expression for expression in asked if not expression.startswith("label_values(")]
    for variable, value in VARIABLES.items():
        plain = [expression.replace(variable, value) for expression in plain]
    rules = [{"record": f"panel:{i}", "expr": expression} for i, expression in enumerate(plain)]
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    code, said = promtool("check", "rules", str(tmp_path / "panels.yml"))
    assert code == 0 and f"{len(plain)} rules found" in said, said


def test_alerts() -> None:
    """Every alert fires on the series that mean it, and none does for a healthy cluster."""
    code, said = promtool("check", "rules", str(RULES))
    assert code == 0, said
    code, said = promtool("test", "rules", str(RULE_TESTS))
    assert code == 0, said
    alerts = set(re.findall(r"alert: (\w+)", RULES.read_text(encoding="utf-8")))
    tested = set(re.findall(r'alertname="(\w+)",alertstate="firing",', RULE_TESTS.read_text(encoding="utf-8")))
    assert alerts <= tested, f"no test lets {alerts - tested} fire"
