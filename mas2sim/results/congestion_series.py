"""The series of what the DSO asked for, was offered and took.

A room beside `series`, since only cases with something to buy have them. All are sums over the
homes behind the transformer: nothing of a single home is in an offer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mas2sim.domain.limits import GridLimits
from mas2sim.market import CongestionOutcome
from mas2sim.results.flexibility_bought import OfferMade, offers_made
from mas2sim.results.series_variable import variable, words

OFFER = ("offer",)


def congestion_variables(outcome: CongestionOutcome, limits: GridLimits) -> dict[str, Any]:
    """The purchase at the transformer, and the offers where there were any.

    What is available is counted from the prognosis before: added to it, it gives the limits.
    """
    before_kw = outcome.before_kw[0]
    time = ("time",)
    found = {
        "flex_requested_kw": variable(
            time,
            -outcome.before_beyond_kw[0],
            "kW",
            "change of the prognosis that the DSO asked for; negative is less import",
        ),
        "flex_available_lower_kw": variable(
            time,
            -limits.transformer_export_kw - before_kw,
            "kW",
            "least change of the prognosis that the limits leave room for",
        ),
        "flex_available_upper_kw": variable(
            time,
            limits.transformer_import_kw - before_kw,
            "kW",
            "greatest change of the prognosis that the limits leave room for",
        ),
        "prognosis_before_kw": variable(
            time, before_kw, "kW", "prognosis of the substation before the DSO bought"
        ),
        "prognosis_after_kw": variable(
            time, outcome.after_kw[0], "kW", "prognosis of the substation with the offers taken"
        ),
    }
    made = offers_made(outcome)
    if made:
        found["offer_change_kw"] = variable(
            (*OFFER, "time"),
            np.array([each.offer.change_kw[0] for each in made]),
            "kW",
            "change of the A-plan offered, rebound included",
        )
    return found


def offer_coordinates(outcome: CongestionOutcome) -> dict[str, Any]:
    """Whose offers they are and what they cost; nothing where none was made."""
    made = offers_made(outcome)
    if not made:
        return {}
    return {
        "offer": words(_label(each) for each in made),
        "offer_community": ("offer", words(each.offer.community for each in made)),
        "offer_number": variable(
            OFFER,
            np.array([each.offer.number for each in made], dtype=np.int64),
            "1",
            "number among the community's offers",
        ),
        "offer_price_eur": variable(
            OFFER, np.array([each.offer.price_eur for each in made]), "EUR", "price asked"
        ),
        "offer_accepted": variable(
            OFFER,
            np.array([each.taken for each in made], dtype=np.int8),
            "1",
            "1 where the DSO took it",
        ),
        "offer_paid_eur": variable(
            OFFER,
            np.array([each.paid_eur for each in made]),
            "EUR",
            "what the order pays; missing where it was not taken",
        ),
    }


def _label(made: OfferMade) -> str:
    return f"{made.offer.community}/{made.offer.number}"
