"""What lies behind a population, in plain sentences for the report."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.typical_day import Weather
from mas2sim.population.adoption import TECHNOLOGIES, adopters, count
from mas2sim.population.holdings import Case, Holdings


def state_assumptions(
    case: Case,
    holdings: Holdings,
    energy_kwh: FloatArray,
    weather: Weather,
    missed_k: Mapping[int, float],
) -> tuple[str, ...]:
    """Plain sentences with the figures behind this population.

    Parameters
    ----------
    missed_k : mapping of int to float
        How far thermostats leave the comfort band, by home. [K]
    """
    settings, season = case.settings, case.season
    ev, house = case.tables.parameters("ev"), case.tables.parameters("building")
    numbers = ", ".join(
        f"{len(homes)} {name.replace('_', ' ')}"
        for name, homes in holdings.owners.items()
        if homes or name in TECHNOLOGIES
    )
    further = any(homes for name, homes in holdings.owners.items() if name not in TECHNOLOGIES)
    ladder = "the first five" if further else "them"
    any_homes = len(adopters(holdings.owners))
    sentences = [
        (
            f"{settings.homes} homes use {energy_kwh.mean():.0f} kWh a year on average without EV "
            f"and heat pump (lowest {energy_kwh.min():.0f}, highest {energy_kwh.max():.0f})."
        ),
        f"Owners: {numbers}; {any_homes} homes own any of {ladder}.",
        (
            f"{settings.flexible_percent:g} % of the owners of EVs, batteries, smart appliances, "
            "heaters and interruptible loads offer them; the appliances of a home are offered "
            "together."
        ),
        (
            f"The sun is that of {season.representative}; on {weather} days the clear-sky index is "
            f"{season.clearness[weather]:g} on average, the same over the whole neighbourhood."
        ),
        (
            f"Outdoor air is {season.air_mean_c + settings.air_offset_k:.1f} C on average and "
            f"swings by {season.air_swing_k:g} K either way."
        ),
        (
            f"EVs drive every day, about {ev['driven_kwh'].value:g} kWh, and charge at "
            f"{ev['charger_kw'].value:g} kW, {ev['fast_charger_percent'].value:g} % of them at "
            f"{ev['fast_charger_kw'].value:g} kW."
        ),
        (
            f"Homes are heated to about {house['day_c'].value:g} C by day; "
            f"{house['setback_percent'].value:g} % of the households lower that to about "
            f"{house['night_c'].value:g} C by night. Buildings lose their warmth with a time "
            f"constant of about {house['time_constant_h'].value:g} h; comfort is from "
            f"{house['day_low_c'].value:g} to {house['high_c'].value:g} C by day, from "
            f"{house['night_low_c'].value:g} C by night. Heat pumps make no hot water."
        ),
        "The cycles expected of smart appliances are taken out of the base load of their homes.",
    ]
    if missed_k:
        sentences.append(
            f"Homes whose thermostat itself leaves the comfort band today: {len(missed_k)}, by up "
            f"to {max(missed_k.values()):.2g} K; their bands are widened to what it reaches."
        )
    sentences += _further_sentences(case, holdings)
    wanted = count(settings.smart.any_percent, settings.homes)
    if case.own.allocation is not None:
        sentences.append("Who owns what is the user's own allocation.")
    elif any_homes != wanted:
        sentences.append(
            f"Scenario {settings.smart.name} asks for {wanted} homes with any technology; its "
            f"other shares in whole homes, nested in the ladder, give {any_homes}."
        )
    if case.own.average_kw is not None:
        sentences.append("The average demand is the user's own.")
    if case.own.measured_kw:
        sentences.append(f"The load of {len(case.own.measured_kw)} homes is measured.")
    return tuple(sentences)


def _further_sentences(case: Case, holdings: Holdings) -> list[str]:
    """What is said only of the technologies and settings that are in use."""
    settings, owners = case.settings, holdings.owners
    tank, wind = case.tables.parameters("hot_water"), case.tables.parameters("wind")
    relay, unit = case.tables.parameters("interruptible"), case.tables.parameters("micro_chp")
    candidates = {
        (
            f"Hot-water tanks hold {tank['volume_l'].value:g} l between {tank['low_c'].value:g} "
            f"and {tank['high_c'].value:g} C; about {tank['heat_kwh'].value:g} kWh of heat a day "
            "are drawn. This comes on top of the base load."
        ): bool(owners["hot_water"]),
        (
            "Direct heaters and interruptible heating warm some rooms of their own, beside what "
            "else heats the home and on top of its base load."
        ): bool(owners["direct_heater"] or owners["interruptible"]),
        (
            f"Interruptible loads may be cut {relay['cuts'].value:g} times a day for up to "
            f"{relay['longest_cut_h'].value:g} h; a kWh not served is worth "
            f"{relay['discomfort_eur_per_kwh'].value:g} EUR."
        ): bool(owners["interruptible"]),
        (
            f"The wind blows at {case.season.wind_mean_m_per_s:g} m/s on average, the same over "
            f"the whole neighbourhood; turbines are rated {wind['rated_kw'].value:g} kW."
        ): bool(owners["wind"]),
        (
            f"Micro-CHP units ({unit['electric_kw'].value:g} kW electric, "
            f"{unit['heat_kw'].value:g} kW heat) run as the building needs heat, with two starts a "
            "day at most; they cannot be shifted."
        ): bool(owners["micro_chp"]),
        (
            f"{settings.smart.v2h_percent:g} % of the EVs deliver to their homes."
        ): settings.smart.v2h_percent > 0,
        (
            f"EV chargers draw nothing or at least {settings.ev_least_charge_kw:g} kW."
        ): settings.ev_least_charge_kw > 0,
        (
            "Appliances that run more than 365 times a year have a second cycle on some days."
        ): settings.most_cycles_per_day > 1,
        f"No home draws more than {settings.import_cap_kw:g} kW.": isfinite(settings.import_cap_kw),
        (f"No home feeds in more than {settings.export_cap_kw:g} kW."): isfinite(
            settings.export_cap_kw
        ),
    }
    return [sentence for sentence, holds in candidates.items() if holds]
