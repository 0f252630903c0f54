"""What lies behind a population, in plain sentences for the report."""

from __future__ import annotations

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.typical_day import Weather
from mas2sim.population.adoption import adopters, count
from mas2sim.population.holdings import Case, Holdings


def state_assumptions(
    case: Case, holdings: Holdings, energy_kwh: FloatArray, weather: Weather
) -> tuple[str, ...]:
    """Plain sentences with the figures behind this population."""
    settings, season = case.settings, case.season
    ev, pump = case.tables.parameters("ev"), case.tables.parameters("heat_pump")
    numbers = ", ".join(
        f"{len(homes)} {name.replace('_', ' ')}" for name, homes in holdings.owners.items()
    )
    any_homes = len(adopters(holdings.owners))
    sentences = [
        (
            f"{settings.homes} homes use {energy_kwh.mean():.0f} kWh a year on average without EV "
            f"and heat pump (lowest {energy_kwh.min():.0f}, highest {energy_kwh.max():.0f})."
        ),
        f"Owners: {numbers}; {any_homes} homes own any of them.",
        (
            f"{settings.flexible_percent:g} % of the owners of EVs, batteries and smart appliances "
            "offer them; the appliances of a home are offered together."
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
            f"Heat pumps heat to about {pump['day_c'].value:g} C by day and "
            f"{pump['night_c'].value:g} C by night, hot water not included; they are not flexible."
        ),
        "The cycles expected of smart appliances are taken out of the base load of their homes.",
    ]
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
