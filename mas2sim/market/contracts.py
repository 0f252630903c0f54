"""The contract phase: congestion points, who is whose member, and power bought in advance.

A room of its own because all of this is settled before the first plan is made (USEF's contract
phase). The DSO publishes its congestion points; homes join communities; and where a market would be
too thin the DSO and an aggregator agree on power for months (D6.1, C.2.1). A contradiction among
them is found here, before any work starts.

How a bilateral contract enters the market: the aggregator offers as always, by whole offers. What
an offer brings at the contract's point, in its hours and direction and up to its power, is paid at
the contract's price instead of the members' loss, and the price cap does not apply to it. If that
is not all of the energy that the offer moves, the rest is paid in proportion to the offer's own
price, and the cap applies to that. What a contract pays more or less than the members lose is the
aggregator's affair; what members pay is settled as for any order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray
from mas2sim.domain.community import Community
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.flexibility import FEWEST_HOMES, FlexOffer
from mas2sim.domain.horizon import Horizon
from mas2sim.market.acceptance import above_cap, energy_moved_kwh

LEAST_ACTIVATED_KW = 1e-6
"""Below this a change is rounding, not an activation."""


@dataclass(frozen=True, slots=True)
class CongestionRegister:
    """Congestion points of a substation, as the DSO publishes them.

    Parameters
    ----------
    points : tuple of str
        The transformer first, then the feeders by name.
    feeder : tuple of str, shape (home)
        Feeder that the home's connection lies behind; empty right at the transformer.
    """

    points: tuple[str, ...]
    feeder: tuple[str, ...]

    @classmethod
    def publish(
        cls, transformer: str, feeder_homes: Mapping[str, Sequence[int]], homes: int
    ) -> CongestionRegister:
        """Make the register from the homes behind each feeder.

        Raises
        ------
        ConfigurationError
            When a home is not there or behind two feeders, or two points have the same name.
        """
        feeder = [""] * homes
        faults = []
        for name in sorted(feeder_homes):
            if name in ("", transformer):
                faults.append(
                    Fault("congestion points", f"a feeder named {name!r}", "a name of its own")
                )
            for home in feeder_homes[name]:
                if not 0 <= home < homes:
                    faults.append(_no_such_home(f"feeder {name}", home, homes))
                elif feeder[home]:
                    found = f"behind {feeder[home]} and {name}"
                    faults.append(Fault(f"home {home}", found, "one feeder"))
                else:
                    feeder[home] = name
        if faults:
            raise ConfigurationError(faults)
        return cls((transformer, *sorted(feeder_homes)), tuple(feeder))

    @property
    def transformer(self) -> str:
        """The point that all homes lie behind."""
        return self.points[0]

    def points_of(self, home: int) -> tuple[str, ...]:
        """Congestion points that a home's power goes through, the transformer first."""
        feeder = self.feeder[home]
        return (self.transformer, feeder) if feeder else (self.transformer,)

    def homes_behind(self, point: str) -> tuple[int, ...]:
        """Homes whose power goes through a congestion point, ascending."""
        return tuple(home for home in range(len(self.feeder)) if point in self.points_of(home))


class Direction(StrEnum):
    """What a bilateral contract has less of at the congestion point."""

    IMPORT = "import"
    EXPORT = "export"


