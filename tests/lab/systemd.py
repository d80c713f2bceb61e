"""Load balancers that are whole machines: each boots a real systemd, which starts, watches and stops lbd as in production.

Needs root (not only that of a user namespace): `LBD_LAB_ROOT=1 tests/lab/enter COMMAND`; `missing()` says what is in the way.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import textwrap
import time
from pathlib import Path
from typing import Callable, Mapping

from . import netns, package, sanitizer, topology
from .cluster import Lab
from .lb import LoadBalancer, Result
from .netns import command
from .process import Process, kill_all, tail
from .wait import NotYet, eventually

BOOT = Path(__file__).parent / "systemd-boot"
BOOT_TIMEOUT = 20.0
CONFIG = "/etc/lbd/lbd.yaml"
KEY = "/etc/lbd/cluster.key"
UNIT = "lbd.service"

# What of Debian's multi-user.target has no work in here.
MASKED = (
    "getty.target systemd-logind.service systemd-networkd.service systemd-timesyncd.service systemd-resolved.service"
    " systemd-udevd.service systemd-udev-trigger.service systemd-update-utmp.service systemd-update-utmp-runlevel.service"
    " systemd-random-seed.service systemd-user-sessions.service e2scrub_reap.service nginx.service haproxy.service"
    " keepalived.service etcd.service etcd-server.service apt-daily.timer apt-daily-upgrade.timer remote-fs.target"
    " ssh.service cron.service rsyslog.service networking.service ifupdown-pre.service systemd-firstboot.service"
).split()

# The machine's network is brought up by a service, as ifupdown and networkd do it, a while after the boot began.
NETWORK = """\
[Unit]
Description=Network of the machine
DefaultDependencies=no
Before=network.target network-online.target shutdown.target
Wants=network.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sleep 0.3
ExecStart=ip link set lo up
ExecStart=ip link set {interface} up
ExecStart=ip address replace {address}/24 brd + dev {interface}
ExecStop=ip address del {address}/24 dev {interface}
ExecStop=ip link set {interface} down

