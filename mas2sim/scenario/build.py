"""Builds what a world needs from a case: grid, homes, communities, prices, limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf

from mas2sim.cosim import CaseSetup, congestion_register
from mas2sim.domain.community import partition
from mas2sim.domain.content_cache import ContentCache
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.grid_state import LOW_VOLTAGE_KV, TRANSFORMER, PowerFlow
from mas2sim.domain.home import Home
from mas2sim.domain.participant import Participant
from mas2sim.domain.randomness import stream
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.grid import (
    Connection,
    FlowMemory,
    FuseLike,
    Protection,
    StandardInverse,
    Substation,
    connect,
    power_flow,
)
from mas2sim.market import Timetable
from mas2sim.market.contracts import bilateral_faults, membership_faults
from mas2sim.population import (
    OwnData,
    Population,
    PopulationSettings,
    Site,
    SmallBusiness,
    SmartScenario,
    build_non_domestic,
    build_population,
)
from mas2sim.scenario.case import Case
from mas2sim.scenario.configuration import (
    ProtectionConfiguration,
    SmartGroup,
)
from mas2sim.scenario.grid_source import build_substation
from mas2sim.scenario.market import market_terms
from mas2sim.scenario.participants import BUSINESS_TARIFF, COMMUNITY, behind_meters
from mas2sim.scenario.tariff import tariff_of

SECONDS_PER_MINUTE = 60
SECONDS_PER_HOUR = 3600


def build_setup(
    case: Case, *, cache: ContentCache | None = None
) -> tuple[CaseSetup, tuple[str, ...]]:
    """Build grid and homes of `case`.

    Parameters
    ----------
    cache : ContentCache, optional
        What is shared with other cases of this process; what is built is the same without it.

    Returns
    -------
    setup : CaseSetup
    assumptions : tuple of str
        What was assumed, in sentences with figures.

    Raises
    ------
    ConfigurationError
        With what is wrong with recipes, tables or files of one's own.
    """
    configuration = case.configuration
    substation, population = _grid_and_homes(case, cache)
    participants = _participants(case, substation)
    homes = len(population.homes)
    market = configuration.market
    communities = partition(
        homes,
        configuration.communities,
        seed=configuration.seed,
        substation=case.substation,
    )
    setup = CaseSetup(
        axes=case.axes,
        date=population.date,
        levels=tuple(configuration.levels),
        horizon=case.horizon,
        tariff=_tariff(case, None),
        limits=substation.limits,
        flow=_flow(case, substation, participants, cache),
        homes=_willing(population.homes, case),
        communities=communities,
        outdoor_c=population.outdoor_c,
        clearness=population.clearness,
        ties=configuration.ties,
        seed=configuration.seed,
        substation=case.substation,
        timetable=Timetable(
            market.plan_hour * SECONDS_PER_HOUR, market.gate_minutes * SECONDS_PER_MINUTE
        ),
        market=market_terms(market, case.horizon),
        protection=_protection(configuration.grid.protection),
        participants=participants,
    )
    if set(setup.levels) - {Level.BASELINE, Level.UC1}:
        _check_contracts(setup)
    return setup, (*population.assumptions, *_assumptions(case, substation))


def _check_contracts(setup: CaseSetup) -> None:
    """Refuse contracts that contradict themselves; other participants may have some too."""
    tariffs = [setup.tariff.name] * len(setup.homes)
    faults = [
        *membership_faults(setup.communities, tariffs),
        *bilateral_faults(
            setup.market.contracts,
            setup.parties,
            congestion_register(setup),
            ptus=setup.horizon.ptus,
        ),
    ]
    if faults:
        raise ConfigurationError(faults)


def _place_faults(case: Case, substation: Substation) -> list[Fault]:
    """What is wrong with the places and names of participants in this grid."""
    groups, layout = case.configuration.participants, substation.layout
    taken = {layout.name, *(shop.home for shop in substation.commercial)}
    buses = {bus.name for bus in layout.buses if bus.vn_kv <= LOW_VOLTAGE_KV}
    faults = [
        Fault(f"participants.{place}.bus", repr(group.bus), f"a low-voltage bus of {layout.name}")
        for place, group in enumerate(groups)
        if group.bus is not None and group.bus not in buses
    ]
    faults += [
        Fault(f"participants.{place}.name", repr(group.name), "a name that nobody has there")
        for place, group in enumerate(groups)
        if group.name in taken
    ]
    faults += [
        Fault(
            f"business {shop.home}",
            "the name of a community or of the grid",
            "a name of its own",
            "another one in the column home of the mapping",
        )
        for shop in substation.commercial
        if shop.home == layout.name or COMMUNITY.fullmatch(shop.home)
    ]
    return faults


def _participants(case: Case, substation: Substation) -> tuple[Participant, ...]:
    """Participants that are no homes, at their places in the grid: the recipe's, then one's own."""
    groups, layout = case.configuration.participants, substation.layout
    shops, business = substation.commercial, _tariff(case, BUSINESS_TARIFF)
    energies = substation.annual_kwh[len(substation.homes) :] or (None,) * len(shops)
    shop_meters = (SmallBusiness(shop.home, kwh) for shop, kwh in zip(shops, energies, strict=True))
    low = {layout.buses[bus].name for bus in layout.low_voltage}
    units = (each.to_bus for each in layout.branches if each.kind == TRANSFORMER)
    busbar = next((bus for bus in units if bus in low), "")
    points = build_non_domestic(
        (*shop_meters, *behind_meters(groups)),
        _population_settings(case, len(layout.home_bus)),
        day=case.day,
        weather=case.configuration.weather.name,
        seed=case.configuration.seed,
        substation=case.substation,
        horizon=case.horizon,
    )
    return (
        *(
            Participant(shop.home, own, business, shop.bus, shop.phase)
            for shop, own in zip(shops, points, strict=False)
        ),
        *(
            Participant(
                group.name, own, _tariff(case, group.tariff), group.bus or busbar, group.phase
            )
            for group, own in zip(groups, points[len(shops) :], strict=True)
        ),
    )


def _flow(
    case: Case,
    substation: Substation,
    participants: Sequence[Participant],
    cache: ContentCache | None,
) -> PowerFlow:
    """The engine of the substation with a connection for each point, after those of the homes."""
    unbalanced = case.configuration.power_flow == "unbalanced"
    points = tuple(
        Connection(point.name, each.bus, each.phase)
        for each in participants
        for point in each.points
    )

    def engine() -> PowerFlow:
        if not points:
            return power_flow(substation, unbalanced=unbalanced)
        users = (*substation.homes, *points)
        connected = connect(substation.network, users, substation.limits)
        return power_flow(connected, unbalanced=unbalanced)

    if cache is None:
        return engine()
    content = (unbalanced, substation.network, substation.layout, points)
    return cache.latest("flow", content, lambda: FlowMemory(engine()))


def _substation(case: Case, cache: ContentCache | None) -> Substation:
    if cache is None:
        return build_substation(case)
    grid = case.configuration.grid.model_dump_json()
    files = case.identity["files"]
    # Whether the flow is balanced decides which faults of an own grid are faults.
    flow = case.configuration.power_flow
    content = ("substation", grid, flow, case.substation, str(case.grids), files)
    return cache.get(content, lambda: build_substation(case))


def _tariff(case: Case, name: str | None) -> Tariff:
    """Tariff of that name, or that of the homes."""
    group = case.configuration.tariff if name is None else case.tariffs[name]
    return tariff_of(group, case.configuration.day.name, case.horizon)


def _protection(group: ProtectionConfiguration) -> Protection:
    if group.curve == "thermal":
        curve: FuseLike | StandardInverse = FuseLike(group.time_constant_hours)
    else:
        curve = StandardInverse(group.time_multiplier)
    return Protection(group.limit, group.pickup_percent, curve)


def _willing(homes: Sequence[Home], case: Case) -> tuple[Home, ...]:
    """Homes, those that do not want their plan changed for others marked; nested in the share."""
    configuration, substation = case.configuration, case.substation

    def joins(home: Home) -> bool:
        drawn = stream(configuration.seed, substation, home.name, "willing").random()
        return bool(100.0 * drawn < configuration.market.willing_percent)

    return tuple(home if joins(home) else replace(home, joins_market=False) for home in homes)


def _grid_and_homes(case: Case, cache: ContentCache | None) -> tuple[Substation, Population]:
    """Build both, and name what is wrong with either at once."""
    faults: list[Fault] = []
    try:
        substation = _substation(case, cache)
    except ConfigurationError as error:
        settings = ("tap_pos", "hv_vm_pu")
        faults += [
            replace(fault, where=f"grid.{fault.where}") if fault.where in settings else fault
            for fault in error.faults
        ]
        # Without a grid the number of homes is not known; what is wrong with own files still is.
        homes = 0
    else:
        homes = len(substation.layout.home_bus)
    if homes and case.configuration.communities > homes:
        found = str(case.configuration.communities)
        faults.append(Fault("communities", found, f"at most {homes}, the number of homes"))
    try:
        population = _population(case, substation if homes else None, cache)
    except ConfigurationError as error:
        faults += [fault for fault in error.faults if homes or "homes" not in fault.found]
    if homes:
        faults += _place_faults(case, substation)
    if faults:
        raise ConfigurationError(faults)
    return substation, population


HOMES_WITHOUT_GRID = 184
"""Homes to check the population's settings with when the grid itself is at fault."""


