"""How the markets of one substation are held: every setting of them in one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from mas2sim.market.congestion_terms import CongestionTerms
from mas2sim.market.contracts import BilateralContract
from mas2sim.market.external_request import ExternalRequest
from mas2sim.market.local_market import LocalTerms
from mas2sim.market.protocols import Protocol
from mas2sim.market.split import SplitTerms


@dataclass(frozen=True, slots=True, eq=False)
class MarketTerms:
    """Terms of the local markets, of the congestion market and of the centralised benchmark.

    Parameters
    ----------
    protocol : Protocol
        By what rules communities negotiate.
    local : LocalTerms
    split : SplitTerms
        How members share what their community saves; its network fee is that of `local`.
    congestion : CongestionTerms
    loss_eur_per_kwh : float
        What a kWh of losses is worth to the DSO when it buys flexibility; 0 buys none for losses.
    watch_voltage : bool
        Whether feeders are congestion points too, and voltages beyond the band become their limits.
    voltage_margin_v : float
        Distance from the band that the DSO plans with.
    external : mapping of str to ExternalRequest
        What a buyer outside asks, by community.
    contracts : tuple of BilateralContract
        Power that the DSO has bought in advance.
    exchange : bool
        Whether communities of the substation trade with each other.
    curtailment_factor : float
        Compensation for a limited connection as a multiple of the import price.
    central_gap_percent : float
        Gap at which the centralised benchmark stops, of the import payments under uc1.
    central_limit_s : float
        Time after which it stops whatever its gap; a status says so then.
    """

    protocol: Protocol = Protocol.PRICE_CURVE
    local: LocalTerms = field(default_factory=LocalTerms)
    split: SplitTerms = field(default_factory=SplitTerms)
    congestion: CongestionTerms = field(default_factory=CongestionTerms)
    loss_eur_per_kwh: float = 0.0
    watch_voltage: bool = False
    voltage_margin_v: float = 1.5
    external: Mapping[str, ExternalRequest] = field(default_factory=lambda: MappingProxyType({}))
    contracts: tuple[BilateralContract, ...] = ()
    exchange: bool = False
    curtailment_factor: float = 1.0
    central_gap_percent: float = 0.02
    central_limit_s: float = float("inf")
