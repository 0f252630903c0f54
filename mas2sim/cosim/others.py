"""What a case keeps of the participants that are no homes.

Beside `world`, which gathers homes and devices: of another participant only its meter is told.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mas2sim.cosim.setup import CaseSetup
from mas2sim.cosim.simulators import Recording
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.grid_state import GridLayout
from mas2sim.results.record import OtherRecord


def layout_of_homes(setup: CaseSetup) -> GridLayout:
    """The places of the grid with the homes as homes, and the other participants as other loads."""
    layout, homes = setup.flow.layout, len(setup.homes)
    if not setup.participants:
        return layout
    places = tuple(zip(layout.home_bus, layout.home_phase, strict=True))
    return replace(
        layout,
        home_bus=layout.home_bus[:homes],
        home_phase=layout.home_phase[:homes],
        other_loads=(*layout.other_loads, *places[homes:]),
    )


def other_record(setup: CaseSetup, recording: Recording) -> OtherRecord | None:
    """What the other participants metered and pay; None where there are none.

    Each is its own aggregator: what that keeps or adds is the participant's.
    """
    names = [each.name for each in setup.participants]
    if not names:
        return None
    heard = recording.messages
    settled = [heard["settlement"][name] for name in names]

    def metered(attribute: str) -> FloatArray:
        """Sum over the points of each meter, shape (level, participant, ptu)."""
        by_meter = [
            np.array(
                [getattr(each, attribute).sum(axis=1) for each in heard["measured_day"][name]]
            ).T
            for name in names
        ]
        return np.stack(by_meter, axis=1)

    def stacked(values: list[FloatArray]) -> FloatArray:
        return np.stack(values, axis=1)

    return OtherRecord(
        participants=setup.participants,
        net_kw=metered("p_kw"),
        reactive_kvar=metered("q_kvar"),
        curtailed_kw=stacked([heard["curtailed_kw"][name].sum(axis=1) for name in names]),
        bill_eur=stacked([each.bill_eur.sum(axis=1) for each in settled]),
        payment_eur=stacked(
            [
                each.payment_eur.sum(axis=1) - each.service_eur + each.shortfall_eur
                for each in settled
            ]
        ),
        dso_eur=stacked([each.dso_eur for each in settled]),
    )