def _population(
    case: Case, substation: Substation | None, cache: ContentCache | None
) -> Population:
    configuration = case.configuration
    settings = _population_settings(
        case, HOMES_WITHOUT_GRID if substation is None else len(substation.homes)
    )
    if substation is not None and substation.annual_kwh:
        names = tuple(home.home for home in substation.homes)
        stated = substation.annual_kwh[: len(names)]
        settings = replace(settings, home_names=names, annual_kwh=stated)
    return build_population(
        settings,
        day=case.day,
        weather=configuration.weather.name,
        seed=configuration.seed,
        substation=case.substation,
        horizon=case.horizon,
        cache=cache,
    )


def _population_settings(case: Case, homes: int) -> PopulationSettings:
    configuration = case.configuration
    population, site = configuration.population, configuration.grid.site
    return PopulationSettings(
        homes=homes,
        site=Site(site.latitude_deg, site.longitude_deg, site.altitude_m, site.timezone),
        smart=_scenario(configuration.smart),
        ladder=_ladder(case),
        flexible_percent=configuration.flexibility.offered_percent,
        mean_annual_kwh=population.mean_annual_kwh,
        annual_kwh_cv=population.annual_kwh_cv,
        own_data=OwnData(
            average_profiles=population.average_profiles,
            annual_energy=population.annual_energy,
            measured_profiles=population.measured_profiles,
            allocation=population.allocation,
        ),
        profiles_dir=case.profiles,
        air_offset_k=population.air_offset_k,
        import_cap_kw=_cap(population.import_cap_kw),
        export_cap_kw=_cap(population.export_cap_kw),
        ev_least_charge_kw=population.ev_least_charge_kw,
        most_cycles_per_day=population.most_cycles_per_day,
    )


