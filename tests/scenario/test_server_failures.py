"""Goal: a server that dies in whatever way costs no new connection, and its sessions learn of it at once."""

from __future__ import annotations

import time

from lab import Lab, eventually, topology
from lab.host import ServerHost
from lab.probes import OpenLoop

from measure import failures, slowest_ms


def state(lab: Lab, service: str, server: str) -> str:
    """What the owner thinks of the server."""
    return lab.owner().server(service, server)["state"]


def serving(lab: Lab, load: OpenLoop) -> ServerHost:
    """The worker that answers the load: with `source` one client is always at the same one."""
    names = {connection.server for connection in load.connections()}
    assert len(names) == 1, names
    return next(worker for worker in lab.workers if worker.name in names)


def test_api_servers_powered_off_one_after_another(lab: Lab) -> None:
    """master-1 and then master-3 vanish: no connection fails, none takes longer than 300 ms."""
    lab.start()
    with lab.openloop(topology.API_PORT, mode="any") as load:
        eventually(lambda: len(load.connections()) >= 100)
        for master in ("k8s-master-1", "k8s-master-3"):
            cut = time.monotonic()
            lab.power_off(master)
            eventually(lambda m=master: state(lab, "kube-api", m) == "down", 12.0)
            assert failures(load, cut) == []
            assert slowest_ms(load, cut) <= 300
        load.succeeds_after(time.monotonic())


def test_worker_powered_off(lab: Lab) -> None:
    """A worker vanishes under HTTP load: no failed connection, none slower than 300 ms, and it comes back by itself."""
    lab.start()
    with lab.openloop() as load:
        eventually(lambda: len(load.connections()) >= 100)
        worker = serving(lab, load).name
        fault = lab.power_off(worker)
        # What begins while the power goes may be half-way then.
        cut = time.monotonic()
        eventually(lambda: state(lab, "ingress-http", worker) == "down", 12.0)
        load.succeeds_after(time.monotonic())
        fault.heal()
        eventually(lambda: state(lab, "ingress-http", worker) == "up", 12.0)
    assert failures(load, cut) == []
    assert slowest_ms(load, cut) <= 300


def test_server_process_killed_and_back(lab: Lab) -> None:
    """nginx of a worker is killed: refused connections go elsewhere, nothing fails; after a restart it is used again."""
    lab.start()
    with lab.openloop() as load:
        eventually(lambda: len(load.connections()) >= 100)
        worker = serving(lab, load)
        killed = time.monotonic()
        worker.stop()
        gone = time.monotonic()
        eventually(lambda: state(lab, "ingress-http", worker.name) == "down", 12.0)
        worker.start()
        eventually(lambda: state(lab, "ingress-http", worker.name) == "up", 12.0)
        load.succeeds_after(time.monotonic())
    assert failures(load, killed, gone) == []


def test_sessions_of_a_dead_server_are_reset(lab: Lab) -> None:
    """Idle sessions on a server that vanished are reset once it is down; the others stay."""
    lab.start()
    with lab.sessions(30) as sessions:
        worker = next(w.name for w in lab.workers if lab.owner().server("ingress-http", w.name)["sessions"])
        doomed = lab.owner().server("ingress-http", worker)["sessions"]
        lab.power_off(worker)
        eventually(lambda: state(lab, "ingress-http", worker) == "down", 12.0)
        eventually(lambda: sessions.broken_so_far() == doomed, 2.0)
    assert len(sessions.broken()) == doomed


def test_server_that_answers_wrongly_is_not_ready(lab: Lab) -> None:
    """An API server that says 500 gets no new sessions, keeps its old ones, and is up again when it says 200."""
    lab.start()
    master = lab.masters[0]
    with lab.openloop(topology.API_PORT, mode="connect") as load:
        master.answer_with(500)
        eventually(lambda: state(lab, "kube-api", master.name) == "not-ready", 12.0)
        master.answer_with(403)
        eventually(lambda: state(lab, "kube-api", master.name) == "up", 12.0)
        master.answer_with(None)
        eventually(lambda: lab.owner().server("kube-api", master.name)["check"]["result"] == "200", 12.0)
    assert load.result().failures == {}


def test_all_servers_down_refuses_at_once_and_moves_nothing(lab: Lab) -> None:
    """No API server anywhere: clients are refused at once, the VIP stays; when one is back it serves again."""
    owner = lab.start()
    for master in lab.masters:
        master.stop()
    for master in lab.masters:
        eventually(lambda m=master: state(lab, "kube-api", m.name) == "down", 12.0)
    began = time.monotonic()
    with lab.openloop(topology.API_PORT, mode="banner") as load:
        eventually(lambda: len(load.connections()) >= 20)
    assert set(load.result().failures) <= {"reset", "refused"}
    assert slowest_ms(load, began) <= 300
    assert lab.owner() is owner and owner.role() == "active"
    lab.masters[1].start()
    eventually(lambda: lab.client.get(topology.VIP, topology.API_PORT, "/readyz", True).body == "ok", 12.0)
