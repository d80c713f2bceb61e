"""The Debian package: built as `make deb` does it, given another version; what the machines of the lab install."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Callable, Iterator

from . import paths
from .paths import REPOSITORY

BUILD_TIMEOUT = 300.0
TOOLS = ("dpkg-buildpackage", "dh", "lintian", "fakeroot")
PROGRAMS = ("lbd", "lbd-proxy", "lbctl")
# What ends up in the package beside the programs, and what makes it.
SOURCES = ("conf", "systemd", "README.md", "Makefile", "tests/tools/package", "tests/tools/image", "tests/tools/targets.mk")


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


def _ingredients() -> Iterator[Path]:
    """Every file that the package with the programs under test is made of."""
    yield from (paths.build() / name for name in PROGRAMS)
    for name in SOURCES:
        source = REPOSITORY / name
        yield from sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else (source,)


def _made(name: str, make: Callable[[Path], object]) -> Path:
    """What `make` puts at the path it is given; once for these programs and sources, whoever asks."""
    digest = hashlib.sha256()
    for path in _ingredients():
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    out = paths.build() / "lab-package"
    place = out / digest.hexdigest()[:16]
    out.mkdir(parents=True, exist_ok=True)
    with (out / f"lock-{name}").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / name).exists():
            new = out / f"new-{name}"
            shutil.rmtree(new, ignore_errors=True)
            make(new)
            # What was made of other programs and sources is of no use any more.
            for former in out.iterdir():
                if former.is_dir() and former != place and not former.name.startswith("new-"):
                    shutil.rmtree(former)
            place.mkdir(exist_ok=True)
            new.rename(place / name)
    return place / name


def pack() -> Path:
    """The package with the programs under test in it."""
    return next(_made("deb", lambda out: build(out, LBD_PREBUILT=str(paths.build()))).glob("lbd_*.deb"))


def image() -> Path:
    """The image layout of that package."""
    return _made("oci", lambda out: run(REPOSITORY / "tests/tools/image", pack(), out))


def renumber(package: Path, number: str, out: Path, edition: str = "") -> Path:
    """The same package with another version, in the directory; with the daemons of that edition (paths.py)."""
    tree = out / f"renumbered-{number}"
    run("dpkg-deb", "-R", package, tree)
    for name in ("sbin/lbd", "libexec/lbd/lbd-proxy") if edition else ():
        run("install", "-m", "755", paths.edition(edition) / Path(name).name, tree / "usr" / name)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {number}", control.read_text(encoding="utf-8"), flags=re.MULTILINE), encoding="utf-8")
    result = out / f"lbd_{number}.deb"
    run("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, result)
    return result

