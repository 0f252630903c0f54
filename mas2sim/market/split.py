"""How a community's bill is split among its members.

A room of its own because the plan that is best for a community is one question and who pays for it
another. Two rules are kept: trade at a local price, which anybody can check with a pencil, and the
dual split, which gives each member what its flexibility is worth at the community's prices. Under
both nobody pays more than alone, and the payments add up to what is owed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff
from mas2sim.market.community_bill import peaks_eur, settled_cost_eur, trade_pays


class SplitRule(StrEnum):
    """By what the community's gain is shared."""

    MIDPRICE = "midprice"
    """Local trade at a price between export and import; losses against uc1 are made good."""
    DUAL = "dual"
    """In proportion to what each member's day is worth at the community's prices."""


@dataclass(frozen=True, slots=True)
class SplitTerms:
    """What members and aggregator have agreed on.

    Parameters
    ----------
    rule : SplitRule
    local_price_share : float
        Where the local price lies: 0 at the export price, 1 at the import price less the fee.
        The dual split does not use it.
    service_share : float
        Share of the community's gain that the aggregator keeps.
    fee_eur_per_kwh : float
        Network charge on energy traded within the community, paid by the buyer.

    Raises
    ------
    ConfigurationError
        When a share is outside [0, 1] or the fee is negative.
    """

    rule: SplitRule = SplitRule.MIDPRICE
    local_price_share: float = 0.5
    service_share: float = 0.0
    fee_eur_per_kwh: float = 0.0

    def __post_init__(self) -> None:
        shares = {
            "local_price_share": self.local_price_share,
            "service_share": self.service_share,
        }
        faults = [
            Fault(name, str(share), "a share from 0 to 1")
            for name, share in shares.items()
            if not 0.0 <= share <= 1.0
        ]
        if not 0.0 <= self.fee_eur_per_kwh < np.inf:
            faults.append(
                Fault("fee_eur_per_kwh", str(self.fee_eur_per_kwh), "a price of 0 or more")
            )
        if faults:
            raise ConfigurationError(faults)


@dataclass(frozen=True, slots=True, eq=False)
class Payments:
    """Who pays what for the day. No standing charges are in it.

    The payments add up to ``cost_eur + service_eur - shortfall_eur``.

    Parameters
    ----------
    payment_eur, alone_eur : array, shape (member)
        What each member pays, and what it would have paid under uc1.
    bought_kwh, sold_kwh : array, shape (member)
        Energy traded within the community.
    cost_eur : float
        What the community owes to suppliers and network for its metered day.
    service_eur : float
        What the aggregator keeps of the gain.
    fee_eur : float
        Network charge on local trades; it is part of `cost_eur`.
    shortfall_eur : float
        What the aggregator has to add where the community's day costs more than its members would
        have paid alone. Rounding may leave some 1e-15 of it.
    """

    payment_eur: FloatArray
    alone_eur: FloatArray
    bought_kwh: FloatArray
    sold_kwh: FloatArray
    cost_eur: float
    service_eur: float
    fee_eur: float
    shortfall_eur: float

    def __post_init__(self) -> None:
        freeze_fields(self, "payment_eur", "alone_eur", "bought_kwh", "sold_kwh")

    @property
    def gain_eur(self) -> FloatArray:
        """What each member pays less than alone, shape (member). [EUR]"""
        return np.asarray(self.alone_eur - self.payment_eur)

    @property
    def local_kwh(self) -> float:
        """Energy traded within the community. [kWh]"""
        return float(self.bought_kwh.sum())


def split_payments(
    net_kw: FloatArray,
    alone_eur: FloatArray,
    tariff: Tariff,
    horizon: Horizon,
    terms: SplitTerms,
    worth_eur: FloatArray | None = None,
) -> Payments:
    """Split what a community owes for its metered day.

    With G the gain ``sum(alone) - cost`` and s the service share, member h pays
    ``alone_h - w_h / sum(w) (1 - s) G``. The rules differ in w: under midprice it is what h pays
    less than alone when local trades are settled at the local price, under dual it is
    ``alone_h - worth_h`` (the split of linear production games: Owen 1975,
    doi:10.1007/BF01681356); nobody's w is below zero. So under midprice those who would lose pay
    their uc1 bill, and those who gain bear it in proportion to their gains.

    Where the import price less the fee is below the export price, no local price suits both sides:
    there is no trade in such a PTU and each member settles by its own meter. The payments then add
    up to `settled_cost_eur`, which is below the netted bill B; everywhere else the two are equal.

    Without a gain (G < 0) every member pays its uc1 bill, which the aggregator has guaranteed, and
    the aggregator bears the shortfall.

    Parameters
    ----------
    net_kw : array, shape (member, ptu)
        Metered power at the connection points, positive is import.
    alone_eur : array, shape (member)
        Bill of each member's own uc1 plan by its own meter, without standing charge. Where the day
        costs a member comfort, the caller adds the worth of what it forgoes alone and takes off the
        worth of what it forgoes here; the guarantee then covers both.
    worth_eur : array, shape (member), optional
        Least cost of each member's day at the community's prices, asked for by the dual split. It
        is at most `alone_eur` where these prices lie between export and import less fee. When no
        member's is below, a gain is shared equally.

    Raises
    ------
    ConfigurationError
        When values are missing or not finite, or their shapes do not fit.
    """
    _check(net_kw, alone_eur, horizon, terms, worth_eur)
    fee = terms.fee_eur_per_kwh
    bought_kw, sold_kw = local_trade(net_kw, tariff, fee)
    cost_eur = float(settled_cost_eur(net_kw, tariff, horizon, fee))
    if terms.rule is SplitRule.DUAL and worth_eur is not None:
        compared_eur = worth_eur
    else:
        compared_eur = _at_local_price_eur(net_kw, bought_kw, sold_kw, tariff, horizon, terms)
    gain_eur = float(alone_eur.sum()) - cost_eur
    service_eur = terms.service_share * max(gain_eur, 0.0)
    share = proportions(alone_eur - compared_eur)
    bought_kwh = bought_kw.sum(axis=-1) * horizon.ptu_hours
    return Payments(
        payment_eur=alone_eur - share * (max(gain_eur, 0.0) - service_eur),
        alone_eur=alone_eur,
        bought_kwh=bought_kwh,
        sold_kwh=sold_kw.sum(axis=-1) * horizon.ptu_hours,
        cost_eur=cost_eur,
        service_eur=service_eur,
        fee_eur=fee * float(bought_kwh.sum()),
        shortfall_eur=max(-gain_eur, 0.0),
    )


