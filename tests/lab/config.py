"""The configuration that lbd runs with in the lab: the reference file, with the lab's key and what a test changes."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Mapping

from .paths import REPOSITORY

REFERENCE = REPOSITORY / "conf" / "lbd.yaml"


def make_key(path: Path) -> Path:
    """A fresh cluster key, readable by its owner alone."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(os.urandom(32))
    return path


def reference(key_file: Path | None, append: str = "", replace: Mapping[str, str] | None = None) -> str:
    """The text of conf/lbd.yaml with `key_file` (None: without a key), replacements made and lines appended.

    A replacement must find its text, so that a test cannot silently run with the configuration it did not mean.
    """
    key_line = f"key_file: {key_file}" if key_file else ""
    text, found = re.subn(r"(?m)^key_file:.*$", key_line, REFERENCE.read_text(encoding="utf-8"))
    assert found == 1, f"{REFERENCE} has no key_file line"
    for old, new in (replace or {}).items():
        assert old in text, f"{REFERENCE} has no {old!r}"
        text = text.replace(old, new)
    return text + append
