"""Goal: tools split the log as lbd(8) says it is made: every line into priority, program and pairs, sessions into their fields."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest

from lab import Lab, eventually
from lab.paths import REPOSITORY

pytestmark = pytest.mark.patient

PAGE = REPOSITORY / "conf/man/lbd.8"
LNAV = REPOSITORY / "conf/lnav/lbd.json"
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

    pattern = re.compile(lnav_format()["regex"]["session"]["pattern"].replace("(?<", "(?P<"))
    for line in told:
        found = pattern.match(f"2026-11-21T15:38:00+0000 {owner.name} lbd-proxy[185]: lbd-proxy {line}")
        assert found, line
        assert found["server"] == pairs(line)["server"] and found["bytes_out"] == pairs(line)["out"]


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
