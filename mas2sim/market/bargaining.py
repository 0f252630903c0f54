"""One community's bargaining: rounds of requests to blocks of members, answers taken in turn.

The aggregator sends a price curve, the community's marginal cost of one more kW around the sum of
what its members told, and each member of a block answers with the profile it would follow. Answers
of one block were made at once, so they are taken one after the other and only if they still lower
the cost; the others go back. After each round the price moves to the slope at the new sum: the
method of multipliers on the community's bill (Bertsekas, Constrained Optimization and Lagrange
Multiplier Methods, 1982, chapter 2).

Nothing here knows devices, networks or how messages travel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.domain.curve_arithmetic import accept_in_turn
from mas2sim.domain.flexibility import (
    Acceptance,
    MemberOffers,
    MemberRequest,
    PriceCurve,
)
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.market import price_curve
from mas2sim.market.community_bill import peaks_eur, settled_cost_eur
from mas2sim.market.membership import CommunityPrices, Membership, Worth

FIRST_WIDTH, LAST_WIDTH = 1.0, 0.05
"""Range of a price ramp as a share of the community's mean power, in the first and last round."""
JITTER = 0.5
"""Share by which a width is drawn larger or smaller; without it rounds settle on the same steps."""
LEAST_MEAN_KW = 0.5
"""A community's mean power below this counts as this much when widths are derived from it."""
SHARERS = 0.2
"""By what share of a block's members a curve is made steeper, since they answer at once."""
LEAST_SAVING_EUR = 1e-9
PROOF_PRICE_EUR_PER_KWH = 1e6
"""Unit of the prices of a proof that limits cannot be kept: beside it no comfort counts."""
DECLARED_KW = 1e-6
"""What rounding may put a profile outside what its devices can reach."""


