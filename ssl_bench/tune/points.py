"""Where trials look, as shares of all ranges: quasi-random by default, so that anybody can draw them again. No torch.

Optuna draws; each point is a function of the seed, its number and the trials before it, so a tune that was killed
draws the same ones.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from ssl_bench.errors import UsageError, unknown

Sampler = Literal["sobol", "halton", "random", "tpe"]

STARTUP = 5
"""Trials of a TPE search that are those of the Sobol sequence."""

Point = dict[str, float]
History = Sequence[tuple[Point, float | None]]
"""Points of the trials before with what they reached; None: they failed."""


def check_sampler(name: str) -> Sampler:
    """A sampler by its name.

    Raises:
        UsageError: there is none.
    """
    if name not in get_args(Sampler):
        raise UsageError(unknown("sampler", name, get_args(Sampler)))
    return name  # type: ignore[return-value]


def fixed_points(default: Mapping[str, float], count: int, sampler: Sampler, seed: int) -> list[Point]:
    """The official default and the points after it; a longer list begins with a shorter one.

    Args:
        default: shares of the official default, by key.
        count: points in all.
        sampler: any but ``tpe``, whose points depend on what trials have reached.
        seed: of the sequence.
    """
    found = [dict(default)]
    if not default:
        return found
    study = _study(_qmc(sampler, seed) if sampler != "random" else _random(seed), [(dict(default), 0.0)])
    while len(found) < count:
        found.append(_ask(study, default))
    return found[:count]


def next_point(default: Mapping[str, float], history: History, sampler: Sampler, seed: int) -> Point:
    """The point after a number of trials."""
    number = len(history)
    if sampler != "tpe" or number < STARTUP:
        return fixed_points(default, number + 1, "sobol" if sampler == "tpe" else sampler, seed)[number]
    import optuna

    tpe = optuna.samplers.TPESampler(seed=_mixed(seed, number), n_startup_trials=0)
    return _ask(_study(tpe, history), default)


def _ask(study: Any, default: Mapping[str, float]) -> Point:
    return dict(study.ask(fixed_distributions=distributions(default)).params)


def distributions(names: Mapping[str, Any] | Sequence[str]) -> dict[str, Any]:
    """Every hyperparameter as a share in [0, 1]: scale and prior are our own, see :class:`ssl_bench.Search`."""
    from optuna.distributions import FloatDistribution

    return {name: FloatDistribution(0.0, 1.0) for name in names}


def _study(sampler: Any, history: History) -> Any:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for point, value in history:
        state = optuna.trial.TrialState.FAIL if value is None else optuna.trial.TrialState.COMPLETE
        study.add_trial(optuna.trial.create_trial(
            params=point, distributions=distributions(point), value=value, state=state))  # fmt: skip
    return study


def _qmc(kind: str, seed: int) -> Any:
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.QMCSampler(qmc_type=kind, scramble=True, seed=seed, warn_independent_sampling=False)


def _random(seed: int) -> Any:
    import optuna

    return optuna.samplers.RandomSampler(seed=seed)


def _mixed(seed: int, number: int) -> int:
    return (seed * 1_000_003 + number) % 2**32
