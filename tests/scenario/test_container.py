"""Goal: the image that `make image` builds without an engine is one, and its root alone is enough to run lbd."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import re
import tarfile
from pathlib import Path
from typing import Any, Iterator

import pytest
import yaml

from lab import Lab, eventually, package, sanitizer
from lab.lb import LoadBalancer
from lab.netns import command
from lab.paths import REPOSITORY

pytestmark = pytest.mark.skipif(sanitizer.active(), reason="a package has no sanitizer")

MANIFEST = REPOSITORY / "conf/kubernetes/lbd.yaml"


@pytest.fixture(name="layout", scope="module")
def built_image() -> Path:
    """The image layout of the package with the programs under test."""
    if package.missing():
        pytest.skip(package.missing())
    return package.image()


def blob(layout: Path, descriptor: dict[str, Any]) -> bytes:
    """The content that a descriptor names, which must be what it says."""
    algorithm, digest = descriptor["digest"].split(":")
    content = (layout / "blobs" / algorithm / digest).read_bytes()
    assert (algorithm, hashlib.sha256(content).hexdigest(), len(content)) == ("sha256", digest, descriptor["size"])
    return content


def document(layout: Path, descriptor: dict[str, Any], kind: str) -> dict[str, Any]:
    """A JSON document of the layout with its media type."""
    assert descriptor["mediaType"] == f"application/vnd.oci.image.{kind}.v1+json"
    return json.loads(blob(layout, descriptor))


def layer(layout: Path) -> tuple[dict[str, Any], bytes]:
    """The configuration of the image and its one layer, unpacked."""
    assert json.loads((layout / "oci-layout").read_text(encoding="ascii")) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((layout / "index.json").read_text(encoding="ascii"))
    assert index["schemaVersion"] == 2 and len(index["manifests"]) == 1
    manifest = document(layout, index["manifests"][0], "manifest")
    assert manifest["schemaVersion"] == 2 and len(manifest["layers"]) == 1
    config = document(layout, manifest["config"], "config")
    assert manifest["layers"][0]["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"
    content = gzip.decompress(blob(layout, manifest["layers"][0]))
    assert config["rootfs"] == {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(content).hexdigest()}"]}
    assert config["os"] == "linux" and config["architecture"] == command("dpkg", "--print-architecture").strip()
    return config, content


@pytest.mark.patient
def test_layout(layout: Path) -> None:
    """Every digest and size is right; the root has the programs, no shell, and nothing that is not root's."""
    config, content = layer(layout)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        entries = {entry.name: entry for entry in tar.getmembers()}
    assert config["config"]["Entrypoint"][0][1:] in entries
    assert all((entry.uid, entry.gid) == (0, 0) and not entry.mode & 0o6022 for name, entry in entries.items() if name != "tmp")
    assert not [name for name in entries if re.search(r"(^|/)(sh|bash|busybox|apt|dpkg)$", name)]
    blobs = [path.name for path in (layout / "blobs/sha256").iterdir()]
    assert len(blobs) == 3


@pytest.mark.patient
def test_manifest_names_what_the_image_has(layout: Path) -> None:
    """The static pod: programs and directories that are in the image, the version that it has, no privilege that is not named."""
    _, content = layer(layout)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        names = set(tar.getnames())
    pod = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    assert (pod["apiVersion"], pod["kind"], pod["spec"]["hostNetwork"]) == ("v1", "Pod", True)
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    for container in pod["spec"]["initContainers"] + pod["spec"]["containers"]:
        assert container["image"].endswith(f":{package.version()}")
        assert container["securityContext"]["capabilities"]["drop"] == ["ALL"] and not container["securityContext"].get("privileged")
        for mount in container["volumeMounts"]:
            assert mount["name"] in volumes and mount["mountPath"][1:] in names
        probe = container.get("livenessProbe", {}).get("exec", {}).get("command", ["/usr/sbin/lbd"])
        assert probe[0][1:] in names


PUBLISHED = json.loads((REPOSITORY / "tests/vectors/kubernetes-pod.json").read_text(encoding="utf-8"))


