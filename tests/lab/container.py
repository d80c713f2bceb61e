"""Containers of a pod's manifest under an OCI runtime, as a kubelet asks for them, on a load balancer of the lab.

What the manifest says becomes the runtime's own configuration: arguments, capabilities, mounts, the read-only root, the
node's network. What only a cluster has (images by name, probes by time, priorities) stays with the tests.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any, Iterator

from . import netns, sanitizer
from .lb import LoadBalancer, Result
from .netns import command
from .process import Process

RUNTIME = "crun"
CONTROL_GROUPS = "/sys/fs/cgroup"
# As containerd mounts them; what of /proc may be written is less than there.
MOUNTS = [
    {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777"]},
]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
MASKED = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug"]


def missing() -> str:
    """Why no container can be run here, empty where one can."""
    if os.environ.get("LBD_LAB_ROOT") != "1":
        return "accounts of the image need root: LBD_LAB_ROOT=1 tests/lab/enter"
    if sanitizer.active():
        return "a package has no sanitizer"
    return "" if shutil.which(RUNTIME) else f"no {RUNTIME}: tests/tools/deps test"


@contextlib.contextmanager
def control_groups() -> Iterator[None]:
    """In the block the runtime finds control groups as it wants them, of version 2 alone; it makes none."""
    command("mount", "-t", "cgroup2", "cgroup2", CONTROL_GROUPS)
    try:
        yield
    finally:
        command("umount", "-l", CONTROL_GROUPS)


def blob(layout: Path, descriptor: dict[str, Any]) -> bytes:
    """What a descriptor of an image layout names."""
    return (layout / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()


class Image:
    """An OCI image layout of one image."""

    def __init__(self, layout: Path) -> None:
        index = json.loads((layout / "index.json").read_text(encoding="ascii"))
        self._layout = layout
        self._manifest = json.loads(blob(layout, index["manifests"][0]))
        self.config: dict[str, Any] = json.loads(blob(layout, self._manifest["config"]))["config"]

    def unpack(self, root: Path) -> None:
        """Makes the root of its layers."""
        for descriptor in self._manifest["layers"]:
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(self._layout, descriptor)))) as tar:
                tar.extractall(root)


class PodNode:
    """A load balancer whose lbd runs in the containers of a pod; `hostPath` volumes are below its own directory."""

    def __init__(self, node: LoadBalancer, image: Image, pod: dict[str, Any]) -> None:
        self.node, self.image, self.pod = node, image, pod
        self.host = node.directory / "host"
        for volume in pod["spec"]["volumes"]:
            (self.host / volume["hostPath"]["path"][1:]).mkdir(parents=True)
        node.config_file, node.runtime_dir = self.host / "etc/lbd/lbd.yaml", self.host / "run/lbd"
        node.socket = node.runtime_dir / "lbd.sock"

    def _mounts(self, container: dict[str, Any]) -> list[dict[str, Any]]:
        paths = {volume["name"]: volume["hostPath"]["path"] for volume in self.pod["spec"]["volumes"]}
        return [
            {
                "destination": mount["mountPath"],
                "type": "bind",
                "source": str(self.host / paths[mount["name"]][1:]),
                "options": ["rbind", "rprivate", "ro" if mount.get("readOnly") else "rw"],
            }
            for mount in container["volumeMounts"]
        ]

    def specification(self, container: dict[str, Any], root: Path) -> dict[str, Any]:
        """The runtime's configuration of a container of the pod."""
        security = container["securityContext"]
        assert security["capabilities"]["drop"] == ["ALL"] and self.pod["spec"]["hostNetwork"] is True
        granted = [f"CAP_{name}" for name in security["capabilities"]["add"]]
        command_line = container.get("command", self.image.config["Entrypoint"]) + container.get("args", [])
        return {
            "ociVersion": "1.0.0",
            "process": {
                "terminal": False,
                "user": {"uid": 0, "gid": 0},
                "args": command_line,
                "env": self.image.config["Env"],
                "cwd": self.image.config["WorkingDir"],
                "capabilities": {kind: granted for kind in ("bounding", "effective", "permitted")},
                "noNewPrivileges": not security["allowPrivilegeEscalation"],
            },
            "root": {"path": str(root), "readonly": security["readOnlyRootFilesystem"]},
            "hostname": self.node.name,
            "mounts": MOUNTS + self._mounts(container),
            "linux": {
                "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
                "maskedPaths": MASKED,
                "readonlyPaths": READ_ONLY,
            },
        }

    def _container(self, name: str) -> dict[str, Any]:
        spec = self.pod["spec"]
        return next(container for container in spec["initContainers"] + spec["containers"] if container["name"] == name)

    def _runtime(self, *arguments: str) -> list[str]:
        state = self.node.directory / "runtime"
        return ["nsenter", f"--net={netns.path(self.node.name)}", RUNTIME, "--cgroup-manager=disabled", "--root", str(state), *arguments]

    def _run(self, name: str) -> list[str]:
        """The command that runs a container of the pod, with a root of its own."""
        bundle = self.node.directory / f"bundle-{name}"
        shutil.rmtree(bundle, ignore_errors=True)
        self.image.unpack(bundle / "root")
        specification = self.specification(self._container(name), bundle / "root")
        (bundle / "config.json").write_text(json.dumps(specification), encoding="ascii")
        return self._runtime("run", "--bundle", str(bundle), name)

    def call(self, *argv: str) -> Result:
        """What a command says when it has ended."""
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
        return Result(done.returncode, done.stdout, done.stderr)

    def run(self, name: str) -> Result:
        """Runs a container to its end, as the kubelet does those before the others."""
        return self.call(*self._run(name))

    def start(self, name: str, config: str) -> None:
        """Starts the container of lbd, after the others, with that configuration on the host."""
        self.node.write_config(config)
        for first in self.pod["spec"]["initContainers"]:
            done = self.run(first["name"])
            assert done.code == 0, done
        self.node.process = Process(self._run(name), None, self.node.log)

    def inside(self, name: str, *argv: str) -> Result:
        """Runs a command in the container, as probes do."""
        return self.call(*self._runtime("exec", name, *argv))

    def kill(self, name: str, signal: str) -> None:
        """A signal to the first process of the container."""
        done = self.call(*self._runtime("kill", name, signal))
        assert done.code == 0, done
