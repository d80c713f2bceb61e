"""Where the programs and files of the project are."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def build() -> Path:
    """The directory of the built programs: $LBD_BUILD or `build`."""
    return Path(os.environ.get("LBD_BUILD") or REPOSITORY / "build").resolve()


def program(name: str) -> str:
    """The path of a built program, which must exist."""
    path = build() / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is not built: run make, or set LBD_BUILD")
    return str(path)


def edition(name: str) -> Path:
    """The directory of the daemons as of another version: `next` or `later` (tests/tools/targets.mk)."""
    return Path(program(f"editions/{name}/lbd")).parent


def base() -> Path:
    """Where a lab keeps its files: $LBD_LAB_DIR, or memory that vanishes with the namespace."""
    return Path(os.environ.get("LBD_LAB_DIR") or "/run/lab")
