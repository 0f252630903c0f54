"""The Energy Box of one home as others meet it (D6.1, 2.2.4: UC1-S2 to UC1-S4).

Prices and forecasts come in and change the plan; a request to use less or more for a while is
answered with what can be done and at what loss, then ordered or dropped. The box trusts nothing it
is sent: every fault of a message is told at once, and a refused message changes nothing.

The day is cyclic and follows the clock: entry k of an array belongs to PTU k, whenever it was sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite

import numpy as np
import numpy.typing as npt

from mas2sim.cems.net_band import NetBand, plan_within
from mas2sim.cems.planner import plan_home
from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.errors import ConfigurationError, Fault, Mas2simError
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import HomePlan, PlanStatus, TieRule
from mas2sim.domain.randomness import stream
from mas2sim.domain.tariff import Tariff

OPEN_ANSWERS = 100
"""Answers that wait for an order at a time [A]; a further one lets the oldest expire."""
PV_OVER_RATED = 1.5
"""Greatest forecast over rated PV power [A]: more is a mistake of unit, not a bright cloud edge."""
MOST_ASKED_KW = 100.0
"""Greatest power of a request [A]: beyond the connection of any home; more is a mistake of unit."""
MET_KW = 1e-5
"""Shortfall that still counts as met: tolerances of the plan before and of the one after."""
NO_LOSS_EUR = 1e-6
"""Differences of two proven least costs that mean nothing: each is proven to 1e-7 EUR."""


class Direction(StrEnum):
    """Which way the net power is asked to move."""

    REDUCE = "reduce"
    INCREASE = "increase"


class AnswerError(Mas2simError):
    """An answer cannot be ordered or dropped."""


class UnknownAnswerError(AnswerError):
    """The box never gave an answer of this name."""


class ExpiredAnswerError(AnswerError):
    """The answer was ordered, dropped, or overtaken by a change of the plan it was measured at."""


@dataclass(frozen=True, slots=True)
class FlexibilityRequest:
    """A request to use less, or more, than planned for a while.

    Parameters
    ----------
    direction : Direction
    start_ptu, end_ptu : int
        From `start_ptu` up to, not including, `end_ptu`; may wrap midnight. The whole day is 0 to
        the number of PTUs.
    power_kw : float
        By how much the net power is to lie below (above) the present plan in each PTU, > 0.
    """

    direction: Direction
    start_ptu: int
    end_ptu: int
    power_kw: float


@dataclass(frozen=True, slots=True, eq=False)
class FlexibilityAnswer:
    """What a home can do about a request, against its present plan.

    Parameters
    ----------
    answer_id : str
        By which the answer is ordered or dropped.
    met : bool
        Whether all that was asked is delivered in every PTU of the window; else the answer is the
        most that can be done, counted in energy.
    delivered_kw : array, shape (ptu)
        What counts: power moved in the asked direction within the window, up to what was asked.
    change_kw : array, shape (ptu)
        Net power of the new plan less that of the present one, over the whole day.
    rebound_kw : array, shape (ptu)
        The change outside the window.
    loss_eur : float
        Cost and discomfort of the new plan less those of the present one; below zero when the
        present plan, for an earlier order, is not the cheapest.
    plan : HomePlan
        The plan that an order brings into force.
    reason : str
        Why not more is delivered; empty when the request is met.
    """

    answer_id: str
    request: FlexibilityRequest
    met: bool
    delivered_kw: FloatArray
    change_kw: FloatArray
    rebound_kw: FloatArray
    loss_eur: float
    plan: HomePlan
    reason: str = ""

    def __post_init__(self) -> None:
        freeze_fields(self, "delivered_kw", "change_kw", "rebound_kw")


class EnergyBox:
    """One home's CEMS agent: state, and services that change it.

    What has been ordered binds later plans: its bounds on the net power are kept as far as the
    devices can, whatever prices or forecasts come after.

    Parameters
    ----------
    home, reference, tariff, horizon, ties
        As for `plan_home`.
    seed, substation : int
        Name the home's random stream, as in the co-simulation: the same home makes the same plan.
    """

    def __init__(
        self,
        home: Home,
        reference: ReferenceDay,
        tariff: Tariff,
        horizon: Horizon,
        *,
        ties: TieRule = TieRule.RANDOM,
        seed: int = 0,
        substation: int = 0,
    ) -> None:
        _refuse(_tariff_faults(tariff, horizon))
        self._home, self._reference, self._tariff = home, reference, tariff
        self._horizon, self._ties = horizon, ties
        self._stream = (seed, substation)
        self._ordered = _no_band(horizon)
        self._plan: HomePlan | None = None
        self._open: dict[str, FlexibilityAnswer] = {}
        self._given = 0

    def plan(self) -> HomePlan:
        """Return the plan in force; the first call makes it."""
        return self._replan() if self._plan is None else self._plan

    def prices(self, tariff: Tariff) -> HomePlan:
        """Take the prices of the next 24 hours and plan anew (UC1-S2); open answers expire.

        Raises
        ------
        ConfigurationError
            With all faults of the tariff; nothing has changed then.
        """
        _refuse(_tariff_faults(tariff, self._horizon))
        self._tariff = tariff
        return self._replan()

    def pv_forecast(self, p_kw: npt.ArrayLike) -> HomePlan:
        """Take the PV forecast of the next 24 hours and plan anew (UC1-S3); open answers expire.

        A battery that is not offered keeps the schedule it had: what it would do by its own rule is
        the plant's to say, not the box's.

        Parameters
        ----------
        p_kw : array, shape (ptu)
            Expected mean power, never positive: generation is negative.

        Raises
        ------
        ConfigurationError
            With all faults of the forecast; nothing has changed then.
        """
        pv = self._home.pv
        if pv is None:
            fault = Fault("pv_forecast", f"home {self._home.name} without PV", "a home with PV")
            raise ConfigurationError([fault])
        least_kw = -PV_OVER_RATED * pv.rated_kwp
        forecast_kw, faults = _series(
            "pv_forecast", p_kw, self._horizon, (least_kw, 0.0),
            f"powers in [{least_kw:g}, 0] kW: generation is negative, and the plant has "
            f"{pv.rated_kwp:g} kWp",
        )  # fmt: skip
        _refuse(faults)
        net_kw = self._reference.net_kw - pv.p_kw + forecast_kw
        self._reference = replace(self._reference, net_kw=net_kw)
        self._home = replace(self._home, pv=replace(pv, p_kw=forecast_kw))
        return self._replan()

    def request(self, request: FlexibilityRequest) -> FlexibilityAnswer:
        """Say what can be done about a request, and at what loss; the plan stays (UC1-S4).

        The answer delivers the greatest energy that the devices can, up to what was asked, moves no
        PTU of the window the other way, and among such plans costs least.

        Raises
        ------
        ConfigurationError
            With all faults of the request.
        """
        _refuse(_request_faults(request, self._horizon))
        present = self.plan()
        inside = self._horizon.mask(request.start_ptu, request.end_ptu)
        after = self._plan_for(request, present, inside)
        reason = ""
        if after is None:
            after, reason = present, _why_none(self._home, present)
        change_kw = after.net_kw - present.net_kw
        sign = -1.0 if request.direction is Direction.REDUCE else 1.0
        delivered_kw = np.where(inside, np.clip(sign * change_kw, 0.0, request.power_kw), 0.0)
        met = bool((delivered_kw[inside] >= request.power_kw - MET_KW).all())
        if not met and not reason:
            reason = "the offered devices can move no more into or out of this window"
            if after.status is PlanStatus.BOUNDED:
                reason = f"no more was found: {after.reason}"
        answer = FlexibilityAnswer(
            answer_id=f"{self._home.name}-{self._given}",
            request=request,
            met=met,
            delivered_kw=delivered_kw,
            change_kw=change_kw,
            rebound_kw=np.where(inside, 0.0, change_kw),
            loss_eur=_loss_eur(present, after),
            plan=after,
            reason=reason,
        )
        self._given += 1
        if len(self._open) >= OPEN_ANSWERS:
            del self._open[next(iter(self._open))]
        self._open[answer.answer_id] = answer
        return answer

    def order(self, answer_id: str) -> HomePlan:
        """Bring the plan of an answer into force; all other open answers expire.

        Raises
        ------
        UnknownAnswerError, ExpiredAnswerError
        """
        answer = self._taken(answer_id)
        request, net_kw = answer.request, answer.plan.net_kw
        inside = self._horizon.mask(request.start_ptu, request.end_ptu)
        before = self._ordered
        # A bound for what was promised, not for what happens to lie beyond it.
        if request.direction is Direction.REDUCE:
            promised = net_kw - answer.change_kw - answer.delivered_kw
            upper_kw = np.where(inside, np.minimum(before.upper_kw, promised), before.upper_kw)
            self._ordered = replace(before, upper_kw=upper_kw)
        else:
            promised = net_kw - answer.change_kw + answer.delivered_kw
            lower_kw = np.where(inside, np.maximum(before.lower_kw, promised), before.lower_kw)
            self._ordered = replace(before, lower_kw=lower_kw)
        self._plan = answer.plan
        self._open.clear()
        return answer.plan

    def drop(self, answer_id: str) -> None:
        """Forget an answer; the plan and the other answers stay.

        Raises
        ------
        UnknownAnswerError, ExpiredAnswerError
        """
        self._taken(answer_id)

    @property
    def unkept_kw(self) -> FloatArray:
        """By how much the plan in force fails what was ordered, shape (ptu). [kW]

        Zero until prices or a forecast come that make an order impossible to keep.
        """
        beyond_kw = self._ordered.beyond_kw(self.plan().net_kw)
        return np.where(beyond_kw > MET_KW, beyond_kw, 0.0)

    def _replan(self) -> HomePlan:
        self._open.clear()
        given = (self._home, self._reference, self._tariff, self._horizon)
        plan: HomePlan | None = None
        if self._ordered.bounded:
            plan = plan_within(*given, self._ordered, ties=self._ties, rng=self._rng())
        self._plan = plan or plan_home(*given, ties=self._ties, rng=self._rng())
        return self._plan

    def _plan_for(
        self, request: FlexibilityRequest, present: HomePlan, inside: npt.NDArray[np.bool_]
    ) -> HomePlan | None:
        """Return the plan that serves a request best; None when none does."""
        if not self._home.offered_devices:
            return None
        ordered, nothing = self._ordered, np.zeros(self._horizon.ptus)
        # Where the present plan fails an order it may go on to, but not more.
        lower_kw = np.minimum(ordered.lower_kw, present.net_kw)
        upper_kw = np.maximum(ordered.upper_kw, present.net_kw)
        band = NetBand(
            np.where(np.isfinite(ordered.lower_kw), lower_kw, -np.inf),
            np.where(np.isfinite(ordered.upper_kw), upper_kw, np.inf),
            nothing,
            nothing,
        )
        asked_kw = np.where(inside, request.power_kw, 0.0)
        if request.direction is Direction.REDUCE:
            upper_kw = np.where(inside, present.net_kw - asked_kw, band.upper_kw)
            band = replace(band, upper_kw=upper_kw, most_above_kw=asked_kw)
        else:
            lower_kw = np.where(inside, present.net_kw + asked_kw, band.lower_kw)
            band = replace(band, lower_kw=lower_kw, most_below_kw=asked_kw)
        return plan_within(
            self._home, self._reference, self._tariff, self._horizon, band,
            ties=self._ties, rng=self._rng(),
        )  # fmt: skip

    def _rng(self) -> np.random.Generator:
        """Return the home's stream from its beginning: what is known decides, not when."""
        return stream(*self._stream, self._home.name, "ties")

    def _taken(self, answer_id: str) -> FlexibilityAnswer:
        """Take an answer out of the open ones."""
        if answer_id in self._open:
            return self._open.pop(answer_id)
        name, _, number = str(answer_id).rpartition("-")
        issued = name == self._home.name and number.isdecimal() and int(number) < self._given
        if issued and number == str(int(number)):
            raise ExpiredAnswerError(
                f"answer {answer_id} is no longer open: it was ordered, dropped, one of more than "
                f"{OPEN_ANSWERS}, or the plan has changed since; request again"
            )
        raise UnknownAnswerError(
            f"answer {answer_id!r} was never given by home {self._home.name}; open are: "
            f"{', '.join(self._open) or 'none'}"
        )


