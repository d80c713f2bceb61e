"""What the gates know of the source tree and of what was built from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Iterator, NamedTuple

REPOSITORY = Path(__file__).resolve().parents[3]
PRODUCT = ("lib", "daemon")
COMPILED = ("lib", "daemon", "tests", "bench")
FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-Ilib/include", "-I.", '-DLB_VERSION="0"', '-DLB_LIBEXEC="/usr/libexec/lbd"']


class Symbol(NamedTuple):
    """A row of an object's symbol table."""

    name: str
    section: str
    is_global: bool

    @property
    def undefined(self) -> bool:
        """Whether another object has to define it."""
        return self.section == "*UND*"


def sources(roots: tuple[str, ...] = PRODUCT, suffixes: tuple[str, ...] = (".c",)) -> list[Path]:
    """The files below the roots, relative to the repository."""
    found = (path for root in roots for suffix in suffixes for path in (REPOSITORY / root).rglob(f"*{suffix}"))
    return sorted(path.relative_to(REPOSITORY) for path in found)


def objects(build: Path) -> Iterator[tuple[Path, list[Symbol]]]:
    """Each source of the product that is built, with its object's symbols."""
    for source in sources():
        compiled = build / source.with_suffix(".o")
        if compiled.exists():
            yield source, symbols(compiled)


def symbols(compiled: Path) -> list[Symbol]:
    """The symbol table as objdump shows it: `VALUE FLAGS SECTION<tab>SIZE NAME`."""
    output = subprocess.run(["objdump", "-t", str(compiled)], capture_output=True, text=True, check=True).stdout
    rows = []
    for line in output.splitlines():
        left, tab, right = line.partition("\t")
        words = left.split()
        if tab and len(words) >= 2:
            rows.append(Symbol(right.split()[-1], words[-1], line[17:18] == "g" or words[-1] in ("*UND*", "*COM*")))
    return rows


def verdict(problems: list[str]) -> int:
    """Prints the problems; the exit code of the gate."""
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def build_directory() -> Path:
    """The first argument; a gate over objects without objects would say nothing."""
    build = Path(sys.argv[1] if len(sys.argv) > 1 else "build")
    build = build if build.is_absolute() else REPOSITORY / build
    if not (build / "liblb.a").exists():
        sys.exit(f"{build} holds no build: run make first")
    return build
