"""What the best lie of one member or one aggregator would earn, with and without the audit.

Everybody else stays honest, knows nothing, and answers as always; the liar knows beforehand which
PTUs will be congested, which is more than a real one would. Each lie is told in the market that
runs in every case and settled by the same settlement. The answer is the best of a finite family of
lies: what lies can earn at least, not at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mas2sim.cosim import CaseSetup
from mas2sim.domain.randomness import stream
from mas2sim.domain.typical_day import Level
from mas2sim.market.audit import AuditTerms
from mas2sim.scenario import compose_case
from mas2sim.scenario.build import build_setup
from mas2sim.study.held_day import LIMIT_SHARE, DayOutcome, Liar, hold_day, prepare_day
from mas2sim.study.lies import AggregatorLie, aggregator_lies, member_lies
from mas2sim.study.market_day import LEVELS, MarketDay, Progress

ACTORS = 8
"""Members that are tried as liars in each case, half of them with flexible devices."""
ZERO_EUR = 1e-9
"""Differences of sums of payments below this are rounding."""


def misreport_study(
    overrides: Sequence[str] = (),
    seeds: Sequence[int] = (),
    *,
    actors: int = ACTORS,
    limit_share: float = LIMIT_SHARE,
    terms: AuditTerms | None = None,
    data: Path | None = None,
    progress: Progress = lambda _stage, _done, _total: None,
) -> pd.DataFrame:
    """Try the whole family of lies in one case, for each seed.

    Parameters
    ----------
    overrides : sequence of str
        Of the case, in Hydra's grammar.
    seeds : sequence of int
        Each is another set of homes; without any, the seed of the case.
    actors : int
        Members that are tried as liars.
    limit_share : float
        The transformer's limit as a share of the honest peak, where that is below the case's own.
    terms : AuditTerms, optional
    data : Path, optional
        A folder that goes before the shipped ones.

    Returns
    -------
    DataFrame
        As `misreports`, with a column `seed`.

    Raises
    ------
    ConfigurationError
        With what is wrong with the overrides, before anything is computed.
    """
    cases = [
        compose_case([*overrides, *([] if seed is None else [f"seed={seed}"])], data=data)
        for seed in (seeds or (None,))
    ]
    frames = []
    for case in cases:
        setup, _ = build_setup(case)
        frame = misreports(
            setup, actors=actors, limit_share=limit_share, terms=terms, progress=progress
        )
        frame.insert(0, "seed", setup.seed)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def misreports(
    setup: CaseSetup,
    *,
    actors: int = ACTORS,
    limit_share: float = LIMIT_SHARE,
    terms: AuditTerms | None = None,
    progress: Progress = lambda _stage, _done, _total: None,
) -> pd.DataFrame:
    """Try the whole family of lies in one case.

    Returns
    -------
    DataFrame
        One row a lie, liar and level: `lie`, `size`, `actor`, `flexible`, `level`;
        `gain_eur` (what the liar has more than by honesty, in a day), `others_eur` (what all other
        members and aggregators have more) and `dso_eur` (what the DSO pays more), each with the
        suffix `_audited` for the same under the audit; `caught` and what was `found`.
    """
    checked = AuditTerms() if terms is None else terms
    day = prepare_day(setup, limit_share=limit_share, progress=progress)
    honest = hold_day(day)
    congested = np.flatnonzero(honest.before_kw > day.limit_kw).tolist()
    liars = list(_liars(day, congested, actors))
    rows: list[dict[str, object]] = []
    for done, liar in enumerate(liars, start=1):
        free, audited = hold_day(day, liar), hold_day(day, liar, checked)
        rows += _rows(day, liar, honest, free, audited)
        progress(f"try the lies, seed {setup.seed}", done, len(liars))
    return pd.DataFrame(rows)


def best_lies(frame: pd.DataFrame) -> pd.DataFrame:
    """The best of each kind of lie: of all sizes, liars and seeds the one that gains most.

    Returns
    -------
    DataFrame
        One row a kind of lie and level: the greatest gain without the audit, with what that lie
        brings others and what the DSO pays more for it; the greatest gain with the audit, and the
        most that the DSO pays more then; the share of those tried that gain more than the audit's
        tolerance, and of those that are caught. [%]
    """
    rows = []
    for (lie, level), tried in frame.groupby(["lie", "level"], sort=False):
        best = tried.iloc[int(tried["gain_eur"].argmax())]
        gains = tried["gain_eur_audited"] > AuditTerms().tolerance_eur
        rows.append(
            {
                "lie": lie,
                "level": level,
                "size": best["size"],
                "actor": best["actor"],
                "gain_eur": best["gain_eur"],
                "others_eur": best["others_eur"],
                "dso_eur": best["dso_eur"],
                "gain_eur_audited": tried["gain_eur_audited"].max(),
                "dso_eur_audited": tried["dso_eur_audited"].max(),
                "gains_percent_audited": 100.0 * float(gains.mean()),
                "caught_percent": 100.0 * float(tried["caught"].mean()),
                "tried": len(tried),
            }
        )
    return pd.DataFrame(rows)


def _liars(day: MarketDay, congested: Sequence[int], actors: int) -> Iterator[Liar]:
    """Members drawn at random, half of them flexible, and every aggregator, with each lie."""
    setup = day.setup
    everybody = [
        (name, position, flexible)
        for name, told in day.told.items()
        if told.declaration is not None
        for position, flexible in enumerate(told.declaration.flexible)
    ]
    rng = stream(setup.seed, setup.substation, "misreport study")
    order = rng.permutation(len(everybody)).tolist()
    flexible = [place for place in order if everybody[place][2]]
    fixed = [place for place in order if not everybody[place][2]]
    half = max(actors - actors // 2, actors - len(fixed))
    chosen = [*flexible[:half], *fixed[: actors - min(half, len(flexible))]]
    for place in chosen:
        name, position, has_devices = everybody[place]
        for lie in member_lies(congested, setup.tariff, setup.horizon):
            if has_devices or not lie.withholds:
                yield Liar(name, position, lie)
    for name in day.members:
        for aggregator_lie in aggregator_lies(congested, setup.horizon):
            yield Liar(name, -1, aggregator_lie)


def _rows(
    day: MarketDay, liar: Liar, honest: DayOutcome, free: DayOutcome, audited: DayOutcome
) -> Iterator[dict[str, object]]:
    """One row a level at which the lie can be told."""
    found = [
        finding for finding in audited.findings[liar.community] if finding.member == liar.position
    ]
    told = day.told[liar.community]
    community = next(each for each in day.setup.communities if each.name == liar.community)
    member = liar.position >= 0
    home = day.setup.homes[community.members[liar.position]] if member else None
    for place, level in enumerate(LEVELS):
        if level is Level.UC2 and isinstance(liar.lie, AggregatorLie):
            continue
        row: dict[str, object] = {
            "lie": liar.lie.name,
            "size": liar.lie.size,
            "actor": liar.community if home is None else home.name,
            "flexible": bool(
                told.declaration is not None and member and told.declaration.flexible[liar.position]
            ),
            "level": level.value,
        }
        for suffix, outcome in (("", free), ("_audited", audited)):
            gain_eur, others_eur, dso_eur = _gains(liar, honest, outcome, place)
            row[f"gain_eur{suffix}"] = gain_eur
            row[f"others_eur{suffix}"] = others_eur
            row[f"dso_eur{suffix}"] = dso_eur
        row["caught"] = bool(found)
        row["found"] = "; ".join(dict.fromkeys(finding.doubt.value for finding in found))
        yield row


def _gains(
    liar: Liar, honest: DayOutcome, lying: DayOutcome, level: int
) -> tuple[float, float, float]:
    """What the liar, and all others together, have more, and what the DSO pays more. [EUR]"""
    saved_eur = {
        name: honest.cost_eur[name][level] - lying.cost_eur[name][level] for name in honest.cost_eur
    }
    kept_eur = {
        name: float(lying.aggregator_eur[name][level] - honest.aggregator_eur[name][level])
        for name in honest.aggregator_eur
    }
    all_eur = sum(float(saved.sum()) for saved in saved_eur.values()) + sum(kept_eur.values())
    own_eur = (
        float(saved_eur[liar.community][liar.position])
        if liar.position >= 0
        else kept_eur[liar.community]
    )
    dso_eur = float(lying.dso_eur[level] - honest.dso_eur[level])
    return _plain(own_eur), _plain(all_eur - own_eur), _plain(dso_eur)


def _plain(eur: float) -> float:
    """Rounding is nothing."""
    return 0.0 if abs(eur) < ZERO_EUR else eur


__all__ = ["best_lies", "misreport_study", "misreports"]
