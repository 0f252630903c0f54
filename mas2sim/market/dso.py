"""The DSO of one congestion point: prognosis, and the check against the transformer's limits."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.limits import GridLimits, Regime
from mas2sim.domain.plan import APlan, DPrognosis


class Dso:
    """DSO agent.

    Parameters
    ----------
    congestion_point : str
        Name of the transformer.
    shape : (int, int)
        Number of levels and of PTUs.

    Attributes
    ----------
    messages : int
        Market messages received.
    """

    def __init__(self, congestion_point: str, limits: GridLimits, shape: tuple[int, int]) -> None:
        self._congestion_point = congestion_point
        self._limits = limits
        self._shape = shape
        self.messages = 0

    def prognose(self, a_plans: Mapping[str, APlan]) -> DPrognosis:
        """At the plan gate: sum the A-plans and find out in which regime each PTU lies.

        A community whose A-plan did not arrive is not in the prognosis and is not admitted.
        """
        self.messages += len(a_plans)
        net_kw = np.zeros(self._shape)
        for plan in a_plans.values():
            net_kw = net_kw + plan.net_kw
        return DPrognosis(
            congestion_point=self._congestion_point,
            net_kw=net_kw,
            regimes=self.regimes(net_kw),
            accepted=MappingProxyType(dict.fromkeys(a_plans, True)),
        )

    def regimes(self, net_kw: FloatArray) -> tuple[tuple[Regime, ...], ...]:
        """Green within the transformer's limits, yellow beyond: flexibility is wanted.

        Parameters
        ----------
        net_kw : array, shape (level, ptu)
        """
        beyond = (net_kw > self._limits.transformer_import_kw) | (
            net_kw < -self._limits.transformer_export_kw
        )
        return tuple(
            tuple(Regime.YELLOW if flag else Regime.GREEN for flag in level) for level in beyond
        )
