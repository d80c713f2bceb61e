"""Goal (F63): somebody else at the admin socket is refused, told why and logged; members of the group are not."""

from __future__ import annotations

import json

import pytest

from lab import eventually
from lab.systemd import SystemdLab
from record import Measured


@pytest.mark.systemd
def test_f63_somebody_else_at_the_admin_socket(machines: SystemdLab, measured: Measured) -> None:
    """Another user cannot reach the socket; let in by an administrator's chmod it may read and not change; members may."""
    machines.settle()
    node = machines.nodes[0]
    curl = "curl -s -m 3 -w %{http_code} -H Content-Type:application/json --unix-socket /run/lbd/lbd.sock http://lbd"
    stranger = "setpriv --reuid 54321 --regid 54321 --clear-groups"
    member = "setpriv --reuid 54321 --regid 54321 --groups $(getent group lbd | cut -d: -f3)"
    change = f"{curl}/v1/servers/kube-api/k8s-master-1 -d '{{\"weight\": 100}}'"

    def answer(who: str, what: str) -> str:
        return node.on("sh", "-c", f"{who} {what}").stdout

    assert answer(stranger, f"{curl}/healthz").endswith("000"), "the directory is closed to others"
    node.on("sh", "-c", "chmod o+x /run/lbd && chmod o+rw /run/lbd/lbd.sock")
    try:
        assert answer(stranger, f"{curl}/v1/config").endswith("200")
        refusals = [answer(stranger, change)]
        for path, body in (("/v1/failover", "{}"), ("/v1/standby", '{"on": true}'), ("/v1/reload", "{}")):
            refusals.append(answer(stranger, f"{curl}{path} -d '{body}'"))
        refusals.append(answer(stranger, f"{curl}/v1/connections/1 -X DELETE"))
        for refusal in refusals:
            assert refusal.endswith("403") and json.loads(refusal[:-3])["error"]["code"] == "forbidden", refusal
            assert "uid 54321 is neither root nor in the admin group" in refusal
        eventually(lambda: node.journal().count("api refused") >= len(refusals), 3.0)
        assert "uid=54321" in node.journal()
        assert answer(member, change).endswith("200")
        measured("F63 another user: changes refused and logged", len(refusals), "", exactly=5)
    finally:
        node.on("sh", "-c", "chmod o-x /run/lbd && chmod o-rw /run/lbd/lbd.sock")
    assert answer(stranger, f"{curl}/healthz").endswith("000")
