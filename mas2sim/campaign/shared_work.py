"""What neighbouring cases have in common, kept within one process.

Cases that differ only in their communities have the same homes, grid and prices; cases whose homes
are the same have the same own plans (UC1); cases with the same grid and powers, such as those that
differ in what homes offer while nobody manages them, have the same flows. Results are the same
without any of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mas2sim.domain.community import partition
from mas2sim.domain.content_cache import ContentCache
from mas2sim.scenario import Case

if TYPE_CHECKING:
    from mas2sim.cosim import CaseSetup

MOST_VALUES = 5_000
"""Values kept at most, about 10 kB each: plans of some fifty neighbouring cases."""
COMMUNITIES = "communities="


class SharedWork:
    """Keeps what the next case may need again.

    Parameters
    ----------
    enabled : bool
        Without it, every case is made from nothing.

    Attributes
    ----------
    cache : ContentCache or None
    setups_reused : int
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self._key: tuple[str, ...] = ()
        self._kept: CaseSetup | None = None
        self.cache = ContentCache(MOST_VALUES) if enabled else None
        self.setups_reused = 0

    def setup(self, case: Case, overrides: Sequence[str]) -> CaseSetup:
        """What the world of `case` is built from.

        Parameters
        ----------
        case : Case
        overrides : sequence of str
            What tells it from the other cases of the campaign.

        Raises
        ------
        ConfigurationError
            With what is wrong with grid, homes or files.
        """
        from mas2sim.scenario.build import build_setup

        key = tuple(text for text in overrides if not text.startswith(COMMUNITIES))
        if self._kept is not None and key == self._key and self._differs_in_communities(case):
            self.setups_reused += 1
            return _with_communities(self._kept, case)
        setup, _ = build_setup(case, cache=self.cache)
        if self.cache is not None:
            self._key, self._kept = key, setup
        return setup

    def _differs_in_communities(self, case: Case) -> bool:
        """Whether communities are all that differs, and nothing else names them."""
        configuration = case.configuration
        named = configuration.market.contracts or configuration.market.external
        homes = 0 if self._kept is None else len(self._kept.homes)
        one = isinstance(configuration.substation, int)
        return one and not named and configuration.communities <= homes


def _with_communities(setup: CaseSetup, case: Case) -> CaseSetup:
    configuration = case.configuration
    communities = partition(
        len(setup.homes),
        configuration.communities,
        seed=configuration.seed,
        substation=setup.substation,
    )
    return replace(setup, axes=case.axes, communities=communities)
