"""When the gates of the market fall (D6.1, annex D.2)."""

from __future__ import annotations

from dataclasses import dataclass

HOUR_S = 3600
DAY_S = 24 * HOUR_S


@dataclass(frozen=True, slots=True)
class Timetable:
    """Gates in seconds from 00:00 of the day before delivery (D-1).

    Parameters
    ----------
    plan_s : int
        P-plans, A-plans and the D-prognosis are made. What comes later is not part of the plan.
    gate_s : int
        Time between gates; a message that answers another arrives one gate later.
    """

    plan_s: int = 10 * HOUR_S
    gate_s: int = HOUR_S

    @property
    def validate_s(self) -> int:
        """The DSO's finding reaches the aggregators."""
        return self.plan_s + self.gate_s

    @property
    def confirm_s(self) -> int:
        """The aggregators' word reaches their members."""
        return self.validate_s + self.gate_s

    @property
    def operate_s(self) -> int:
        """Delivery begins: 00:00 of day D."""
        return DAY_S

    @property
    def settle_s(self) -> int:
        """Delivery is over and metered: 24:00 of day D."""
        return 2 * DAY_S