class Bargaining:
    """State of one community's negotiation; rounds are opened by whoever leads it.

    Attributes
    ----------
    net_kw : array, shape (member, ptu)
        The members' plans as they stand.
    price_eur_per_kwh : array, shape (ptu)
        The community's internal price.
    worth : Worth or None
        Of the last round or question.
    messages : int
        Requests to and offers of single members so far.
    events : list of str
        Members whose answers could not be used, and why.
    """

    def __init__(
        self,
        membership: Membership,
        tariff: Tariff,
        horizon: Horizon,
        *,
        level: Level,
        fee_eur_per_kwh: float = 0.0,
    ) -> None:
        self._membership = membership
        self._tariff = tariff
        self._horizon = horizon
        self._level = level
        self._fee_eur_per_kwh = fee_eur_per_kwh
        self.prices = CommunityPrices.of(tariff, fee_eur_per_kwh)
        present = membership.present
        self.net_kw = np.where(present[:, None], membership.net_kw, 0.0)
        self.forgone_eur = np.array(membership.declaration.forgone_eur)
        self._flexible = np.array(membership.declaration.flexible) & present
        self.price_eur_per_kwh = np.where(
            self.net_kw.sum(axis=0) > 0, self.prices.import_less_fee, self.prices.export
        )
        self.worth: Worth | None = None
        self.messages = 0
        self.events: list[str] = []
        self._number = 0
        self._accepted = Acceptance()
        self._keep: tuple[int, ...] = ()
        self._queue: list[IntArray] = []
        self._asked_points: list[PriceCurve] = []
        self._open: MemberRequest | None = None
        self._slope = np.zeros(horizon.ptus)
        self._own_bill: PriceCurve | None = None
        self._judged = True
        self._external: tuple[PriceCurve | None, ...] = ()
        self._moved_kw = np.zeros((1 + membership.groups, horizon.ptus))
        self._worth_prices = np.zeros((membership.groups, horizon.ptus))
        self._worth_fee = self.prices.fee
        self._worth_unit = 1.0
        self._asked_worth: dict[int, tuple[float, FloatArray]] = {}
        self._moves_price = False

    @property
    def flexible(self) -> IntArray:
        """Positions of the members that answer requests."""
        return np.flatnonzero(self._flexible)

    @property
    def total_kw(self) -> FloatArray:
        """The community's net power, shape (ptu)."""
        return np.asarray(self.net_kw.sum(axis=0))

    @property
    def moved_kw(self) -> FloatArray:
        """Change since the round was opened: of all, then of each group, shape (point, ptu)."""
        return self._moved_kw.copy()

    @property
    def cost_eur(self) -> float:
        """Bill of the community as it stands, and what its members give up."""
        bill = settled_cost_eur(self.net_kw, self._tariff, self._horizon, self._fee_eur_per_kwh)
        return float(bill) + float(self.forgone_eur.sum())

    def open_round(
        self,
        blocks: Sequence[IntArray],
        width_kw: float,
        external: tuple[PriceCurve | None, ...] = (),
        external_price_eur_per_kwh: FloatArray | None = None,
        *,
        own_bill: PriceCurve | None = None,
        judged: bool = True,
    ) -> None:
        """Begin a round in which each block of members answers once.

        Parameters
        ----------
        blocks : sequence of array
            Positions of the members of each block.
        width_kw : float
            Range of the community's power over which the price goes from one end to the middle;
            infinite, the price stays as it is.
        external : tuple of PriceCurve or None
            What a change is worth to others: of the whole community, then of each group.
        external_price_eur_per_kwh : array, shape (group, ptu), optional
            Price that others put on each group's power, for the question of worth.
        own_bill : PriceCurve, optional
            Marginal cost of a change of the community as it now stands, asked as it is instead of
            the ramp that the price and the width make: for protocols with a curve of their own.
        judged : bool
            Without, all answers that can be used are taken, whatever they cost.
        """
        self._queue = [block for block in blocks if len(block)]
        self._own_bill, self._judged = own_bill, judged
        self._slope = (self.prices.import_less_fee - self.prices.export) / (2.0 * width_kw)
        self._external = external
        self._moved_kw[:] = 0.0
        self._ask_worth(external_price_eur_per_kwh)
        self._moves_price = True
        if not self._queue:
            self._close_round()

    def open_question(
        self,
        price_eur_per_kwh: FloatArray,
        external_price_eur_per_kwh: FloatArray | None = None,
        *,
        with_fee: bool = True,
    ) -> None:
        """Ask all members for the worth of their day at some prices; nothing else changes.

        Parameters
        ----------
        price_eur_per_kwh : array, shape (ptu)
        external_price_eur_per_kwh : array, shape (group, ptu), optional
            Prices that others put on top.
        with_fee : bool
            Whether money counts: the network fee and comfort. Without, prices are weights of
            energy, and worths are energy too: only then do they prove what cannot be avoided.
        """
        self._queue = [self.flexible] if self._flexible.any() else []
        self._external = ()
        self._ask_worth(external_price_eur_per_kwh, price_eur_per_kwh, with_fee=with_fee)
        self._moves_price = False
        if not self._queue:
            self._close_round()

    def request(self, *, keep: int = -1) -> MemberRequest | None:
        """Return the next request of the round; None when all blocks have been asked.

        Parameters
        ----------
        keep : int
            Label under which members keep their plans as they stand.
        """
        if keep >= 0:
            self._keep = (*self._keep, keep)
        if not self._queue:
            return None
        asked = self._queue.pop(0)
        group = self._membership.group[asked]
        self._asked_points = self._points() if self._moves_price else []
        self._open = MemberRequest(
            community=self._membership.community,
            level=self._level,
            number=self._number,
            asked=tuple(asked.tolist()),
            group=tuple(group.tolist()),
            curves=self._curves(len(asked)) if self._moves_price else (),
            prices_eur_per_kwh=self._worth_prices,
            fee_eur_per_kwh=self._worth_fee,
            accepted=self._accepted,
            keep=self._keep,
        )
        self._number += 1
        self.messages += len(asked)
        return self._open

    def take(self, offers: MemberOffers | None) -> None:
        """Take the answers to the last request; what cannot be used leaves its member as it was."""
        request, self._open = self._open, None
        if request is not None:
            usable = self._usable(request, offers)
            if offers is not None and _answers(offers, request, self._horizon.ptus):
                # Whoever answered has read the request, and with it what was told last.
                self._keep = ()
                if request.curves:
                    self._accepted = Acceptance(request.number)
            if offers is not None and len(usable):
                self.messages += len(usable)
                for place in usable:
                    self._asked_worth[offers.members[place]] = (
                        float(offers.worth_eur[place]),
                        offers.worth_net_kw[place],
                    )
                if request.curves:
                    self._accept(offers, usable)
        if not self._queue:
            self._close_round()

    def last_word(self) -> Acceptance:
        """Offers taken of the last request that was answered."""
        return self._accepted

    def untold(self, keep: int = -1) -> tuple[int, ...]:
        """Labels of plans to be kept that no answer has confirmed, and one more."""
        return (*self._keep, keep) if keep >= 0 else self._keep

    def _ask_worth(
        self,
        external: FloatArray | None,
        price_eur_per_kwh: FloatArray | None = None,
        *,
        with_fee: bool = True,
    ) -> None:
        self._asked_worth = {}
        self.worth = None
        price = self.price_eur_per_kwh if price_eur_per_kwh is None else price_eur_per_kwh
        self._worth_prices = np.repeat(price[None], self._membership.groups, axis=0)
        self._worth_fee = self.prices.fee if with_fee else np.zeros_like(self.prices.fee)
        if external is not None:
            self._worth_prices = self._worth_prices + external
        self._worth_unit = 1.0 if with_fee else PROOF_PRICE_EUR_PER_KWH
        self._worth_prices = self._worth_prices * self._worth_unit

    def _points(self) -> list[PriceCurve]:
        """Curve of the whole community, and of each group that others care for, as of now."""
        if self._own_bill is not None:
            community = price_curve.moved(self._own_bill, self._moved_kw[0])
        else:
            community = price_curve.ramp(
                self.price_eur_per_kwh + self._slope * self.total_kw,
                self._slope,
                self.prices.export,
                self.prices.import_less_fee,
            )
        whole = [community]
        if self._external and self._external[0] is not None:
            whole.append(price_curve.moved(self._external[0], self._moved_kw[0]))
        points = [price_curve.total(tuple(whole))]
        for group, curve in enumerate(self._external[1:], start=1):
            if curve is not None:
                points.append(price_curve.moved(curve, self._moved_kw[group]))
        return points

    def _point_of_group(self) -> IntArray:
        """Index among `_points` of each group's own curve; 0 for none, shape (group)."""
        places = np.zeros(self._membership.groups, dtype=np.int64)
        count = 0
        for group, curve in enumerate(self._external[1:]):
            if curve is not None:
                count += 1
                places[group] = count
        return places

    def _curves(self, answering: int) -> tuple[PriceCurve, ...]:
        """Curve of each group, as steep as so many who answer at once need it."""
        sharers = max(1.0, SHARERS * answering) if self._own_bill is None else 1.0
        points = [price_curve.shared(point, sharers) for point in self._asked_points]
        if len(points) == 1:
            return (points[0],) * self._membership.groups
        joined = [
            points[0] if place == 0 else price_curve.total((points[0], points[place]))
            for place in self._point_of_group()
        ]
        # As many knots for all, so that whoever answers can hold them in one array.
        knots = max(curve.change_kw.shape[1] for curve in joined)
        return tuple(PriceCurve(*_padded(curve, knots)) for curve in joined)

    def _usable(self, request: MemberRequest, offers: MemberOffers | None) -> IntArray:
        """Places of the answers that can be used; the rest is put on record."""
        if offers is None or not _answers(offers, request, self._horizon.ptus):
            self._note(request, "did not answer in time", request.asked)
            return np.empty(0, dtype=np.int64)
        silent = set(request.asked) - set(offers.members)
        self._note(request, "did not answer in time", sorted(silent))
        members = np.array(offers.members, dtype=np.int64)
        known_members = np.zeros(len(self.net_kw), dtype=np.bool_)
        known_members[list(request.asked)] = True
        inside_community = (members >= 0) & (members < len(known_members))
        asked = known_members[np.where(inside_community, members, 0)] & inside_community
        finite = np.isfinite(offers.net_kw).all(axis=1) & np.isfinite(offers.worth_eur)
        finite &= np.isfinite(offers.worth_net_kw).all(axis=1) & np.isfinite(offers.forgone_eur)
        known = np.where(asked, members, 0)
        declared = self._membership.declaration
        inside = (
            (offers.net_kw <= declared.upper_kw[known] + DECLARED_KW)
            & (offers.net_kw >= declared.lower_kw[known] - DECLARED_KW)
        ).all(axis=1)
        self._note(request, "answered with what is no number", members[asked & ~finite])
        self._note(
            request, "answered with more than its devices can do", members[asked & finite & ~inside]
        )
        return np.flatnonzero(asked & finite & inside)

    def _note(self, request: MemberRequest, what: str, members: Sequence[int] | IntArray) -> None:
        self.events += [
            f"{request.community}, request {request.number}: member {int(member)} {what}"
            for member in members
        ]

    def _accept(self, offers: MemberOffers, usable: IntArray) -> None:
        members = np.array(offers.members, dtype=np.int64)[usable]
        old_kw, new_kw = self.net_kw[members], offers.net_kw[usable]
        fee = self.prices.fee
        fee_eur = (fee * (np.maximum(new_kw, 0.0) - np.maximum(old_kw, 0.0))).sum(axis=1)
        forgone_eur = offers.forgone_eur[usable] - self.forgone_eur[members]
        points = self._asked_points
        knots = max(point.change_kw.shape[1] for point in points)
        kw, eur = (
            np.stack(parts) for parts in zip(*(_padded(p, knots) for p in points), strict=True)
        )
        total_kw = np.zeros((len(points), self._horizon.ptus))
        accepted = np.zeros(len(members), dtype=np.bool_)
        group = self._membership.group[members]
        accept_in_turn(
            new_kw - old_kw, fee_eur * self._horizon.ptu_hours + forgone_eur,
            self._point_of_group()[group], kw, eur, self._horizon.ptu_hours, LEAST_SAVING_EUR,
            total_kw, accepted,
        )  # fmt: skip
        accepted |= not self._judged
        taken = members[accepted]
        self.net_kw[taken] = new_kw[accepted]
        self.forgone_eur[taken] = offers.forgone_eur[usable][accepted]
        change_kw = (new_kw - old_kw)[accepted]
        self._moved_kw[0] += change_kw.sum(axis=0)
        np.add.at(self._moved_kw[1:], group[accepted], change_kw)
        self._accepted = Acceptance(offers.number, tuple(taken.tolist()))

    def _close_round(self) -> None:
        """Gather what the round has told, and move the price to the slope at the new sum."""
        self._sum_worth()
        if self._moves_price:
            self.price_eur_per_kwh = np.clip(
                self.price_eur_per_kwh + self._slope * self.total_kw,
                self.prices.export,
                self.prices.import_less_fee,
            )

    def _sum_worth(self) -> None:
        """Worth of all members; of those that cannot move, at what they told."""
        membership, hours = self._membership, self._horizon.ptu_hours
        own = self._worth_prices[membership.group]
        net_kw = self.net_kw.copy()
        fee_eur = (self._worth_fee * np.maximum(net_kw, 0.0)).sum(axis=1)
        worth_eur = ((own * net_kw).sum(axis=1) + fee_eur) * hours + self.forgone_eur
        if self._worth_unit == 1.0:
            # Who cannot move pays for a peak that is known; of the others it is left out.
            worth_eur += peaks_eur(net_kw, self._tariff)
        for member, (worth, day_kw) in self._asked_worth.items():
            worth_eur[member], net_kw[member] = worth, day_kw
        complete = set(self.flexible.tolist()) <= set(self._asked_worth)
        unit = self._worth_unit
        self.worth = Worth(worth_eur / unit, net_kw, self._worth_prices / unit, complete)


