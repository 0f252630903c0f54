"""Values kept by what they were made of, so that cases which have it in common make them once.

A home's own plan (UC1) depends on the home, its unmanaged day, prices and the tie rule with its
stream: not on communities or limits. The key is a digest of just that content; two values that
differ in one bit have two keys, so nothing has to be told when something is stale.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Protocol, TypeVar, cast

import numpy as np

T = TypeVar("T")

MOST_VALUES = 50_000
"""Values kept at most; the oldest go first. A plan takes some 10 kB."""
MOST_DIGESTS = 5_000
"""Digests of values kept at most, each with its value."""


class _Sink(Protocol):
    def update(self, data: bytes, /) -> None: ...


class ContentCache:
    """Values of one process by content.

    Parameters
    ----------
    most : int
        Values kept at most.

    Attributes
    ----------
    hits, misses : int
    """

    def __init__(self, most: int = MOST_VALUES) -> None:
        self._values: dict[str, Any] = {}
        self._latest: dict[str, str] = {}
        self._digests: dict[int, tuple[Any, bytes]] = {}
        self._most = most
        self.hits = self.misses = 0

    def get(self, content: tuple[Any, ...], make: Callable[[], T]) -> T:
        """Return what was made of `content`; make it if it is not there yet.

        Parameters
        ----------
        content : tuple
            Everything that decides the value, what it is among it: values, arrays, frozen
            dataclasses, mappings and sets. It must not change afterwards.
        make : callable
            Makes the value.
        """
        return self._kept(self._key(content), make)

    def _kept(self, key: str, make: Callable[[], T]) -> T:
        if key in self._values:
            self.hits += 1
            return cast("T", self._values[key])
        self.misses += 1
        if len(self._values) >= self._most:
            del self._values[next(iter(self._values))]
        return cast("T", self._values.setdefault(key, make()))

    def latest(self, kind: str, content: tuple[Any, ...], make: Callable[[], T]) -> T:
        """The same for what is large: only the latest value of a kind is kept."""
        key = self._key((kind, *content))
        before = self._latest.get(kind)
        if before is not None and before != key:
            self._values.pop(before, None)
        self._latest[kind] = key
        return self._kept(key, make)

    def _key(self, content: tuple[Any, ...]) -> str:
        digest = hashlib.sha256()
        for item in content:
            digest.update(self._digest_of(item))
        return digest.hexdigest()

    def _digest_of(self, item: Any) -> bytes:
        """Digest of one item; that of a dataclass is kept, and the item with it."""
        if not is_dataclass(item):
            return _digest(item)
        known = self._digests.get(id(item))
        if known is not None and known[0] is item:
            return known[1]
        if len(self._digests) >= MOST_DIGESTS:
            del self._digests[next(iter(self._digests))]
        digest = _digest(item)
        self._digests[id(item)] = (item, digest)
        return digest


def content_key(content: Any) -> str:
    """Digest of a value by what it holds, whatever objects hold it."""
    return _digest(content).hex()


def _digest(value: Any) -> bytes:
    digest = hashlib.sha256()
    _add(digest, value)
    return digest.digest()


@lru_cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    """Names of a dataclass' fields: `fields` looks them up anew at each call."""
    return tuple(field.name for field in fields(kind))


def _add(digest: _Sink, value: Any) -> None:
    """Add a value with its kind and size, so that no two values read alike."""
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        digest.update(f"array{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif value is None or isinstance(value, str | int | float | Enum):
        text = repr(value)
        digest.update(f"{type(value).__name__}{len(text)}:{text}".encode())
    elif is_dataclass(value) and not isinstance(value, type):
        names = _names(type(value))
        digest.update(f"{type(value).__name__}({','.join(names)}".encode())
        for name in names:
            _add(digest, getattr(value, name))
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
    else:
        raise TypeError(f"nothing can depend on a {type(value).__name__}: it has no content key")
