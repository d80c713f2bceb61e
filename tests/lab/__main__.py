"""`python3 -m lab` (from tests/): plays with the cluster by hand, in a namespace of its own."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from . import demo, topology
from .cluster import Lab
from .paths import build


def shell(guide: bool) -> int:
    """Brings the cluster up and gives a shell on the client; everything ends with the shell."""
    with Lab() as lab:
        owner = lab.start_guide() if guide else lab.start()
        print(f"The VIP {topology.VIP} is on {owner}. You are on the client; `exit` ends everything.")
        print("  curl http://10.196.35.30/                         a page through the VIP")
        if not guide:
            for balancer in lab.lbs:
                print(f"  lbctl --socket {balancer.socket} status   as {balancer} sees it")
        print("  ip netns exec k8s-lb-1 bash                       a shell on another host")
        print("  bridge -n switch link set dev k8s-lb-1 state 0    k8s-lb-1 loses power (state 3: back)")
        print(f"  logs and configurations: {lab.directory}", flush=True)
        env = {**os.environ, "PATH": f"{build()}:{os.environ['PATH']}", "PS1": "client# "}
        return subprocess.run(["ip", "netns", "exec", topology.CLIENT, "bash", "--norc"], env=env, check=False).returncode


def main() -> int:
    """Reads the command line; outside of a namespace starts itself again inside one."""
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("shell", help="the cluster with lbd on both nodes, and a shell on the client")
    commands.add_parser("guide", help="the same with HAProxy and Keepalived in place of lbd")
    commands.add_parser("demo", help="the owner of the VIP loses power under load; takes less than a minute")
    arguments = parser.parse_args()
    if os.environ.get("LBD_LAB") != "inside":
        enter = Path(__file__).with_name("enter")
        os.environ["PYTHONPATH"] = str(enter.resolve().parents[1])
        os.execv(enter, [str(enter), sys.executable, "-m", "lab", arguments.command])
    if arguments.command == "demo":
        return demo.main()
    return shell(guide=arguments.command == "guide")


if __name__ == "__main__":
    sys.exit(main())
