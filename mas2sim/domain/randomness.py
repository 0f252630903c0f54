"""Random streams by name: the same name gives the same numbers, whatever else was drawn.

A stream is keyed by the seed and by what it describes (substation, home, device), never by a swept
axis. So the same home is the same home in every case of a campaign.
"""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return the generator that belongs to `seed` and `names`.

    Parameters
    ----------
    seed : int
        The seed of the case, >= 0.
    *names : str or int
        What the numbers describe, from the large to the small, e.g. ``(1, "h017", "ev")``.
    """
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    words = np.frombuffer(digest, dtype="<u4").tolist()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))