@dataclass(frozen=True, slots=True)
class BilateralContract:
    """Power that an aggregator keeps ready for the DSO, at a price agreed in advance.

    Parameters
    ----------
    community : str
        Whose aggregator it is.
    point : str
        Congestion point.
    reduces : Direction
        Whether import or export is reduced.
    power_kw : float
        The most that can be called for.
    hours : tuple of int
        PTUs of each day, from the first up to, not including, the second; equal ones are the whole
        day, and they may wrap midnight.
    price_eur_per_kwh : float
        For energy that is called for.
    fee_eur_per_day : float
        For keeping the power ready. It is due whatever is called for, so it decides nothing.
    activations_per_day : int
        How often in a day the power can be called for; PTUs in a row are one activation.
    """

    community: str
    point: str
    reduces: Direction
    power_kw: float
    hours: tuple[int, int]
    price_eur_per_kwh: float = 0.0
    fee_eur_per_day: float = 0.0
    activations_per_day: int = 1

    def called_kw(self, change_kw: FloatArray, horizon: Horizon, *, used: int = 0) -> FloatArray:
        """Part of a change at the contract's point that falls under the contract. [kW]

        Parameters
        ----------
        change_kw : array, shape (ptu)
        used : int
            Activations of this day that are used up.

        Returns
        -------
        array, shape (ptu)
            Not below zero. Of more activations than are left the first ones count, from midnight.
        """
        sign = -1.0 if self.reduces is Direction.IMPORT else 1.0
        inside = horizon.mask(*self.hours)
        brought_kw = np.where(inside, np.clip(sign * change_kw, 0.0, self.power_kw), 0.0)
        active = brought_kw > LEAST_ACTIVATED_KW
        first = active & ~np.roll(active, 1)
        first[0] |= active.all()
        # What is active at midnight without beginning there goes on from the day's last activation.
        number = np.cumsum(first)
        number[number == 0] = number[-1]
        left = self.activations_per_day - used
        return np.where(active & (number <= left), brought_kw, 0.0)


def under_contracts(
    offers: Sequence[FlexOffer],
    contracts: Sequence[BilateralContract],
    points: tuple[str, ...],
    horizon: Horizon,
    *,
    price_cap_eur_per_kwh: float,
    used: Mapping[BilateralContract, int] | None = None,
) -> tuple[tuple[FlexOffer, ...], frozenset[tuple[str, int]]]:
    """Price offers by the contracts that they fall under.

    Parameters
    ----------
    points : tuple of str
        Congestion points, in the order of the offers' rows.
    used : mapping of BilateralContract to int, optional
        Activations of the day that are used up.

    Returns
    -------
    tuple of FlexOffer
        In the same order. An offer is as it was where no contract applies, and where its rest is
        above the cap.
    frozenset of pairs of str and int
        Community and number of those under contract, for which the cap has been seen to
        (`acceptance.least_cost`, ``exempt``).
    """
    priced, exempt = [], set()
    for offer in offers:
        moved_kwh = energy_moved_kwh(offer.change_kw, horizon.ptu_hours)
        called_kwh, called_eur = 0.0, 0.0
        for contract in contracts:
            if contract.community == offer.community:
                change_kw = offer.change_kw[points.index(contract.point)]
                done = 0 if used is None else used.get(contract, 0)
                called_kw = contract.called_kw(change_kw, horizon, used=done)
                energy_kwh = float(called_kw.sum()) * horizon.ptu_hours
                called_kwh += energy_kwh
                called_eur += energy_kwh * contract.price_eur_per_kwh
        share = 1.0 if called_kwh >= moved_kwh else called_kwh / moved_kwh
        rest_eur = (1.0 - share) * offer.price_eur
        dear = share < 1.0 and above_cap(offer, price_cap_eur_per_kwh, horizon.ptu_hours)
        if called_kwh > 0.0 and not dear:
            priced.append(replace(offer, price_eur=called_eur + rest_eur))
            exempt.add((offer.community, offer.number))
        else:
            priced.append(offer)
    return tuple(priced), frozenset(exempt)


def check_contracts(
    communities: Sequence[Community],
    tariffs: Sequence[str],
    register: CongestionRegister,
    contracts: Sequence[BilateralContract] = (),
    *,
    ptus: int = 96,
) -> None:
    """Refuse what contradicts itself.

    Parameters
    ----------
    tariffs : sequence of str, shape (home)
        Name of each home's tariff.
    contracts : sequence of BilateralContract
    ptus : int
        PTUs of a day.

    Raises
    ------
    ConfigurationError
        With every contradiction that was found.
    """
    faults = [
        *membership_faults(communities, tariffs),
        *bilateral_faults(contracts, communities, register, ptus=ptus),
    ]
    if len(tariffs) != len(register.feeder):
        found = f"{len(tariffs)} homes with a tariff"
        faults.append(Fault("register", found, f"the {len(register.feeder)} in the register"))
    if faults:
        raise ConfigurationError(faults)


