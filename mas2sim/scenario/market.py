"""The settings of a market, as its agents work by them."""

from __future__ import annotations

from math import inf

import numpy as np

from mas2sim.domain.horizon import MINUTES_PER_HOUR, Horizon
from mas2sim.market import (
    BilateralContract,
    CongestionTerms,
    ExternalRequest,
    LocalTerms,
    MarketTerms,
    SplitTerms,
)
from mas2sim.scenario.configuration import MarketGroup


def market_terms(group: MarketGroup, horizon: Horizon) -> MarketTerms:
    """Return the terms of all markets of a case."""
    fee = group.network_fee_eur_per_kwh
    return MarketTerms(
        protocol=group.protocol,
        local=LocalTerms(fee_eur_per_kwh=fee, gap_percent=group.gap_percent),
        split=SplitTerms(
            rule=group.split,
            local_price_share=group.local_price_share,
            service_share=group.service_share,
            fee_eur_per_kwh=fee,
        ),
        congestion=CongestionTerms(price_cap_eur_per_kwh=group.price_cap_eur_per_kwh),
        loss_eur_per_kwh=group.loss_eur_per_kwh,
        watch_voltage=group.watch_voltage,
        voltage_margin_v=group.voltage_margin_v,
        external={
            each.community: ExternalRequest(
                each.buyer,
                np.where(
                    horizon.mask(_ptu(each.from_, horizon), _ptu(each.to, horizon)),
                    each.change_kw,
                    0.0,
                ),
                each.price_eur_per_kwh,
            )
            for each in group.external
        },
        contracts=tuple(
            BilateralContract(
                community=each.community,
                point=each.point,
                reduces=each.reduces,
                power_kw=each.power_kw,
                hours=(_ptu(each.from_, horizon), _ptu(each.to, horizon)),
                price_eur_per_kwh=each.price_eur_per_kwh,
                fee_eur_per_day=each.fee_eur_per_day,
                activations_per_day=each.activations_per_day,
            )
            for each in group.contracts
        ),
        exchange=group.exchange,
        curtailment_factor=group.curtailment_factor,
        central_gap_percent=group.central_gap_percent,
        central_limit_s=inf if group.central_limit_s is None else group.central_limit_s,
    )


def _ptu(clock: str, horizon: Horizon) -> int:
    """PTU that holds ``"HH:MM"``."""
    hours, minutes = clock.split(":")
    return (int(hours) * MINUTES_PER_HOUR + int(minutes)) // horizon.ptu_minutes
