"""Goal (F53-F58): strangers, replays and peers configured otherwise are refused by name; with a key none of them moves a role."""

from __future__ import annotations

import json
import re

import pytest

from lab import Lab, capture, eventually, forge, holds
from lab.lb import LoadBalancer
from lab.paths import program
from record import Measured
from trial import FULL, INTERVAL, SETTLE, Trial, cpu_seconds, metric, resident_kb, transitions

DATAGRAMS = 1_000_000
RATE = 100_000
PEER_PORT = 8650
UDP = 17
STRANGER = "10.196.35.99"
OTHER_VIP = "10.196.35.77"


def dropped(node: LoadBalancer, reason: str = "", name: str = "lbd_adverts_dropped_total") -> int:
    """How many adverts (or peer messages) the node has dropped, for the reason or for any."""
    if not reason:
        return int(metric(node, name))
    return int(metric(node, f'{name}{{reason="{reason}"}}'))


def vrid_of(trial: Trial, node: LoadBalancer) -> int:
    """The virtual router id in the node's adverts."""
    return eventually(lambda: next((f.data[35] for f in trial.frames.frames if f.host == node.name and f.sent and f.data[23] == 112), 0))


def overflow(node: LoadBalancer, table: str, port: int) -> int:
    """How many datagrams the node's kernel dropped because the socket was full."""
    rows = [line.split() for line in node.run("cat", f"/proc/net/{table}").splitlines()[1:]]
    return sum(int(row[-1]) for row in rows if int(row[1].rpartition(":")[2], 16) == port)