[Install]
WantedBy=multi-user.target network-online.target
"""

def missing() -> str:
    """Why a systemd cannot be booted here, empty where it can."""
    if os.environ.get("LBD_LAB_ROOT") != "1":
        return "booting systemd needs root: run this as root with LBD_LAB_ROOT=1 tests/lab/enter"
    if Path("/proc/self/uid_map").read_text(encoding="ascii").split() != ["0", "0", "4294967295"]:
        return "booting systemd needs root of the machine, not of a user namespace"
    if sanitizer.active():
        return "the unit's sandbox refuses what a sanitizer needs"
    if not Path("/lib/systemd/systemd").exists():
        return "this machine has no systemd to boot"
    if not any(Path(f"/sys/fs/cgroup/{name}").exists() for name in ("cgroup.procs", "unified/cgroup.procs")):
        return "this machine has no control groups of version 2"
    return package.missing()


class SystemdNode(LoadBalancer):
    """A load balancer with a systemd of its own; only systemctl, journalctl and lbctl are used on it."""

    def __init__(self, name: str, directory: Path, config: Callable[[], str]) -> None:
        super().__init__(name, directory, config)
        self.machine: Process | None = None
        self.tree = self.directory / "tree"
        self.files = self.directory / "machine"
        self.console = self.directory / "boot.log"

    # The machine

    def prepare(self, key: bytes) -> None:
        """Makes the tree of the machine: its network and nothing else to start, what people write into /etc/lbd, no lbd."""
        self.files.mkdir()
        system = self.tree / "etc/systemd/system"
        system.mkdir(parents=True)
        network = NETWORK.format(interface=topology.INTERFACE, address=self.address)
        (system / "lab-network.service").write_text(network, encoding="ascii")
        # As Debian has it for ifupdown; network-online.target itself is up to who wants it.
        for target in ("network-online", "multi-user"):
            (system / f"{target}.target.wants").mkdir()
            (system / f"{target}.target.wants/lab-network.service").symlink_to("/etc/systemd/system/lab-network.service")
        for unit in MASKED:
            (system / unit).symlink_to("/dev/null")
        # Nor what the machine's init scripts would start.
        (self.tree / "etc/systemd/system-generators").mkdir()
        (self.tree / "etc/systemd/system-generators/systemd-sysv-generator").symlink_to("/dev/null")
        (system / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
        (self.tree / "etc/lbd").mkdir()
        (self.tree / KEY[1:]).write_bytes(key)
        (self.tree / KEY[1:]).chmod(0o600)
        (self.tree / CONFIG[1:]).write_text(self._default_config(), encoding="utf-8")

    def boot(self, wait: bool = True) -> None:
        """Powers the machine on with its network down; waits until systemd has come to the end of its list."""
        command("ip", "-n", self.name, "address", "flush", "dev", topology.INTERFACE, "scope", "global")
        command("ip", "-n", self.name, "link", "set", topology.INTERFACE, "down")
        argv = ["nsenter", f"--net={netns.path(self.name)}", str(BOOT), str(self.files), str(self.tree), self.name]
        self.machine = Process(argv, None, self.console)
        if wait:
            self.wait_booted()

    def wait_booted(self) -> None:
        """Waits until systemd says that it runs."""

        def booted() -> bool:
            assert self.machine
            if not self.machine.alive:
                raise RuntimeError(f"{self.name}: systemd ended with {self.machine.returncode}\n{tail(self.console)}")
            return self.systemctl("is-system-running").stdout.strip() in ("running", "degraded")

        eventually(booted, BOOT_TIMEOUT, f"{self.name}: systemd up")

    @property
    def init(self) -> int:
        """The process id of its systemd as seen from here."""
        assert self.machine, f"{self.name} was not booted"
        children = Path(f"/proc/{self.machine.pid}/task/{self.machine.pid}/children").read_text(encoding="ascii").split()
        if not children:
            raise ProcessLookupError(f"{self.name}: no systemd")
        return int(children[0])

    def power_off(self) -> None:
        """The machine is gone at once."""
        kill_all(self.name)

    def wait_down(self, within: float = 20.0) -> int:
        """Waits until the machine has shut down by itself."""
        assert self.machine
        return self.machine.wait(within)

    # Commands on it

    def on(self, *argv: str, timeout: float = 20.0, stdin: str | None = None) -> Result:
        """Runs a command on the machine."""
        whole = ["nsenter", "-t", str(self.init), "-a", "-r", "-w", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *argv]
        done = subprocess.run(whole, capture_output=True, text=True, timeout=timeout, check=False, input=stdin)
        return Result(done.returncode, done.stdout, done.stderr)

    def dpkg(self, *arguments: str | Path) -> str:
        """dpkg on the machine, without waiting for disks and for the index of manual pages; it must succeed."""
        words = ["env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--force-unsafe-io", "--no-triggers", *map(str, arguments)]
        done = self.on(*words, timeout=60)
        assert done.code == 0, f"dpkg {arguments}: {done.stdout}{done.stderr}\n{self.journal('-n', '30')}"
        return done.stdout

    def install(self, deb: Path) -> str:
        """Copies the package to the machine, which has a /tmp of its own, and installs it."""
        place = Path("/var/cache") / deb.name
        (Path(f"/proc/{self.init}/root") / str(place)[1:]).write_bytes(deb.read_bytes())
        return self.dpkg("-i", place)

    def systemctl(self, *arguments: str, timeout: float = 20.0) -> Result:
        """systemctl on the machine."""
        return self.on("systemctl", *arguments, timeout=timeout)

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.systemctl("show", "-P", name, UNIT).stdout.strip()

    def journal(self, *arguments: str) -> str:
        """What the journal has of the unit."""
        return self.on("journalctl", "--no-pager", "-o", "short-precise", "-u", UNIT, *arguments).stdout

    def lbctl(self, *arguments: str, timeout: float = 15.0) -> Result:
        """lbctl on the machine."""
        return self.on("lbctl", *arguments, timeout=timeout)

    def drop_in(self, name: str, text: str | None) -> None:
        """Adds settings to the unit, or (None) takes them away."""
        path = f"/etc/systemd/system/{UNIT}.d/{name}.conf"
        if text is None:
            self.on("rm", "-f", path)
        else:
            self.on("sh", "-c", f"mkdir -p {Path(path).parent} && cat >{path}", stdin=textwrap.dedent(text))
        done = self.systemctl("daemon-reload")
        assert done.code == 0, done.stderr

    def rules(self) -> str:
        """The tables of lbd in the kernel, empty where there are none."""
        return "".join(line for line in self.run("nft", "list", "tables").splitlines() if line.split()[-1] == "lbd")

    def lived(self, seconds: float) -> bool:
        """Whether the present keeper is that old already."""
        ticks = int(Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK") >= seconds

    # What scenarios use of a load balancer

    def write_config(self, text: str | None = None) -> None:
        """Puts the configuration where the unit reads it."""
        done = self.on("sh", "-c", f"cat >{CONFIG}", stdin=text if text is not None else self._default_config())
        assert done.code == 0, done.stderr

    def start(self, config: str | None = None, *_: str, wait: bool = True, **__: object) -> None:  # type: ignore[override]
        """systemctl start with that configuration."""
        self.write_config(config)
        done = self.systemctl("start", *([] if wait else ["--no-block"]), UNIT)
        assert done.code == 0, f"{done.stderr}\n{self.journal('-n', '30')}"
        if wait:
            self.wait_up()

    def wait_up(self, within: float = 10.0) -> None:
        """Waits until lbd tells that it is backup or active."""
        try:
            eventually(lambda: self.role() in ("backup", "active"), within, f"{self.name}: lbd up")
        except NotYet as late:
            raise NotYet(f"{late}\n{self.journal('-n', '40')}") from late

    @property
    def pid(self) -> int:
        """The process id of the keeper as seen from here."""
        return self._process(b"/lbd")

    def _call(self, argv: list[str], timeout: float = 15.0) -> Result:
        return self.on(*argv, timeout=timeout)

    def lbd_argv(self, *arguments: str) -> list[str]:
        """How lbd is called on the machine."""
        return ["lbd", *arguments]

    @property
    def socket(self) -> Path:  # type: ignore[override]
        """The admin socket as reached from here."""
        return Path(f"/proc/{self.init}/root/run/lbd/lbd.sock")

    @socket.setter
    def socket(self, _path: Path) -> None:
        pass

    def logs(self, lines: int = 40) -> str:
        """The journal's end."""
        try:
            return f"---- {self.name}\n{self.on('journalctl', '--no-pager', '-o', 'short-precise', '-n', str(lines)).stdout}"
        except (OSError, AssertionError, subprocess.SubprocessError) as error:
            return f"---- {self.name}: no journal: {error}\n{tail(self.console)}"