def proportions(weight: FloatArray) -> FloatArray:
    """Share of each member by its weight, equal shares where no weight is above zero.

    Parameters
    ----------
    weight : array, shape (member)
        Those below zero count as zero.
    """
    positive = np.maximum(weight, 0.0)
    greatest = positive.max(initial=0.0)
    if greatest == 0.0:
        return np.full(weight.shape, 1.0 / max(weight.size, 1))
    # Scaled first: shares of the smallest of numbers would lose all their digits.
    scaled = positive / greatest
    return np.asarray(scaled / scaled.sum())


def local_trade(
    net_kw: FloatArray, tariff: Tariff, fee_eur_per_kwh: float
) -> tuple[FloatArray, FloatArray]:
    """Power bought and sold among those who trade, shape (member, ptu) each. [kW]

    The smaller side trades all it has; the larger side shares it in proportion to its power.

    Parameters
    ----------
    net_kw : array, shape (member, ptu)
        Of homes in a community, or of communities behind a substation.
    """
    import_kw, export_kw = np.maximum(net_kw, 0.0), np.maximum(-net_kw, 0.0)
    wanted_kw, offered_kw = import_kw.sum(axis=0), export_kw.sum(axis=0)
    volume_kw = np.where(
        trade_pays(tariff, fee_eur_per_kwh), np.minimum(wanted_kw, offered_kw), 0.0
    )
    return import_kw * _ratio(volume_kw, wanted_kw), export_kw * _ratio(volume_kw, offered_kw)


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Part of the whole, 0 where there is no whole."""
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)


def _at_local_price_eur(
    net_kw: FloatArray,
    bought_kw: FloatArray,
    sold_kw: FloatArray,
    tariff: Tariff,
    horizon: Horizon,
    terms: SplitTerms,
) -> FloatArray:
    """Payments with local trades at the local price and nothing made good, shape (member). [EUR]"""
    fee, lower = terms.fee_eur_per_kwh, tariff.export_eur_per_kwh
    price = lower + terms.local_price_share * (tariff.import_eur_per_kwh - fee - lower)
    local_eur = ((price + fee) * bought_kw - price * sold_kw).sum(axis=-1) * horizon.ptu_hours
    rest_eur = tariff.energy_cost_eur(net_kw - bought_kw + sold_kw, horizon)
    return np.asarray(local_eur + rest_eur + peaks_eur(net_kw, tariff))


def _check(
    net_kw: FloatArray,
    alone_eur: FloatArray,
    horizon: Horizon,
    terms: SplitTerms,
    worth_eur: FloatArray | None,
) -> None:
    """Refuse what cannot be settled, with every reason found."""
    faults: list[Fault] = []
    if net_kw.ndim != 2 or net_kw.shape[1] != horizon.ptus:
        allowed = f"shape (member, ptu) with {horizon.ptus} PTUs"
        faults.append(Fault("net_kw", f"shape {net_kw.shape}", allowed))
    per_member = {"alone_eur": alone_eur}
    if worth_eur is not None:
        per_member["worth_eur"] = worth_eur
    elif terms.rule is SplitRule.DUAL:
        faults.append(
            Fault("worth_eur", "none", "a value for each member", f"rule={SplitRule.MIDPRICE}")
        )
    members = net_kw.shape[0] if net_kw.ndim else 0
    for name, values in per_member.items():
        if values.shape != (members,):
            allowed = f"shape ({members},), one for each member"
            faults.append(Fault(name, f"shape {values.shape}", allowed))
    for name, values in {"net_kw": net_kw, **per_member}.items():
        unusable = ~np.isfinite(values)
        if values.ndim and unusable.any():
            places = np.flatnonzero(unusable.reshape(values.shape[0], -1).any(axis=1)).tolist()
            remedy = "settle members without a meter or a uc1 plan outside the community"
            faults.append(Fault(f"{name} of members {places}", "no number", "finite", remedy))
    if faults:
        raise ConfigurationError(faults)