def membership_faults(communities: Sequence[Community], tariffs: Sequence[str]) -> list[Fault]:
    """List what is wrong with who is a member of which community."""
    faults = [
        Fault(f"community {name}", f"{count} of that name", "a name of its own for each")
        for name, count in Counter(community.name for community in communities).items()
        if count > 1
    ]
    joined: dict[int, list[str]] = {}
    for community in communities:
        where = f"community {community.name}"
        for home in community.members:
            joined.setdefault(home, []).append(community.name)
        if not community.members:
            faults.append(Fault(where, "no members", f"at least {FEWEST_HOMES}"))
        elif len(set(community.members)) < FEWEST_HOMES:
            found = f"{len(set(community.members))} members"
            remedy = "fewer communities: of fewer homes no sum may be told beyond the aggregator"
            faults.append(Fault(where, found, f"at least {FEWEST_HOMES}", remedy))
        there = [home for home in community.members if 0 <= home < len(tariffs)]
        away = [home for home in community.members if not 0 <= home < len(tariffs)]
        faults.extend(_no_such_home(where, home, len(tariffs)) for home in away)
        named = sorted({tariffs[home] for home in there})
        if len(named) > 1:
            faults.append(Fault(where, f"tariffs {', '.join(named)}", "one tariff a community"))
    faults.extend(
        Fault(f"home {home}", f"a member of {' and '.join(names)}", "one community at most")
        for home, names in sorted(joined.items())
        if len(names) > 1
    )
    return faults


def bilateral_faults(
    contracts: Sequence[BilateralContract],
    communities: Sequence[Community],
    register: CongestionRegister,
    *,
    ptus: int,
) -> list[Fault]:
    """List what is wrong with bilateral contracts."""
    homes = {community.name: set(community.members) for community in communities}
    faults = []
    for index, contract in enumerate(contracts):
        where = f"bilateral contract {index + 1}"
        if contract.community not in homes:
            faults.append(Fault(where, f"community {contract.community}", _listed(homes)))
        if contract.point not in register.points:
            found = f"congestion point {contract.point}"
            faults.append(Fault(where, found, _listed(register.points)))
        elif not homes.get(contract.community, set()).intersection(
            register.homes_behind(contract.point)
        ):
            found = f"no member of {contract.community} behind {contract.point}"
            faults.append(Fault(where, found, "a point that a member's power goes through"))
        if not (np.isfinite(contract.power_kw) and contract.power_kw > 0):
            faults.append(Fault(where, f"power {contract.power_kw} kW", "a power above 0 kW"))
        if not all(0 <= ptu < ptus for ptu in contract.hours):
            faults.append(Fault(where, f"hours {contract.hours}", f"PTUs from 0 to {ptus - 1}"))
        prices = (contract.price_eur_per_kwh, contract.fee_eur_per_day)
        if not all(np.isfinite(price) and price >= 0 for price in prices):
            found = f"{prices[0]} EUR/kWh and {prices[1]} EUR a day"
            faults.append(Fault(where, found, "prices of 0 or more"))
        if contract.activations_per_day < 1:
            found = f"{contract.activations_per_day} activations a day"
            faults.append(Fault(where, found, "at least 1"))
    for (first, one), (second, other) in combinations(enumerate(contracts), 2):
        same = (one.community, one.reduces) == (other.community, other.reduces)
        if same and (_inside(one, ptus) & _inside(other, ptus)).any():
            # The same kW goes through feeder and transformer: it would be paid for twice.
            where = f"bilateral contracts {first + 1} and {second + 1}"
            found = f"the same hours and direction for {one.community}"
            faults.append(Fault(where, found, "no hour in common", "one contract, or other hours"))
    return faults


def _inside(contract: BilateralContract, ptus: int) -> BoolArray:
    first, end = contract.hours
    place = (np.arange(ptus) - first) % ptus
    return np.asarray(place < ((end - first) % ptus or ptus))


def _no_such_home(where: str, home: int, homes: int) -> Fault:
    return Fault(where, f"home {home}", f"homes from 0 to {homes - 1}")


def _listed(names: Iterable[str]) -> str:
    return "one of " + ", ".join(names)