class SystemdLab(Lab):
    """The reference cluster, its load balancers booted, and unless `bare` the package installed there and lbd enabled."""

    balancer = SystemdNode

    def __init__(self, bare: bool = False) -> None:
        deb = None if bare else package.pack()
        super().__init__()
        try:
            key = self.key_file.read_bytes()
            for node in self.nodes:
                node.prepare(key)
            for node in self.nodes:
                node.boot(wait=False)
            for node in self.nodes:
                node.wait_booted()
            for node in self.nodes if deb else []:
                node.install(deb)  # type: ignore[arg-type]
                done = node.systemctl("enable", "--now", UNIT)
                assert done.code == 0, f"{done.stderr}\n{node.journal('-n', '30')}"
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """As for any lab, refusals of the sandbox included; the machines' control groups go, too."""
        for node in self.lbs:
            with contextlib.suppress(OSError, AssertionError, subprocess.SubprocessError):
                (node.directory / "lbd.log").write_text(node.on("journalctl", "-o", "cat", "-u", UNIT).stdout, encoding="utf-8")
        super().close()
        for name in topology.LOAD_BALANCERS:
            for group in Path("/sys/fs/cgroup").glob(f"**/lbd-lab-{name}-*"):
                for path, _, _ in os.walk(group, topdown=False):
                    with contextlib.suppress(OSError):
                        os.rmdir(path)

    def config(self, append: str = "", replace: Mapping[str, str] | None = None, key: bool = True) -> str:
        """The reference file with the key where the machines have it."""
        return super().config(append, replace, key).replace(str(self.key_file), KEY)

    def settle(self) -> SystemdNode:
        """Brings lbd up on both nodes, whatever happened before, and waits for an owner that serves; returns it."""
        for node in self.nodes:
            if not node.machine or not node.machine.alive:
                node.boot()
        for node in self.nodes:
            node.systemctl("reset-failed", UNIT)
            node.start()
        eventually(lambda: len(self.holders()) == 1, 10.0, "one owner of the VIP")
        eventually(lambda: self.client.get(topology.VIP, 80, timeout=1.0).status == 200, 10.0, "service on the VIP")
        eventually(lambda: sorted(node.role() for node in self.nodes) == ["active", "backup"], 10.0, "both roles")
        return self.owner()  # type: ignore[return-value]

    @property
    def nodes(self) -> list[SystemdNode]:
        """The load balancers."""
        return self.lbs  # type: ignore[return-value]
