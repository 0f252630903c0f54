"""Which code a result comes from."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

SOURCES = (".py", ".html", ".css", ".js", ".j2")


def code_version(data: Sequence[Path]) -> str:
    """Digest of the package's sources and of the data folders named, 12 hexadecimal digits.

    Taken from the files themselves, so that an edited checkout is another version and an installed
    wheel of the same code is the same one.
    """
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    sources = [path for path in package.rglob("*") if path.suffix in SOURCES]
    for root, paths in ((package, sources), *((folder, folder.rglob("*")) for folder in data)):
        for path in sorted(paths):
            if path.is_file() and "_data" not in path.relative_to(root).parts:
                digest.update(path.relative_to(root).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def git_revision() -> str | None:
    """Revision of the checkout the package runs from, ``-dirty`` if it was edited; None outside."""
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
