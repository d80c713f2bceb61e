"""Goal: tools split the log as lbd(8) says it is made: every line into priority, program and pairs, sessions into their fields."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lab import Lab, eventually
from lab.paths import REPOSITORY

pytestmark = pytest.mark.patient

PAGE = REPOSITORY / "conf/man/lbd.8"
LNAV = REPOSITORY / "conf/lnav/lbd.json"
GOACCESS = REPOSITORY / "conf/goaccess/lbd.conf"
CLIENTS = GOACCESS.parent / "clients.sed"
LINE = re.compile(r"<([3-7])>(lbd|lbd-proxy) (\S.*)")


def pairs(words: str) -> dict[str, str]:
    """key=value as logfmt has it: a value with blanks stands in double quotes."""
    return dict(word.split("=", 1) for word in shlex.split(words) if re.match(r"[a-z_]+=", word))


def documented_keys() -> list[str]:
    """The keys of a session line in the order that the page tells."""
    section = PAGE.read_text(encoding="utf-8").split(".Sh LOG\n")[1].split(".Sh ")[0]
    return re.findall(r"(?m)^\.It Cm (\w+)", section)


def lnav_format() -> dict[str, Any]:
    """What lnav is taught."""
    return json.loads(LNAV.read_text(encoding="utf-8"))["lbd_session"]


def test_every_line_can_be_split(lab: Lab) -> None:
    """After a start, sessions and a failover: no line that is not made as the page says, and sessions have its keys."""
    owner = lab.start(lab.config(append="log: {connections: all, level: debug}\n"))
    with lab.sessions(5):
        pass
    assert lab.client.get("10.196.35.30", 80).status == 200
    assert owner.lbctl("failover", "--wait").code == 0
    told = eventually(lambda: re.findall(r"(?m)^.*lbd-proxy (session id=.*)$", owner.log.read_text(encoding="utf-8")), 5.0)
    for node in lab.lbs:
        for line in node.log.read_text(encoding="utf-8").splitlines():
            assert LINE.fullmatch(line), line
    keys = documented_keys()
    assert len(keys) == 11
    for line in told:
        assert list(pairs(line)) == keys, line
    fields = pairs(told[-1])
    assert fields["client"].startswith("10.196.35.100:") and int(fields["out"]) > 0 and float(fields["duration_ms"]) > 0

    journal = lab.directory / "journal"
    stamped = [f"2026-11-21T15:38:00+0000 {owner.name} lbd-proxy[185]: lbd-proxy {line}\n" for line in told]
    journal.write_text("".join(stamped), encoding="ascii")
    by_lnav(journal, lab.directory, [pairs(line) for line in told])
    # The VIP of the lab has no IPv6 clients.
    told += [re.sub(r" client=\S+", f" client=[2001:db8::{n}]:{35000 + n}", told[-1]) for n in (7, 0xABC)]
    stamped += [f"2026-11-21T15:38:01+0000 {owner.name} lbd-proxy[185]: lbd-proxy {line}\n" for line in told[len(stamped) :]]
    by_goaccess("".join(stamped), lab.directory, [pairs(line) for line in told])


def by_lnav(journal: Path, home: Path, told: list[dict[str, str]]) -> None:
    """lnav, taught as lbd(8) says, has every field of every session, and the level that its end stands for."""
    query = ";SELECT id, client, service, server, bytes_in, bytes_out, end, reason, log_level FROM lbd_session"
    run = {"env": {**os.environ, "HOME": str(home), "TERM": "dumb"}, "capture_output": True, "text": True, "timeout": 30}
    subprocess.run(["lnav", "-i", str(LNAV)], check=True, **run)  # type: ignore[call-overload] # the same for both
    argv = ["lnav", "-n", "-c", query, "-c", ":write-json-to -", str(journal)]
    rows = json.loads(subprocess.run(argv, check=True, **run).stdout)  # type: ignore[call-overload]
    found = [(str(r["id"]), r["client"], r["service"], r["server"], str(r["bytes_in"]), str(r["bytes_out"]), r["end"], r["reason"]) for r in rows]
    keys = ("id", "service", "server", "in", "out", "end", "reason")
    assert [row[:1] + row[2:] for row in found] == [tuple(fields[key] for key in keys) for fields in told]
    assert [row[1] for row in found] == [fields["client"].rpartition(":")[0] for fields in told]
    assert {r["log_level"] for r in rows if r["end"] == "--"} <= {"info"}
    assert {r["log_level"] for r in rows if r["end"] == "CD"} <= {"warning"}


def by_goaccess(journal: str, directory: Path, told: list[dict[str, str]]) -> None:
    """GoAccess with the files of lbd(8) takes every line, and counts services, servers, clients and bytes."""
    report, fed = directory / "goaccess.json", directory / "sessions"
    run = {"check": True, "capture_output": True, "timeout": 30}
    edited = subprocess.run(["sed", "-E", "-f", str(CLIENTS)], input=journal.encode(), **run)  # type: ignore[call-overload] # both
    fed.write_bytes(edited.stdout)
    argv = ["goaccess", str(fed), "--no-global-config", "-p", str(GOACCESS), "-o", str(report)]
    subprocess.run(argv, **run)  # type: ignore[call-overload] # the same for both
    found = json.loads(report.read_text(encoding="utf-8"))
    assert (found["general"]["valid_requests"], found["general"]["failed_requests"]) == (len(told), 0)
    assert found["general"]["bandwidth"] == sum(int(fields["out"]) for fields in told)
    for panel, key in (("vhosts", "service"), ("requests", "server")):
        counted = {row["data"]: row["hits"]["count"] for row in found[panel]["data"]}
        assert counted == Counter(fields[key] for fields in told), panel
    hosts = {fields["client"].rpartition(":")[0].strip("[]") for fields in told}
    assert {row["data"] for row in found["hosts"]["data"]} == hosts


def test_lnav_samples() -> None:
    """Its own samples are matched, every group but lnav's own has a kind, and the levels are as said."""
    taught = lnav_format()
    pattern = re.compile(taught["regex"]["session"]["pattern"].replace("(?<", "(?P<"))
    assert set(pattern.groupindex) - {"timestamp", "body"} == set(taught["value"])
    for sample in taught["sample"]:
        found = pattern.match(sample["line"])
        assert found, sample
        assert re.search(taught["level"][sample["level"]], found["end"]), sample
    assert pattern.match(taught["sample"][1]["line"])["client"] == "[2001:db8::7]"  # type: ignore[index]
