"""Participants that are no households: a shop, a larger PV plant, an EV charging station.

Each has one meter, a tariff of its own and its own bill to keep low. It stays outside communities
and speaks to the DSO for itself (D6.1, 2.4.2: decentralised producer, flexibility provider).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mas2sim.domain.community import Community
from mas2sim.domain.home import Home
from mas2sim.domain.tariff import Tariff


@dataclass(frozen=True, slots=True, eq=False)
class Participant:
    """One non-domestic participant on the day of the case.

    Parameters
    ----------
    name : str
        Unique in its substation, among the communities' names too.
    points : tuple of Home
        What stands behind its meter, each planned as a home is: a charge point with its vehicle, a
        plant with its battery. No point feeds in while another one draws, so that their bills add
        up to that of the meter.
    tariff : Tariff
        Of its meter; with several points no price of the peak, which is one for all of them.
    bus : str
        Where it is connected.
    phase : str
        ``"a"``, ``"b"``, ``"c"``, or ``"abc"`` for a three-phase connection.
    """

    name: str
    points: tuple[Home, ...]
    tariff: Tariff
    bus: str
    phase: str = "abc"

    @property
    def point_tariff(self) -> Tariff:
        """The tariff of each point: the meter's standing charge is paid once, in equal parts."""
        standing_eur = self.tariff.standing_eur_per_day / len(self.points)
        return replace(self.tariff, standing_eur_per_day=standing_eur)

    def as_party(self, first: int) -> Community:
        """The participant as a community of its own, its points numbered from `first`."""
        return Community(self.name, tuple(range(first, first + len(self.points))))
