"""The course of a tune: planted optima are found, failures count, budgets end it, the test split chooses nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ssl_bench.errors import DataError, HandledError, UsageError
from ssl_bench.tune.asked import budget_of
from ssl_bench.tune.result import notes, result
from ssl_bench.tune.run import Tune, held
from ssl_bench.tune.studies import TRIAL_SEED

Played = Callable[..., Tune]
BEST = 3.2e-3
"""Rate at which the planted methods are best; their default is 1e-3, their range 1e-4 to 1e-2."""


def quadratic(config: Mapping[str, Any]) -> float:
    """A parabola over the logarithm of the rate, with the decay as a nuisance, as AUROC of a made-up encoder."""
    rate, decay = (config["pretrain"][key] for key in ("lr", "weight_decay"))
    rate, decay = (1e-3 if rate == "auto" else rate), (0.1 if decay == "auto" else decay)
    return float(0.85 - 0.1 * math.log10(rate / BEST) ** 2 - 0.001 * math.log10(decay / 0.1) ** 2)


def rate_of(tune: Tune, name: str = "simclr") -> float:
    study, trial = tune.chosen()[name]
    return float(tune.settings(study, trial)["pretrain.lr"])  # type: ignore[arg-type]


@pytest.mark.parametrize(("sampler", "trials", "near"), [("sobol", 20, 0.2), ("halton", 20, 0.2), ("tpe", 25, 0.15)])
def test_a_planted_optimum_is_found(played: Played, sampler: str, trials: int, near: float) -> None:
    tune = played(quadratic, "simclr", trials=trials, sampler=sampler, finals=False)
    assert abs(math.log10(rate_of(tune) / BEST)) < near
    found = result(tune)["studies"][0]
    assert found["sensitivity"][0]["key"] == "pretrain.lr"
    assert found["chosen"]["edges"].get("pretrain.lr") is None


def test_trial_0_is_the_official_default_and_all_trials_have_one_seed(played: Played) -> None:
    tune = played(quadratic, "simclr", trials=4)
    configs = tune.launcher.play.configs  # type: ignore[attr-defined]
    trials, finals = configs[:4], configs[4:]
    assert trials[0]["pretrain"]["lr"] == "auto"
    assert trials[0]["method"] == {"name": "simclr"}
    assert {config["seed"] for config in trials} == {TRIAL_SEED}
    assert [config["seed"] for config in finals] == [0, 1]
    assert {config["evaluate"]["withhold"] for config in trials} == {"test"}
    assert {config["evaluate"]["withhold"] for config in finals} == {None}
    assert finals[0]["tuning"] == {**tune.tuning("simclr").model_dump(mode="json")}
    assert tune.tuning("simclr").budget == "4 trials"


def test_a_default_that_nothing_beats_is_kept(played: Played) -> None:
    tune = played(lambda config: 0.9 if config["pretrain"]["lr"] == "auto" else 0.6, "byol", trials=5)
    found = result(tune)["studies"][0]
    assert found["chosen"]["trial"] == 0
    assert found["chosen"]["settings"] == {}
    assert found["chosen"]["edges"] == {"method.momentum": "low"}, "the preset's default lies at the end of its range"


def test_trials_that_fail_count_with_their_reason(played: Played) -> None:
    def collapses(config: Mapping[str, Any]) -> float | str:
        rate = config["pretrain"]["lr"]
        return "features collapsed" if rate != "auto" and rate > 1e-3 else quadratic(config)

    tune = played(collapses, "simclr", trials=8)
    found = result(tune)
    trials = found["studies"][0]["trials"]
    failed = [trial for trial in trials if trial["state"] == "failed"]
    assert len(trials) == 8
    assert failed
    assert {trial["reason"] for trial in failed} == {"features collapsed"}
    assert tune.tuning("simclr").failed == len(failed)
    assert f"simclr: {len(failed)} of 8 trials failed; they count." in notes(found)
    assert tune.chosen()["simclr"][1].number not in {trial["number"] for trial in failed}


def test_where_all_trials_fail_nothing_is_chosen_and_the_others_go_on(played: Played) -> None:
    tune = played(lambda c: "out of memory" if c["method"]["name"] == "byol" else 0.7, "simclr", "byol", trials=3)
    found = {study["name"]: study for study in result(tune)["studies"]}
    assert found["byol"]["chosen"] is None
    assert found["byol"]["final"] == {}
    assert len(found["simclr"]["final"]["simclr"]["seeds"]) == 2
    assert "byol: all trials failed, so nothing was chosen." in notes(result(tune))


def test_settings_that_the_method_refuses_are_a_failed_trial(played: Played) -> None:
    tune = played(lambda config: 0.7, "pixels", trials=6, searches=["method.size=8..200:log"], finals=False)
    trials = result(tune)["studies"][0]["trials"]
    refused = [trial for trial in trials if trial["state"] == "failed"]
    assert refused
    assert all("'size'" in trial["reason"] for trial in refused)


def test_the_same_command_does_nothing_again(played: Played) -> None:
    first = result(played(quadratic, "simclr", trials=4))
    again = played(quadratic, "simclr", trials=4)
    assert again.launcher.play.started == []  # type: ignore[attr-defined]
    assert json.dumps(result(again)) == json.dumps(first)


def test_final_runs_of_a_version_with_fewer_settings_are_found_again(played: Played, tmp_path: Path) -> None:
    final = tmp_path / "tune" / "final"
    for name in [
        cell.name for cells in played(quadratic, "simclr", trials=2).finals()["simclr"].values() for cell in cells
    ]:
        config = final / ".sweep" / "configs" / f"{name}.yaml"
        values = yaml.safe_load(config.read_text())
        del values["pretrain"]["accumulate"]
        older = name.rpartition("-")[0] + "-0older00"
        config.unlink()
        config.with_name(f"{older}.yaml").write_text(yaml.safe_dump(values))
        (final / name).rename(final / older)
    again = played(quadratic, "simclr", trials=2)
    assert again.launcher.play.started == []  # type: ignore[attr-defined]


def test_more_trials_keep_those_that_were_run(played: Played) -> None:
    played(quadratic, "simclr", trials=4, finals=False)
    more = played(quadratic, "simclr", trials=7, finals=False)
    assert len(more.launcher.play.started) == 3  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="'simclr' has 7 trials, and 5 are asked for; choose another --out"):
        played(quadratic, "simclr", trials=5, finals=False)


def test_methods_that_share_a_study_get_one_setting_by_their_mean(played: Played) -> None:
    def value(config: Mapping[str, Any]) -> float:
        return quadratic(config) + (0.05 if config["method"]["name"] == "simclr-ehr" else 0.0)

    tune = played(value, "simclr", "simclr-ehr", trials=4, shared=(("simclr", "simclr-ehr"),))
    found = result(tune)
    study = found["studies"][0]
    assert study["name"] == "simclr+simclr-ehr"
    assert len(tune.launcher.play.started) == 2 * 4 + 2 * 2  # type: ignore[attr-defined]
    trial = study["trials"][study["chosen"]["trial"]]
    assert trial["value"] == pytest.approx(sum(trial["values"].values()) / 2)
    assert tune.tuning(study["name"]).shared == ("simclr", "simclr-ehr")
    assert [row["method"] for row in found["ranking"][-1]["methods"]] == ["simclr-ehr", "simclr"]


def test_controls_are_arms_with_the_same_budget(played: Played) -> None:
    tune = played(quadratic, "simclr", "simclr-ehr", trials=3, controls=("shuffled",), seeds=1)
    names = [study["name"] for study in result(tune)["studies"]]
    assert names == ["simclr", "simclr-ehr", "simclr-ehr:shuffled"]
    controls = {config["ehr"]["control"] for config in tune.launcher.play.configs}  # type: ignore[attr-defined]
    assert controls == {"none", "shuffled"}


@pytest.mark.parametrize(
    ("methods", "fed"),
    [(("msn", "msn-ehr", "pixels"), {"msn-ehr"}), (("simclr", "msn", "pixels", "supervised"), {"simclr", "msn"})],
)
def test_ehr_features_are_for_the_methods_made_for_some_else_for_all(
    played: Played, methods: tuple[str, ...], fed: set[str]
) -> None:
    tune = played(quadratic, *methods, trials=1, seeds=1, features="age,sex")
    configs = tune.launcher.play.configs  # type: ignore[attr-defined]
    assert {config["method"]["name"] for config in configs if config.get("ehr", {}).get("features")} == fed


def test_methods_that_differ_in_their_space_share_no_study(played: Played) -> None:
    with pytest.raises(UsageError, match=r"differ in what is searched .*method\.momentum, method\.temperature"):
        played(quadratic, "simclr", "byol", shared=(("simclr", "byol"),))


def test_a_budget_of_hours_ends_a_study(played: Played) -> None:
    tune = played(quadratic, "simclr", "pixels", budget=budget_of("gpu-hours=0.035", None), finals=False)
    trials = {study["name"]: len(study["trials"]) for study in result(tune)["studies"]}
    assert trials == {"simclr": 4, "pixels": 4}, "36 s each: the fourth begins before 126 s are spent"
    assert tune.asked.budget.told == "0.035 gpu-hours"


def test_a_budget_of_operations_ends_a_study(played: Played, tmp_path: Path) -> None:
    base = {"data": {"options": {"images": 160, "size": 40}}}
    whole = played(quadratic, "simclr", trials=1, finals=False, base=base)
    study, log = whole.logs["simclr"]
    one = whole.purse._flops(study, log.trials()[0].point, 0)
    tune = played(
        quadratic, "simclr", budget=budget_of(f"flops={3.5 * one}", None), finals=False, base=base, folder="f"
    )
    assert len(tune.logs["simclr"][1].trials()) == 3
    with pytest.raises(UsageError, match=r"the default of 'simclr' takes .* raise --budget"):
        played(quadratic, "simclr", budget=budget_of(f"flops={one / 2}", None), base=base, folder="g")


@pytest.mark.parametrize(("pruner", "key"), [("rank", "effective_rank"), ("probe", "probe_linear")])
def test_a_pruner_ends_what_is_below_the_median_and_it_cannot_win(played: Played, pruner: str, key: str) -> None:
    def log(config: Mapping[str, Any]) -> dict[str, float]:
        return {key: quadratic(config)}

    tune = played(quadratic, "simclr", trials=10, pruner=pruner, log=log, finals=False)
    trials = result(tune)["studies"][0]["trials"]
    pruned = [trial for trial in trials if trial["state"] == "pruned"]
    assert len(trials) == 10
    assert pruned
    assert all(f"pruned at 25 % of the training: {key} " in trial["reason"] for trial in pruned)
    assert len(tune.launcher.play.stopped) == len(pruned)  # type: ignore[attr-defined]
    winner = tune.chosen()["simclr"][1]
    assert winner.value == max(trial["value"] for trial in trials if trial["state"] == "done")
    assert "pruned by" in " ".join(notes(result(tune)))
    again = played(quadratic, "simclr", trials=10, pruner=pruner, log=log, finals=False)
    assert again.launcher.play.started == []  # type: ignore[attr-defined]


def test_a_run_that_cannot_be_started_is_no_failed_trial(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    from ssl_bench.sweep import loop

    def full(job: Any, cell: Any) -> None:
        raise OSError(28, "No space left on device", str(job.log))

    with monkeypatch.context() as patched:
        patched.setattr(loop, "prepare", full)
        with pytest.raises(HandledError, match=r"3 trials could not be started \(it cannot be started: No space left"):
            played(quadratic, "simclr", trials=3)
    assert len(played(quadratic, "simclr", trials=3, finals=False).launcher.play.started) == 3  # type: ignore[attr-defined]


def test_two_tunes_in_one_folder_are_refused(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(DataError, match=r"^tune .* is in use by .*; wait for it"), held(tmp_path):
        pass


def test_the_ranking_says_what_tuning_changed(played: Played) -> None:
    def value(config: Mapping[str, Any]) -> float:
        tuned = config["pretrain"]["lr"] != "auto"
        return 0.7 if config["method"]["name"] == "simclr" else 0.8 if tuned else 0.6

    found = result(played(value, "simclr", "byol", trials=6, finals=False))
    assert [row["budget"] for row in found["ranking"]] == [1, 5, 6]
    assert [[row["method"] for row in one["methods"]] for one in found["ranking"]] == [
        ["simclr", "byol"], ["byol", "simclr"], ["byol", "simclr"],
    ]  # fmt: skip


def test_the_rule_oracle_reads_the_test_split_and_says_so(played: Played) -> None:
    tune = played(quadratic, "simclr", trials=3, rule="oracle")
    configs = tune.launcher.play.configs  # type: ignore[attr-defined]
    assert {config["evaluate"]["withhold"] for config in configs} == {None}
    assert tune.tuning("simclr").rule == "oracle"
    assert notes(result(tune))[0].startswith("Selected on the test split (rule oracle): these numbers are optimistic")
