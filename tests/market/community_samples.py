"""Small communities for the tests of settlement, and what hypothesis may draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff
from mas2sim.market.split import SplitRule, SplitTerms

HOURS = Horizon(60)
BUYERS, SELLERS = slice(0, 10), slice(10, 12)


def tariff(
    imported: float = 0.12, exported: float = 0.0491, peak_eur_per_kw: float = 0.0
) -> Tariff:
    return Tariff(
        "flat", np.full(24, imported), np.full(24, exported), peak_eur_per_kw=peak_eur_per_kw
    )


def street() -> FloatArray:
    """Ten loads of 0.4 kW and two exporters of 1.5 kW in the hour from 12:00, shape (12, 24)."""
    net_kw = np.zeros((12, 24))
    net_kw[BUYERS, 12], net_kw[SELLERS, 12] = 0.4, -1.5
    return net_kw


@dataclass(frozen=True)
class Drawn:
    """A community with a gain: alone its members pay at least what it owes."""

    net_kw: FloatArray
    alone_eur: FloatArray
    worth_eur: FloatArray
    tariff: Tariff
    terms: SplitTerms


@st.composite
def communities(draw: st.DrawFn, *, gain: bool = True, ordered: bool = True) -> Drawn:
    """Draw a community with any nets; with `ordered`, trade pays in every PTU.

    The bills alone are drawn freely and then all raised (or with ``gain=False`` lowered) by the
    same amount until there is a gain (or none).
    """
    members = draw(st.integers(1, 6))
    net_kw = draw(npst.arrays(np.float64, (members, 24), elements=st.floats(-8, 8)))
    exported = draw(npst.arrays(np.float64, 24, elements=st.floats(-0.2, 0.5)))
    fee = draw(st.sampled_from([0.0, 0.03]))
    lowest = 0.0 if ordered else -0.4
    spread = draw(npst.arrays(np.float64, 24, elements=st.floats(lowest, 0.4)))
    peak = draw(st.sampled_from([0.0, 0.5]))
    # Rounding must not turn an empty interval of local prices into a loss: 1e-12 EUR/kWh above it.
    imported = exported + spread + (fee + 1e-12 if ordered else 0.0)
    prices = Tariff("drawn", imported, exported, peak_eur_per_kw=peak)
    terms = SplitTerms(
        rule=draw(st.sampled_from(SplitRule)),
        local_price_share=draw(st.floats(0, 1)),
        service_share=draw(st.floats(0, 1)),
        fee_eur_per_kwh=fee,
    )
    freely = npst.arrays(np.float64, members, elements=st.floats(-20, 20))
    alone_eur = draw(freely)
    owed_eur = sum(
        owed_in_ptu_eur(net_kw[:, ptu], imported[ptu], exported[ptu], fee) for ptu in range(24)
    ) + sum(peak * max(0.0, float(member_kw.max())) for member_kw in net_kw)
    missing_eur = owed_eur - float(alone_eur.sum())
    wanted_eur = draw(st.floats(0.001, 10))
    raised = max(missing_eur + wanted_eur, 0.0) if gain else min(missing_eur - wanted_eur, 0.0)
    alone_eur = alone_eur + raised / members
    worth_eur = alone_eur - np.abs(draw(freely))
    return Drawn(net_kw, alone_eur, worth_eur, prices, terms)


def owed_in_ptu_eur(net_kw: FloatArray, imported: float, exported: float, fee: float) -> float:
    """What members owe for one hour, trade by trade: each takes the better of market and meter."""
    drawn_kwh = sum(float(kw) for kw in net_kw if kw > 0)
    fed_kwh = sum(-float(kw) for kw in net_kw if kw < 0)
    local_kwh = min(drawn_kwh, fed_kwh)
    saved_eur_per_kwh = max(imported - fee - exported, 0.0)
    return drawn_kwh * imported - fed_kwh * exported - local_kwh * saved_eur_per_kwh