def judge(value: object, kind: str, where: str) -> None:
    """Fails where the value is not what Kubernetes has published for the kind: an unknown name, a missing one, another type."""
    if inner := re.fullmatch(r"list\[(.*)\]", kind):
        assert isinstance(value, list), f"{where} is no list"
        for number, entry in enumerate(value):
            judge(entry, inner[1], f"{where}[{number}]")
    elif inner := re.fullmatch(r"dict\(str, (.*)\)", kind):
        assert isinstance(value, dict), f"{where} is no map"
        for name, entry in value.items():
            judge(entry, inner[1], f"{where}.{name}")
    elif kind in ("str", "int", "bool"):
        assert type(value).__name__ == kind, f"{where} is {value!r}, no {kind}"
    else:
        assert kind in PUBLISHED, f"{where}: nothing is known about {kind}"
        assert isinstance(value, dict), f"{where} is no {kind}"
        fields = PUBLISHED[kind]["fields"]
        assert set(value) <= set(fields), f"{where}: {kind} has no {set(value) - set(fields)}"
        assert set(PUBLISHED[kind]["required"]) <= set(value), f"{where}: {kind} lacks something of {PUBLISHED[kind]['required']}"
        for name, entry in value.items():
            judge(entry, fields[name], f"{where}.{name}")


@pytest.mark.patient
def test_manifest_as_published() -> None:
    """Every name and type in the manifest is one of the API's; one letter off would be, and is, found."""
    text = MANIFEST.read_text(encoding="utf-8")
    judge(yaml.safe_load(text), "Pod", "pod")
    for wrong in ("hostNetwork: 1", "hostnetwork: true"):
        with pytest.raises(AssertionError, match="(?i)hostnetwork"):
            judge(yaml.safe_load(text.replace("hostNetwork: true", wrong)), "Pod", "pod")


@contextlib.contextmanager
def enclosed(lab: Lab, node: LoadBalancer, content: bytes, capabilities: list[str]) -> Iterator[Path]:
    """In the block the node's lbd runs in the image's root, which it yields, with these capabilities at most.

    Nothing of the machine is mounted as a directory in there: what is below the lab's directory is deleted with it.
    """
    root = lab.directory / f"root-{node.name}"
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        tar.extractall(root)
    key = root / "etc/lbd/cluster.key"
    key.write_bytes(lab.key_file.read_bytes())
    key.chmod(0o600)
    node.config_file, node.runtime_dir = root / "etc/lbd/lbd.yaml", root / "run/lbd"
    node.socket = node.runtime_dir / "lbd.sock"
    # chroot needs one more, which a container engine has used before.
    bounds = ",".join(["-all", *(f"+{name.lower()}" for name in capabilities), "+sys_chroot"])
    enter = ["setpriv", "--bounding-set", bounds, "--inh-caps", "-all", "chroot", str(root)]
    node.lbd_argv = lambda *arguments: [*enter, "/usr/sbin/lbd", *arguments]  # type: ignore[method-assign]
    with contextlib.ExitStack() as mounted:

        def mount(*argv: str) -> None:
            command("mount", *argv)
            mounted.callback(command, "umount", "-l", argv[-1])

        mount("-t", "proc", "proc", str(root / "proc"))
        mount("-t", "tmpfs", "tmpfs", str(root / "dev"))
        for device in ("null", "urandom"):
            (root / "dev" / device).touch()
            mount("--bind", f"/dev/{device}", str(root / "dev" / device))
        mounted.callback(node.kill_all)
        yield root


@pytest.mark.systemd
@pytest.mark.patient
@pytest.mark.skipif(os.environ.get("LBD_LAB_ROOT") != "1", reason="accounts of the image need root: LBD_LAB_ROOT=1 tests/lab/enter")
def test_root_alone_serves(lab: Lab, layout: Path) -> None:
    """Both nodes in nothing but the image's root and the capabilities of the manifest: owner, service, reload, hand-over."""
    _, content = layer(layout)
    pod = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    allowed = pod["spec"]["containers"][0]["securityContext"]["capabilities"]["add"]
    with contextlib.ExitStack() as roots:
        inside = {node: roots.enter_context(enclosed(lab, node, content, allowed)) for node in lab.lbs}
        owner = lab.start(lab.config().replace(str(lab.key_file), "/etc/lbd/cluster.key"))
        assert Path(f"/proc/{owner.proxy_pid}/root").readlink() == inside[owner]
        assert owner.run("chroot", str(inside[owner]), "/usr/bin/lbctl", "version")
        assert owner.lbctl("reload").code == 0
        assert owner.lbctl("failover", "--wait").code == 0
        eventually(lambda: lab.owner() is not owner, 5.0, "the VIP has moved")
        for node in lab.lbs:
            assert Path(f"/proc/{node.pid}").stat().st_uid == Path(f"/proc/{node.proxy_pid}").stat().st_uid != 0
            assert "cannot" not in node.log.read_text(encoding="utf-8")