def _answers(offers: MemberOffers, request: MemberRequest, ptus: int) -> bool:
    """Whether these are answers to the request, in the shape that was asked for."""
    members = len(offers.members)
    shapes = {offers.net_kw.shape, offers.worth_net_kw.shape}
    values = {offers.forgone_eur.shape, offers.worth_eur.shape}
    return (
        offers.number == request.number and shapes == {(members, ptus)} and values == {(members,)}
    )


def round_width_kw(total_kw: FloatArray, progress: float, rng: np.random.Generator) -> float:
    """Width of the price ramps of a round, as a share of the mean power that falls. [kW]

    Parameters
    ----------
    progress : float
        0 in the first round, 1 in the last.
    """
    share = FIRST_WIDTH + (LAST_WIDTH - FIRST_WIDTH) * progress
    mean_kw = max(float(np.abs(total_kw).mean()), LEAST_MEAN_KW)
    return share * mean_kw * (1.0 + JITTER * (2.0 * rng.random() - 1.0))


def _padded(point: PriceCurve, knots: int) -> tuple[FloatArray, FloatArray]:
    """Knots and prices with the last knot repeated."""
    missing = knots - point.change_kw.shape[1]
    if not missing:
        return point.change_kw, point.price_eur_per_kwh
    both = ((0, 0), (0, missing))
    return (
        np.pad(point.change_kw, both, mode="edge"),
        np.pad(point.price_eur_per_kwh, both, mode="edge"),
    )