@pytest.mark.parametrize("target", ["adverts", "peer link"])
def test_f53_random_datagrams(lab: Lab, measured: Measured, target: str) -> None:
    """A million random datagrams at the owner and the backup, under the peer's and a stranger's address: all counted."""
    owner = lab.start()
    adverts = target == "adverts"
    table, port, socket = ("raw", 112, "adverts") if adverts else ("udp", PEER_PORT, "peer-link")
    counter = "lbd_adverts_dropped_total" if adverts else "lbd_peer_dropped_total"
    before = {node: (dropped(node, name=counter), resident_kb(node.pid), transitions(node), len(node.logs(10**6))) for node in lab.lbs}
    with Trial(lab, interval_ms=20) as trial:
        vrid = vrid_of(trial, owner)
        began, used = trial.now(), cpu_seconds(owner.pid)
        injectors = []
        for node in lab.lbs:
            options = ["-n", str(DATAGRAMS // 2), "-r", str(RATE // 2), "-v", str(vrid), *([] if adverts else ["-u", str(PEER_PORT)])]
            sources = ["-f", lab.other(node).address, "-f", STRANGER]
            injectors.append(lab.observer.spawn(program("tests/lab/inject"), *options, *sources, node.address, log=f"inject-{node}"))
        for injector in injectors:
            assert injector.wait(120.0) == 0
        seconds = trial.now() - began
        share = (cpu_seconds(owner.pid) - used) / seconds * 100
        sent = sum(json.loads(i.log.read_text(encoding="ascii"))["sent"] for i in injectors)
        holds(lambda: True, 1.2)
        lost = sum(overflow(node, table, port) for node in lab.lbs)
        shown = sum(int(metric(node, f'lbd_socket_overflows_total{{socket="{socket}"}}')) for node in lab.lbs)
        counted = sum(dropped(node, name=counter) - before[node][0] for node in lab.lbs)
    grown = max(resident_kb(node.pid) - before[node][1] for node in lab.lbs)
    name = f"F53 random datagrams for the {target}"
    measured(f"{name}: sent", sent, "", exactly=DATAGRAMS)
    measured(f"{name}: rate", sent / seconds, "/s")
    measured(f"{name}: dropped by a named reason", counted, "")
    measured(f"{name}: beyond what the socket holds, dropped by the kernel", lost, "")
    measured(f"{name}: of these not in the metrics", lost - shown, "", exactly=0)
    # Genuine ones may have been among those that the kernel dropped.
    genuine = len(trial.frames.adverts()) if adverts else int(2 * seconds / INTERVAL)
    measured(f"{name}: neither", sent - counted - lost, "", at_most=0, at_least=-min(genuine, lost))
    measured(f"{name}: transitions", sum(transitions(n) - before[n][2] for n in lab.lbs), "", exactly=0)
    measured(f"{name}: memory of the keeper grew by", grown, "kB", at_most=0)
    measured(f"{name}: processor of the owner's keeper", share, "%")
    measured(f"{name}: failed connections", sum(trial.failed().values()), "", exactly=0)
    lines = max(len(re.findall("dropped", n.logs(10**6)[before[n][3] :])) for n in lab.lbs)
    measured(f"{name}: lines about it", lines / seconds, "/s", at_most=1)
    assert lab.owner() is owner
    trial.check()


def test_f54_adverts_that_are_not_ours(lab: Lab, measured: Measured) -> None:
    """Without a key: a source that is no node, a time to live below 255, a wrong checksum, a cut one; each by its reason."""
    owner = lab.start(lab.config(key=False))
    peer = lab.other(owner)
    before = sum(map(transitions, lab.lbs))
    with Trial(lab) as trial, forge.Sender(lab.observer) as sender:
        vrid = vrid_of(trial, owner)
        for node in lab.lbs:
            other = lab.other(node).address
            good = forge.advert(other, node.address, vrid, 255)
            cases = {
                "source": forge.packet(STRANGER, node.address, forge.advert(STRANGER, node.address, vrid, 255)),
                "ttl": forge.packet(other, node.address, good, ttl=64),
                "checksum": forge.packet(other, node.address, forge.advert(other, node.address, vrid, 255, good=False)),
                "length": forge.packet(other, node.address, good[:-2]),
                "truncated": forge.packet(other, node.address, good[:6]),
                "vrid": forge.packet(other, node.address, forge.advert(other, node.address, vrid ^ 1, 255)),
            }
            for reason, data in cases.items():
                had = dropped(node, reason)
                for _ in range(20):
                    sender.send(data)
                eventually(lambda n=node, r=reason, h=had: dropped(n, r) == h + 20, 2.0, f"20 drops for {reason}")
        trial.served_after(trial.now() + 0.5)
    measured("F54 off list, TTL 64, bad checksum, cut: transitions", sum(map(transitions, lab.lbs)) - before, "", exactly=0)
    measured("F54 off list, TTL 64, bad checksum, cut: failed connections", sum(trial.failed().values()), "", exactly=0)
    assert trial.frames.speakers() == [owner.name] and peer.role() == "backup"
    trial.check()


def test_f55_forged_adverts_with_a_key(lab: Lab, measured: Measured) -> None:
    """Priority 255 and 0 in the name of the other node or of none, whole, cut, from afar, as good as without the key: dropped."""
    owner = lab.start()
    before = sum(map(transitions, lab.lbs))
    with Trial(lab) as trial, forge.Sender(lab.observer) as sender:
        vrid = vrid_of(trial, owner)
        for node in lab.lbs:
            had, sent, other = dropped(node), 0, lab.other(node).address
            for priority in (255, 0):
                message = forge.advert(other, node.address, vrid, priority)
                stray = forge.advert(STRANGER, node.address, vrid, priority)
                for trailer in (b"", b"\1\1\0\0" + b"\xff" * 24):
                    packets = [forge.packet(other, node.address, message + trailer, ttl=ttl) for ttl in (255, 64)]
                    packets += [forge.packet(STRANGER, node.address, stray + trailer)]
                    packets += [forge.packet(other, node.address, (message + trailer)[:-2])]
                    for packet in packets * 20:
                        sender.send(packet)
                    sent += len(packets) * 20
            eventually(lambda n=node, h=had + sent: dropped(n) == h, 2.0, "each of them counted as dropped")
        trial.served_after(trial.now() + 0.5)
    measured("F55 forged priority 255 and 0, key: transitions", sum(map(transitions, lab.lbs)) - before, "", exactly=0)
    assert trial.failed() == {} and trial.frames.speakers() == [owner.name]
    trial.check()


def test_f55_forged_adverts_without_a_key(lab: Lab, measured: Measured) -> None:
    """The known limit: the owner yields to priority 255, says so at once, and one node owns soon after it stops."""
    owner = lab.start(lab.config(key=False))
    with Trial(lab) as trial, forge.Sender(lab.observer) as sender:
        vrid = vrid_of(trial, owner)
        forged = forge.packet(lab.other(owner).address, owner.address, forge.advert(lab.other(owner).address, owner.address, vrid, 255))
        hit = trial.now()
        sender.send(forged)
        eventually(lambda: "role active -> backup reason=higher-priority" in owner.logs(100), 1.0)
        told = trial.now()

        def forge_on() -> bool:
            sender.send(forged)
            holds(lambda: True, 0.05)
            return trial.now() > hit + 1.0

        eventually(forge_on, 3.0)
        stopped = trial.now()
        trial.served_after(stopped + 1.0)
    measured("F55 forged priority 255, no key: told after", (told - hit) * 1000, "ms", at_most=100)
    measured("F55 forged priority 255, no key: one owner after the end", trial.single_after_ms(stopped), "ms", at_most=SETTLE * 1000)
    measured("F55 forged priority 255, no key: two owners", trial.arp.both_ms(), "ms", exactly=0)
    trial.check()


def test_f56_replayed_messages(lab: Lab, measured: Measured) -> None:
    """Adverts and peer messages of the owner sent again later: dropped, and they do not hide that it died."""
    owner = lab.start()
    peer = lab.other(owner)
    source = bytes(map(int, owner.address.split(".")))
    adverts = [frame[14:] for frame in capture.frames(peer, forge.VRRP_PROTOCOL, 10) if frame[26:30] == source]
    messages = [frame[14:] for frame in capture.frames(peer, UDP, 10) if frame[26:30] == source]
    # The sums of UDP were left to a device that is not there; without one, none is checked.
    messages = [data[:26] + b"\0\0" + data[28:] for data in messages]
    assert adverts and messages
    holds(lambda: True, 10.0 if FULL else 2.0)
    before = sum(map(transitions, lab.lbs))
    had = dropped(peer, "replay"), dropped(peer, "replay", "lbd_peer_dropped_total")
    with Trial(lab) as trial, forge.Sender(lab.observer) as sender:
        for data in [*adverts, *messages] * 3:
            sender.send(data)
        eventually(lambda: dropped(peer, "replay") == had[0] + 3 * len(adverts), 2.0)
        eventually(lambda: dropped(peer, "replay", "lbd_peer_dropped_total") >= had[1] + 3 * len(messages), 2.0)
        moved = sum(map(transitions, lab.lbs)) - before
        hit = trial.now()
        lab.power_off(owner.name)

        def replay() -> bool:
            for data in (adverts[-1], messages[-1]):
                sender.send(data)
            holds(lambda: True, 0.05)
            return trial.now() > hit + 1.0

        eventually(replay, 3.0)
        trial.served_after(hit + 1.0)
    measured("F56 replayed adverts and peer messages: transitions", moved, "", exactly=0)
    measured("F56 replayed while the owner loses power: outage", trial.outage_ms(), "ms", at_most=400)
    assert trial.arp.owners() == (peer.name,)
    trial.check()


@pytest.mark.parametrize("case", ["unicast", "multicast", "multicast with a key"])
def test_f57_virtual_router_id_of_another_cluster(lab: Lab, measured: Measured, case: str) -> None:
    """Another cluster on the segment uses our id for other addresses, with a lower priority: we stay, and name it."""
    key = case.endswith("key")
    append = "" if case == "unicast" else "election: {transport: multicast}\n"
    owner = lab.start(lab.config(append=append, key=key))
    before = sum(map(transitions, lab.lbs))
    with Trial(lab) as trial, forge.Sender(lab.observer) as sender:
        vrid = vrid_of(trial, owner)
        targets = [node.address for node in lab.lbs] if case == "unicast" else ["224.0.0.18"]
        hit = trial.now()

        def speak() -> bool:
            for target in targets:
                sender.send(forge.packet(lab.observer.address, target, forge.advert(lab.observer.address, target, vrid, 50, [OTHER_VIP])))
            holds(lambda: True, INTERVAL)
            return trial.now() > hit + 2.0

        eventually(speak, 4.0)
        trial.served_after(trial.now() + 0.5)
    measured(f"F57 other cluster with our id, {case}: transitions", sum(map(transitions, lab.lbs)) - before, "", exactly=0)
    named = [line for line in owner.logs(400).splitlines() if lab.observer.address in line]
    measured(f"F57 other cluster with our id, {case}: lines that name it", len(named), "", at_least=1, at_most=3)
    assert trial.failed() == {} and lab.owner() is owner
    trial.check()


def test_f58_other_vips(lab: Lab, measured: Measured) -> None:
    """The backup reloads a list with one more VIP: shown on the owner at once, told once, acted on never."""
    owner = lab.start()
    peer = lab.other(owner)
    before = sum(map(transitions, lab.lbs))
    with Trial(lab) as trial:
        peer.write_config(lab.config(replace={"vips: [10.196.35.30]": f"vips: [10.196.35.30, {OTHER_VIP}]"}))
        hit = trial.now()
        peer.sighup()
        eventually(lambda: metric(peer, "lbd_reloads_total") == 1, 2.0)
        reloaded = trial.now()
        eventually(lambda: metric(owner, "lbd_config_mismatch") == 1, 2.0)
        shown = trial.now()
        eventually(lambda: "its configuration differs" in owner.logs(100), 2.0)
        trial.served_after(hit + 1.5)
    measured("F58 other VIPs: shown after the reload", (shown - reloaded) * 1000, "ms", at_most=2000 * INTERVAL)
    measured("F58 other VIPs: transitions", sum(map(transitions, lab.lbs)) - before, "", exactly=0)
    assert owner.logs(400).count("its configuration differs") == 1
    assert owner.lbctl("status").code == 2
    trial.check(same_descriptors=False)  # another VIP, another socket that watches it


@pytest.mark.parametrize("election,reason", [("{auth: none}", "length"), ("{protocol: vrrp2, interval: 1s, auth: none}", "version")])
def test_f58_adverts_of_another_kind(lab: Lab, measured: Measured, election: str, reason: str) -> None:
    """The backup comes back with another version or authentication: the owner's adverts are dropped there by name, at once.

    That the owner lives it knows by the peer link: nothing moves, and there are never two.
    """
    owner = lab.start()
    peer = lab.other(owner)
    assert peer.sigterm() == 0
    with Trial(lab) as trial:
        peer.start(lab.config(append=f"election: {election}\n"))
        up = trial.now()
        first = eventually(lambda: next((a.at for a in trial.frames.adverts() if a.at > up), 0.0), 10.0)
        eventually(lambda: dropped(peer, reason) > 0, 2.0)
        shown = trial.now()
        eventually(lambda: metric(owner, "lbd_config_mismatch") == 1, 2.0)
        holds(lambda: peer.role() != "active", 2.0)
    measured(f"F58 {election}: reason shown after the first advert", (shown - first) * 1000, "ms", at_most=2000 * INTERVAL)
    measured(f"F58 {election}: two owners", trial.arp.both_ms(), "ms", exactly=0)
    assert owner.role() == "active" and trial.failed() == {}
    assert f"reason={reason}" in peer.logs(400)
    trial.check()


def test_f58_other_interval(lab: Lab, measured: Measured) -> None:
    """The backup runs at another interval: it follows that of the owner, as version 3 has it, and the two still show it."""
    owner = lab.start()
    peer = lab.other(owner)
    assert peer.sigterm() == 0
    with Trial(lab) as trial:
        peer.start(lab.config(append="election: {interval: 200ms}\n"))
        eventually(lambda: metric(owner, "lbd_config_mismatch") == 1, 3.0)
        holds(lambda: True, 2.0)
        assert trial.frames.speakers() == [owner.name]
        hit = trial.now()
        owner.signal_all(9)
        trial.served_after(hit + 1.0)
    measured("F58 other interval: outage when the owner is killed", trial.outage_ms(), "ms", at_most=400)
    trial.check()