def _no_band(horizon: Horizon) -> NetBand:
    """Bounds that nobody has ordered yet; what will be ordered may be exceeded at need."""
    endless = np.full(horizon.ptus, np.inf)
    return NetBand(-endless, endless, endless, endless)


def _loss_eur(present: HomePlan, after: HomePlan) -> float:
    loss_eur = after.cost_eur + after.discomfort_eur - present.cost_eur - present.discomfort_eur
    return 0.0 if abs(loss_eur) < NO_LOSS_EUR else loss_eur


def _why_none(home: Home, present: HomePlan) -> str:
    if not home.offered_devices:
        return "the home offers no device that is in use today"
    return present.reason or "no other plan was found within what has been ordered"


def _refuse(faults: Sequence[Fault]) -> None:
    if faults:
        raise ConfigurationError(faults)


def _series(
    where: str, values: npt.ArrayLike, horizon: Horizon, bounds: tuple[float, float], allowed: str
) -> tuple[FloatArray, list[Fault]]:
    """Values of a day as an array, and what is wrong with them."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        return np.empty(0), [Fault(where, repr(values)[:60], "numbers", allowed)]
    if array.shape != (horizon.ptus,):
        fault = Fault(
            where, f"shape {array.shape}", f"({horizon.ptus},): a value for each PTU of the day"
        )
        return array, [fault]
    outside = np.flatnonzero(~((array >= bounds[0]) & (array <= bounds[1])))
    faults = [
        Fault(f"{where}, {horizon.clock(int(ptu))}", f"{array[ptu]:g}", allowed) for ptu in outside
    ]
    return array, faults


def _tariff_faults(tariff: Tariff, horizon: Horizon) -> list[Fault]:
    finite = (-np.finfo(np.float64).max, float(np.finfo(np.float64).max))
    faults = []
    for name in ("import_eur_per_kwh", "export_eur_per_kwh"):
        _, found = _series(
            f"tariff.{name}", getattr(tariff, name), horizon, finite, "a finite price"
        )
        faults += found
    for name in ("standing_eur_per_day", "peak_eur_per_kw"):
        value = getattr(tariff, name)
        if not (_is_number(value) and value >= 0.0):
            faults.append(Fault(f"tariff.{name}", str(value), "a finite amount >= 0"))
    return faults


def _request_faults(request: FlexibilityRequest, horizon: Horizon) -> list[Fault]:
    faults = []
    if not isinstance(request.direction, Direction):
        faults.append(
            Fault("request.direction", repr(request.direction), ", ".join(map(repr, Direction)))
        )
    places = (("start_ptu", 0, horizon.ptus - 1), ("end_ptu", 0, horizon.ptus))
    for name, least, most in places:
        value = getattr(request, name)
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not (whole and least <= value <= most):
            faults.append(Fault(f"request.{name}", repr(value), f"a PTU from {least} to {most}"))
    if request.start_ptu == request.end_ptu:
        whole_day = f"0 to {horizon.ptus} for the whole day"
        found = repr(request.end_ptu)
        faults.append(Fault("request.end_ptu", found, "another PTU than start_ptu", whole_day))
    if not (_is_number(request.power_kw) and 0.0 < request.power_kw <= MOST_ASKED_KW):
        allowed = f"a power above 0 and up to {MOST_ASKED_KW:g} kW"
        remedy = "the direction says which way"
        faults.append(Fault("request.power_kw", repr(request.power_kw), allowed, remedy))
    return faults


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and isfinite(float(value))
