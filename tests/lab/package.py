"""The Debian package: built as `make deb` does it, given another version, installed on a machine of the lab."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from . import paths
from .paths import REPOSITORY
from .systemd import SystemdNode

BUILD_TIMEOUT = 300.0
TOOLS = ("dpkg-buildpackage", "dh", "lintian", "fakeroot")


def missing() -> str:
    """Why no package can be built here, empty where it can."""
    lacking = [tool for tool in TOOLS if not shutil.which(tool)]
    return f"no {' '.join(lacking)}: tests/tools/deps deb" if lacking else ""


def version() -> str:
    """The version that the Makefile has."""
    found = re.search(r"^VERSION := (\S+)", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    return found[1]


def run(*argv: str | Path, cwd: Path = REPOSITORY, environment: dict[str, str] | None = None) -> str:
    """What the command says; it must succeed."""
    words = [str(word) for word in argv]
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=BUILD_TIMEOUT, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


def build(out: Path, **environment: str) -> Path:
    """The package, from the sources of the repository."""
    return Path(run(REPOSITORY / "tests/tools/package", out, version(), environment={**os.environ, **environment}).strip())


def pack(out: Path) -> Path:
    """The package with the programs under test in it."""
    return build(out, LBD_PREBUILT=str(paths.build()))


def renumber(package: Path, number: str) -> Path:
    """The same package with another version."""
    tree = package.parent / f"renumbered-{number}"
    shutil.rmtree(tree, ignore_errors=True)
    run("dpkg-deb", "-R", package, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {number}", control.read_text(encoding="utf-8"), flags=re.MULTILINE), encoding="utf-8")
    result = package.parent / f"lbd_{number}.deb"
    run("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, result)
    return result


def dpkg(node: SystemdNode, *arguments: str | Path) -> str:
    """dpkg on the machine, without waiting for disks and for the index of manual pages; it must succeed."""
    done = node.on("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--force-unsafe-io", "--no-triggers", *map(str, arguments), timeout=60)
    assert done.code == 0, f"dpkg {arguments}: {done.stdout}{done.stderr}\n{node.journal('-n', '30')}"
    return done.stdout


def install(node: SystemdNode, package: Path) -> str:
    """Copies the package to the machine, which has a /tmp of its own, and installs it."""
    place = Path("/var/cache") / package.name
    (Path(f"/proc/{node.init}/root") / str(place)[1:]).write_bytes(package.read_bytes())
    return dpkg(node, "-i", place)
