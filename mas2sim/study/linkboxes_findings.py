"""What a study of link boxes says in sentences: headlines with a verdict, notes, failures."""

from __future__ import annotations

from collections.abc import Sequence

from mas2sim.results.study_result import Headline
from mas2sim.scenario import Case
from mas2sim.study.linkboxes_day import LinkLimits
from mas2sim.study.linkboxes_schedule import SwitchingRules
from mas2sim.study.linkboxes_tables import balance_row, loss_row
from mas2sim.study.linkboxes_year import LinkYear

LITTLE_PERCENT = 5.0
"""Saved losses below this share are little: the original project's aim was 5 to 7 % (D6.1)."""

DAYS_A_YEAR = 365.0

_ALONE = (
    "Each tie is studied alone, all others open; what ties of one substation save cannot be added "
    "up where both would switch its transformer off."
)
_HV = (
    "The HV grid is one and stiff: both substations see the voltage of the case, and what flows "
    "between them over HV costs no losses there."
)
_DAYS = (
    "Days are cyclic: a state that lasts all day is not switched, nor is what differs between one "
    "typical day and the next."
)
_HOMES = "Homes do what they did without link boxes; voltages do not move their power."
_WORTH = (
    "Surplus moved is what flows over the closed tie from the substation that exports to the one "
    "that imports; the rest goes through both transformers as before. Its worth, import less "
    "export price, is a bound: somebody has to be allowed to trade it at that price, and without a "
    "tie the same energy reaches the neighbour over HV."
)


def facts_of(
    years: Sequence[LinkYear], case: Case, limits: LinkLimits, rules: SwitchingRules
) -> tuple[tuple[str, str], ...]:
    """What was asked."""
    ties = list(dict.fromkeys(year.tie.name for year in years))
    levels = list(dict.fromkeys(year.level.value for year in years))
    covered = years[0].covered_days
    low_v, high_v = limits.voltage_band_v
    return (
        ("grid", str(case.axes["grid"])),
        ("ties", ", ".join(ties)),
        ("levels", ", ".join(levels)),
        ("scenario", f"{case.axes['smart']}, tariff {case.axes['tariff']}"),
        ("flow", str(case.axes["power_flow"])),
        (
            "days",
            (
                f"{len(years[0].days)} typical days, {covered:.4g} days of the year "
                f"({100.0 * covered / DAYS_A_YEAR:.3g} %)"
            ),
        ),
        (
            "limits",
            (
                f"{limits.loading_percent:g} % of ratings, {low_v:g} to {high_v:g} V, "
                f"{limits.voltage_difference_percent:g} % across a tie that closes"
            ),
        ),
        ("switching", f"{rules.most_switchings} a day at most, {rules.least_hours:g} h in a state"),
        ("losses", f"{rules.loss_eur_per_kwh:g} EUR/kWh, {rules.switching_eur:g} EUR a switching"),
    )


def headlines_of(years: Sequence[LinkYear]) -> tuple[Headline, ...]:
    """What is read first: losses, balancing, and whether the workshop was right, by level."""
    found = []
    for level in dict.fromkeys(year.level for year in years):
        of_level = [year for year in years if year.level is level]
        losses = [loss_row(year) for year in of_level]
        balance = [balance_row(year) for year in of_level]
        best = max(losses, key=lambda row: float(row["saved_kwh"]))
        most = max(balance, key=lambda row: float(row["moved_kwh"]))
        found += [
            Headline(
                f"Losses saved, {level.value}",
                f"{best['saved_kwh']:.0f}",
                "kWh/a",
                f"tie {best['tie']}, the best: {best['saved_percent']:.2f} % of what its two "
                f"substations lose, {best['saved_eur']:.1f} EUR",
            ),
            Headline(
                f"Surplus moved, {level.value}",
                f"{most['moved_kwh']:.0f}",
                "kWh/a",
                f"tie {most['tie']}, the best: of {most['potential_kwh']:.0f} kWh that one exports "
                f"while the other imports; worth at most {most['value_eur']:.1f} EUR",
            ),
            Headline(
                f"The workshop's view, {level.value}",
                *verdict(
                    [float(row["saved_percent"]) for row in losses],
                    [float(row["saved_eur"]) for row in losses],
                    [float(row["value_eur"]) for row in balance],
                ),
            ),
        ]
    return tuple(found)


def verdict(
    saved_percent: Sequence[float], saved_eur: Sequence[float], moved_eur: Sequence[float]
) -> tuple[str, str, str]:
    """Whether little is gained in losses and more in balancing.

    Parameters
    ----------
    saved_percent, saved_eur, moved_eur : sequence of float
        By tie: losses saved and their worth, and a bound on the worth of what is moved.

    Returns
    -------
    value, unit, note : str
        As of a `Headline`.
    """
    little = max(saved_percent) < LITTLE_PERCENT
    more = sum(moved_eur) > sum(saved_eur)
    value = {
        (True, True): "confirmed",
        (True, False): "half confirmed",
        (False, True): "half confirmed",
        (False, False): "refuted",
    }[little, more]
    size = "little" if little else "not little"
    rank = "more" if more else "no more"
    note = (
        f"at most {max(saved_percent):.2f} % of losses saved at any tie is {size} (below "
        f"{LITTLE_PERCENT:g} %); balancing is worth {rank} than that: up to "
        f"{sum(moved_eur):.1f} EUR/a against {sum(saved_eur):.1f} EUR/a, each tie alone, added up"
    )
    return value, "", note


def notes_of(
    years: Sequence[LinkYear], limits: LinkLimits, rules: SwitchingRules
) -> tuple[str, ...]:
    """What was assumed and what is not modelled."""
    covered = years[0].covered_days
    closing = (
        f"A tie may be closed while the voltage across it is at most "
        f"{limits.voltage_difference_percent:g} % of nominal, as a phasor: its angle is in it, "
        f"and so are unlike taps and vector groups. Transients of switching are not modelled."
    )
    switching = (
        f"Schedules minimise the cost of losses ({rules.loss_eur_per_kwh:g} EUR/kWh) and of "
        f"switchings ({rules.switching_eur:g} EUR each) exactly, knowing the day beforehand. A "
        f"switching is one operation of the link box or of a transformer's breaker, so to switch "
        f"a transformer off and back on takes four. At most {rules.most_switchings} a day are "
        f"allowed, and each state lasts {rules.least_hours:g} h at least."
    )
    use = (
        f"A state may be used where its flow is solved, loads lines and transformers at most "
        f"{limits.loading_percent:g} % and keeps the voltage band; where the normal state breaks "
        f"a limit, another may not make it worse."
    )
    sums = (
        f"The days run stand for {covered:.4g} of {DAYS_A_YEAR:g} days; sums are over those, "
        f"not scaled up."
    )
    return (_ALONE, _HV, closing, use, switching, _DAYS, _HOMES, _WORTH, sums)


def failures_of(years: Sequence[LinkYear]) -> tuple[str, ...]:
    """Days with a PTU in which not even the normal state was solved."""
    return tuple(
        f"{year.tie.name}, {year.level.value}, {day.day.name}: {day.not_solved_h:g} h not solved"
        for year in years
        for day in year.days
        if day.not_solved_h > 0.0
    )
