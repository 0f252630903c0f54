"""Plans kept by what they were made of, so that cases which share homes plan them once.

A home's own plan (UC1) depends on the home, its unmanaged day, prices and the tie rule with its
stream: not on communities or limits. The key is a digest of just that content; two values that
differ in one bit have two keys, so nothing has to be told when a plan is stale.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Protocol

import numpy as np

from mas2sim.domain.plan import HomePlan

MOST_PLANS = 50_000
"""Plans kept at most, some 10 kB each; the oldest go first."""


class _Sink(Protocol):
    def update(self, data: bytes, /) -> None: ...


class PlanCache:
    """Plans of one process by content.

    Attributes
    ----------
    hits, misses : int
    """

    def __init__(self, most_plans: int = MOST_PLANS) -> None:
        self._plans: dict[str, HomePlan] = {}
        self._most_plans = most_plans
        self.hits = self.misses = 0

    def plan(self, content: tuple[Any, ...], make: Callable[[], HomePlan]) -> HomePlan:
        """Return the plan made of `content`; make it if it is not there yet.

        Parameters
        ----------
        content : tuple
            Everything that decides the plan: values, arrays, dataclasses, mappings and sets.
        make : callable
            Makes the plan.
        """
        key = content_key(content)
        if key in self._plans:
            self.hits += 1
            return self._plans[key]
        self.misses += 1
        if len(self._plans) >= self._most_plans:
            del self._plans[next(iter(self._plans))]
        return self._plans.setdefault(key, make())


def content_key(content: Any) -> str:
    """Digest of a value by what it holds, whatever objects hold it."""
    digest = hashlib.sha256()
    _add(digest, content)
    return digest.hexdigest()


def _add(digest: _Sink, value: Any) -> None:
    """Add a value with its kind and size, so that no two values read alike."""
    if isinstance(value, np.ndarray):
        digest.update(f"array{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif is_dataclass(value) and not isinstance(value, type):
        digest.update(f"{type(value).__name__}(".encode())
        for field in fields(value):
            _add(digest, field.name)
            _add(digest, getattr(value, field.name))
    elif isinstance(value, Mapping):
        digest.update(f"mapping{len(value)}".encode())
        for key in sorted(value):
            _add(digest, key)
            _add(digest, value[key])
    elif isinstance(value, tuple | list | set | frozenset):
        items = sorted(value) if isinstance(value, set | frozenset) else value
        digest.update(f"items{len(items)}".encode())
        for item in items:
            _add(digest, item)
    elif value is None or isinstance(value, str | int | float | Enum):
        text = repr(value)
        digest.update(f"{type(value).__name__}{len(text)}:{text}".encode())
    else:
        raise TypeError(f"a plan cannot depend on a {type(value).__name__}: it has no content key")
