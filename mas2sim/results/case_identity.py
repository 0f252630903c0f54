"""Names of cases and plans: digests of their canonical text.

A digest names a case in every table without repeating its axes, and a plan in the path of its
results. Equal content gives an equal digest whatever the order of its keys.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

DIGITS = 12
"""Hexadecimal digits of a digest: 48 bits, so a clash among 10,000 plans has odds of 2e-7."""


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no free choice of layout.

    Raises
    ------
    TypeError, ValueError
        When the value holds what JSON cannot say, NaN and infinity included.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(value: Any) -> str:
    """Return the first digits of the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:DIGITS]


def case_id(axes: Mapping[str, str | int]) -> str:
    """Name a case by its axes."""
    return digest(dict(axes))


def plan_hash(configuration: Mapping[str, Any], code_version: str) -> str:
    """Name a plan by its resolved configuration and the version of the code that runs it.

    Parameters
    ----------
    configuration : mapping
        The configuration, resolved; plain values only.
    code_version : str
        Digest of the package's sources and data.
    """
    return digest({"configuration": dict(configuration), "code_version": code_version})
