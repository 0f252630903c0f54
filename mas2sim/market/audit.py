"""Audit of what members and aggregators tell, against the devices that members have registered.

A room of its own because it belongs to neither side of the market. What a market pays for is a
change against a plan that was only told, so somebody has to ask whether that plan can be believed
(D6.1, C.2.1). The auditor knows each member's registered devices and tariff, as an aggregator or a
body of its own may; the DSO learns who is not believed and sums, never the plan of a home.

Five rules, each a comparison that can be explained to a household:

1. reach: no more is told than the registered devices can draw or deliver in any PTU;
2. plausible: the plan told at the plan gate costs what the cheapest day of these devices costs. A
   cheaper one is impossible. A dearer one is not believed, for why would anybody follow it? The
   bill alone is the cost of that plan, and comfort given up is at most what the devices can cost;
3. possible: the plan that the local market ordered costs, at prices told by nobody alone, no less
   than the cheapest day of these devices at the same prices. The day is one point of a set that is
   known by its least costs (its support function), so each price can only ever refute a lie;
4. delivered: what the meter says beside the last order is charged;
5. an aggregator is paid what its community's settled cost rises by, whatever it asked for, and its
   A-plan is the sum of its members' plans.

Who is not believed by the rules 1 to 3 is settled by its own meter: its bill is at least the least
cost of its devices, and so at least what it would have paid had it been honest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, freeze_fields
from mas2sim.domain.flexibility import Declaration
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff


class Doubt(StrEnum):
    """Why something told is not believed."""

    REACH = "beyond its devices"
    IMPOSSIBLE = "cheaper than its devices can be"
    IMPLAUSIBLE = "dearer than its devices need be"
    BILL = "bill alone is not that of its plan"
    COMFORT = "more comfort given up than its devices can cost"
    NOT_DELIVERED = "metered beside the order"
    PRICE = "asked for more than members lose"
    SUM = "A-plan is not the sum of the plans"


@dataclass(frozen=True, slots=True)
class Finding:
    """One doubt about one member; -1 is the aggregator itself.

    Parameters
    ----------
    amount : float
        By how much: kW under `REACH` and `SUM`, kWh under `NOT_DELIVERED`, EUR elsewhere.
    """

    member: int
    doubt: Doubt
    amount: float


@dataclass(frozen=True, slots=True)
class AuditTerms:
    """What is let pass.

    Parameters
    ----------
    tolerance_eur : float
        Difference of costs of one member and day; covers gaps to which plans are proven.
    tolerance_kw : float
        Power beyond the registered reach that is rounding.
    deviation_kw : float
        Difference between order and meter in a PTU that is not charged.
    deviation_factor : float
        Charge for what deviates further, as a multiple of the day's highest import price.
    """

    tolerance_eur: float = 0.01
    tolerance_kw: float = 1e-3
    deviation_kw: float = 0.1
    deviation_factor: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class RegisteredDays:
    """What the auditor works out from the devices that members have registered.

    Parameters
    ----------
    declaration : Declaration
        Their true reach, and who has anything to offer.
    net_kw : array, shape (member, ptu)
        A cheapest day of each member under its tariff.
    least_eur : array, shape (member)
        Its cost, comfort given up included.
    bound_eur : array, shape (member)
        What no day of these devices can cost less than; NaN where nothing is proven.
    forgone_most_eur : array, shape (member)
        The most that a day of these devices can cost in comfort.
    """

    declaration: Declaration
    net_kw: FloatArray
    least_eur: FloatArray
    bound_eur: FloatArray
    forgone_most_eur: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw", "least_eur", "bound_eur", "forgone_most_eur")


@dataclass(frozen=True, slots=True, eq=False)
class AuditedBaseline:
    """What the aggregator goes on with after the plan gate.

    Parameters
    ----------
    net_kw : array, shape (member, ptu)
        As told where believed, else the cheapest day of the registered devices.
    alone_eur : array, shape (member)
    declaration : Declaration
        Who is not believed takes no part in the market of the day.
    believed : tuple of bool, shape (member)
    findings : tuple of Finding
    """

    net_kw: FloatArray
    alone_eur: FloatArray
    declaration: Declaration
    believed: tuple[bool, ...]
    findings: tuple[Finding, ...]

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw", "alone_eur")


@dataclass(frozen=True, slots=True, eq=False)
class AuditedPayments:
    """Settlement after the audit; what members pay more is what DSO and community get.

    Parameters
    ----------
    payment_eur : array, shape (member)
    dso_eur : float
        What the DSO pays to the community.
    left_eur : float
        What is left for the other members.
    """

    payment_eur: FloatArray
    dso_eur: float
    left_eur: float

    def __post_init__(self) -> None:
        freeze_fields(self, "payment_eur")


def audit_baseline(
    baseline_kw: FloatArray,
    alone_eur: FloatArray,
    told: Declaration,
    registered: RegisteredDays,
    tariff: Tariff,
    horizon: Horizon,
    terms: AuditTerms,
) -> AuditedBaseline:
    """Ask of each member's plan whether its registered devices would follow it (rules 1 and 2).

    Parameters
    ----------
    baseline_kw : array, shape (member, ptu)
        P-plans; NaN rows are members that sent none, of whom there is nothing to doubt.
    alone_eur : array, shape (member)
        Bills of these plans as told, without standing charge.
    told : Declaration
        What members say of their devices in the market.
    """
    true = registered.declaration
    sent = np.asarray(np.isfinite(baseline_kw).all(axis=1))
    plan_kw = np.where(sent[:, None], baseline_kw, registered.net_kw)
    bill_eur = tariff.cost_eur(plan_kw, horizon)
    cost_eur = bill_eur + told.forgone_eur
    # A home that does not join has a day, but no reach that a market could have asked for.
    flexible = np.array(true.flexible, dtype=bool)
    # Nor does it tell what comfort its own plan gives up.
    silent_eur = np.where(flexible, 0.0, registered.forgone_most_eur)
    tells_kw = np.maximum(true.lower_kw - told.lower_kw, told.upper_kw - true.upper_kw)
    plans_kw = np.maximum(true.lower_kw - plan_kw, plan_kw - true.upper_kw)
    beyond_kw = np.maximum(tells_kw, plans_kw).max(axis=1)
    claimed_kw = (told.upper_kw - told.lower_kw).max(axis=1)
    unregistered_kw = np.where(np.array(told.flexible, dtype=bool), claimed_kw, 0.0)
    amounts = {
        Doubt.REACH: (np.where(flexible, beyond_kw, unregistered_kw), terms.tolerance_kw),
        Doubt.IMPOSSIBLE: (registered.bound_eur - cost_eur - silent_eur, terms.tolerance_eur),
        Doubt.IMPLAUSIBLE: (cost_eur - registered.least_eur, terms.tolerance_eur),
        Doubt.BILL: (np.abs(alone_eur - bill_eur), terms.tolerance_eur),
        Doubt.COMFORT: (told.forgone_eur - registered.forgone_most_eur, terms.tolerance_eur),
    }
    findings = tuple(
        Finding(int(member), doubt, float(amount[member]))
        for doubt, (amount, tolerance) in amounts.items()
        for member in np.flatnonzero(sent & np.greater(amount, tolerance))
    )
    believed = np.ones(len(baseline_kw), dtype=bool)
    believed[[finding.member for finding in findings]] = False
    least_bill_eur = tariff.cost_eur(registered.net_kw, horizon)
    takes_part = np.array(told.flexible, dtype=bool) & believed
    both = believed[:, None]
    return AuditedBaseline(
        net_kw=np.where(both, baseline_kw, registered.net_kw),
        alone_eur=np.where(believed, alone_eur, least_bill_eur),
        declaration=replace(
            told,
            flexible=tuple(takes_part.tolist()),
            lower_kw=np.where(both, told.lower_kw, true.lower_kw),
            upper_kw=np.where(both, told.upper_kw, true.upper_kw),
            forgone_eur=np.where(believed, told.forgone_eur, true.forgone_eur),
        ),
        believed=tuple(believed.tolist()),
        findings=findings,
    )


def understated_eur(
    net_kw: FloatArray,
    forgone_eur: FloatArray,
    prices_eur_per_kwh: FloatArray,
    worth_eur: FloatArray,
    registered: RegisteredDays,
    horizon: Horizon,
    terms: AuditTerms,
) -> FloatArray:
    """By how much each plan is cheaper than its member's devices can be, shape (member). [EUR]

    0 where no price tells (rule 3), and for members that have nothing registered for the market:
    they keep the plan that was audited at the plan gate. All days of a set of devices satisfy
    ``p . n >= worth(p)`` for every price p (Rockafellar, Convex Analysis, 1970, section 13), so
    that who is honest is never refuted.

    Parameters
    ----------
    net_kw, forgone_eur : array, shape (member, ptu) and (member)
        The plans ordered, and the comfort that members say they give up.
    prices_eur_per_kwh : array, shape (price, ptu)
    worth_eur : array, shape (price, member)
        Least cost of each member's registered devices at each price.
    """
    told_eur = horizon.ptu_hours * prices_eur_per_kwh @ net_kw.T + forgone_eur
    most_eur = np.nan_to_num(worth_eur - told_eur).max(axis=0)
    flexible = np.array(registered.declaration.flexible, dtype=bool)
    return np.where(flexible & (most_eur > terms.tolerance_eur), most_eur, 0.0)


def audit_ordered(
    understated: FloatArray, forgone_eur: FloatArray, registered: RegisteredDays, terms: AuditTerms
) -> tuple[Finding, ...]:
    """What is found in the plans that the local market has ordered (rules 2 and 3).

    Parameters
    ----------
    understated : array, shape (member)
        From `understated_eur`.
    forgone_eur : array, shape (member)
        Comfort that members say they give up by these plans.
    """
    comfort_eur = forgone_eur - registered.forgone_most_eur
    impossible = [
        Finding(int(member), Doubt.IMPOSSIBLE, float(understated[member]))
        for member in np.flatnonzero(understated > 0)
    ]
    comfort = [
        Finding(int(member), Doubt.COMFORT, float(comfort_eur[member]))
        for member in np.flatnonzero(comfort_eur > terms.tolerance_eur)
    ]
    return (*impossible, *comfort)


def deviation_charge_eur(
    ordered_kw: FloatArray,
    metered_kw: FloatArray,
    tariff: Tariff,
    horizon: Horizon,
    terms: AuditTerms,
) -> FloatArray:
    """What each member is charged for a meter that differs from its order, shape (member). [EUR]

    Every kWh beyond the tolerance, in either direction, at the highest import price of the day
    (rule 4): no price of the day can make the difference worth while.

    Parameters
    ----------
    ordered_kw, metered_kw : array, shape (member, ptu)
    """
    beyond_kw = np.maximum(np.abs(metered_kw - ordered_kw) - terms.deviation_kw, 0.0)
    price = terms.deviation_factor * max(float(tariff.import_eur_per_kwh.max()), 0.0)
    return np.asarray(beyond_kw.sum(axis=1) * horizon.ptu_hours * price)


def overstated_eur(asked_eur: float, increase_eur: float, terms: AuditTerms) -> float:
    """By how much an aggregator asked for more than it is paid, 0 within the tolerance (rule 5).

    Parameters
    ----------
    asked_eur : float
        Price of the offer taken.
    increase_eur : float
        What the community's settled cost rose by: that is paid, whatever was asked.
    """
    beyond_eur = asked_eur - increase_eur
    return beyond_eur if beyond_eur > terms.tolerance_eur else 0.0


def settle_audited(
    payment_eur: FloatArray,
    own_bill_eur: FloatArray,
    dso_eur: float,
    believed: BoolArray,
    taken_eur: FloatArray,
    charge_eur: FloatArray,
) -> AuditedPayments:
    """Settle a community of which not all is believed; nothing changes where all is.

    A member that is not believed pays its own bill by its own meter, or more if that does not make
    good what its plan took from the DSO. Charges for deviations come on top, for anyone.

    Parameters
    ----------
    payment_eur : array, shape (member)
        As settled by the aggregator, with the standing charge.
    own_bill_eur : array, shape (member)
        By tariff and meter alone, with the standing charge.
    taken_eur : array, shape (member)
        What each has cost the DSO by what it told: by how much its plan before the request was too
        cheap, and the comfort that it says the order cost it. Counts of those not believed alone.
    """
    apart_eur = np.maximum(payment_eur + taken_eur, own_bill_eur)
    audited_eur = np.where(believed, payment_eur, apart_eur) + charge_eur
    back_eur = min(float(taken_eur[~believed].sum()), dso_eur)
    return AuditedPayments(
        payment_eur=audited_eur,
        dso_eur=dso_eur - back_eur,
        left_eur=float((audited_eur - payment_eur).sum()) - back_eur,
    )