def _ladder(case: Case) -> tuple[SmartScenario, ...]:
    """Scenarios along which owners are nested; a case beyond the last is a rung of its own.

    It only adds owners after those of the shipped scenarios, so their homes stay what they are.
    """
    rungs = tuple(_scenario(rung) for rung in case.ladder)
    smart = _scenario(case.configuration.smart)
    beyond = smart.any_percent > max(rung.any_percent for rung in rungs)
    return (*rungs, smart) if beyond else rungs


def _cap(cap_kw: float | None) -> float:
    """Return a bound on a home's power; what is not set does not bind."""
    return inf if cap_kw is None else cap_kw


def _scenario(group: SmartGroup) -> SmartScenario:
    return SmartScenario(
        name=group.name,
        pv_percent=group.pv_percent,
        ev_percent=group.ev_percent,
        heat_pump_percent=group.heat_pump_percent,
        battery_percent=group.battery_percent,
        smart_appliances_percent=group.smart_appliances_percent,
        any_percent=group.any_percent,
        hot_water_percent=group.hot_water_percent,
        direct_heater_percent=group.direct_heater_percent,
        wind_percent=group.wind_percent,
        micro_chp_percent=group.micro_chp_percent,
        interruptible_percent=group.interruptible_percent,
        v2h_percent=group.v2h_percent,
    )


def _assumptions(case: Case, substation: Substation) -> tuple[str, ...]:
    """Assumptions that are not the population's."""
    configuration, limits = case.configuration, substation.limits
    tariff = configuration.tariff
    if configuration.power_flow == "unbalanced" and configuration.grid.name != "cardiff":
        flow = "Every home is on the phases stated; lines return through their zero sequence."
    elif configuration.power_flow == "unbalanced":
        flow = (
            "Every home is a single-phase load; service cables have their neutral modelled, mains "
            "through their zero-sequence impedance."
        )
    else:
        flow = "The flow is balanced: every home is an equal load on the three phases."
    transformer = (
        f"The transformer's operating limits are {limits.transformer_import_kw:g} kW of import and "
        f"{limits.transformer_export_kw:g} kW of export, on the sum of the connections."
    )
    voltage, tap = configuration.grid.hv_vm_pu, configuration.grid.tap_pos
    supply = (
        f"The HV side stands at {'what the net says' if voltage is None else f'{voltage:g} pu'}, "
        f"the tap changer at {'what the net says' if tap is None else f'position {tap}'}."
    )
    prices = (
        f"Prices: tariff {tariff.name}, {tariff.eur_per_unit:g} EUR per {tariff.currency}; the tie "
        f"rule among plans of equal cost is {configuration.ties.value!r}."
    )
    cyclic = (
        "The day is cyclic: what crosses midnight comes back in the morning of the same day; "
        "batteries begin and end with the energy they have when nobody manages them."
    )
    forecasts = "Forecasts are perfect: plans are made with the profiles that come to pass."
    others = tuple(group.sentence for group in configuration.participants)
    own = (*_shops(case, substation), *substation.assumptions)
    return transformer, supply, flow, prices, cyclic, forecasts, *own, *others


def _shops(case: Case, substation: Substation) -> tuple[str, ...]:
    """What is assumed of the small commercial users of a recipe."""
    count = len(substation.commercial)
    if not count:
        return ()
    stated = sum(kwh is not None for kwh in substation.annual_kwh[len(substation.homes) :])
    energy = f"the annual energy stated for {stated} of them, else " if stated else ""
    sentence = (
        f"{count} of the {count + len(substation.homes)} users are small commercial, with {energy}"
        "about 12,000 kWh a year and the shape of the average small commercial demand at their own "
        f"hours; they pay tariff {case.tariffs[BUSINESS_TARIFF].name}, own nothing that could be "
        "planned, and take part for themselves."
    )
    return (sentence,)
