from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from ssl_bench.cli import app
from ssl_bench.errors import DataError, UsageError
from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory

SIGNALS = {"weak": 0.3, "strong": 2.5}


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["tables", "--replicates", "100", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory, write_arm: Callable[..., Path]) -> list[Path]:
    """Two methods with five seeds each; one seed of each was fine-tuned, too."""
    folder = tmp_path_factory.mktemp("seeds")
    return [
        write_arm(folder, method, seed, signal, protocols=("linear", "finetune") if seed == 0 else ("linear",))
        for method, signal in SIGNALS.items()
        for seed in range(5)
    ]


def rows(text: str) -> dict[str, list[str]]:
    """Cells of the first table by the name in front."""
    lines = [line.strip("|").split("|") for line in text.split("\n\n")[1].splitlines()[2:]]
    return {line[0].strip(): [cell.strip() for cell in line[1:]] for line in lines}


def test_seeds_are_mean_and_spread_with_the_best_in_bold_and_a_mark_for_methods(seeds: list[Path]) -> None:
    text = invoke(*seeds)
    found = rows(text)
    assert list(found) == ["weak", "strong", "random"]
    assert found["strong"][0].startswith("**0.9")
    assert found["strong"][0].endswith(r"]\*")
    assert " ± " in found["weak"][0]
    assert "**" not in found["weak"][0]
    assert "the seed as a random factor" in text
    assert "Chance of macro AUPRC by linear on" in text
    assert "Linear evaluation (linear)" in text
    assert text.index("Linear evaluation") < text.index("Fine-tuning (finetune)")


def test_one_seed_each_is_marked_as_encoders_alone(seeds: list[Path]) -> None:
    text = invoke(seeds[0], seeds[5])
    assert rows(text)["strong"][0].endswith("†")
    assert r"\*:" not in text
    assert "it concerns these two encoders and not their methods" in text


def test_intervals_are_told_with_the_resamples_that_made_them(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    runs = [write_arm(tmp_path, method, 0, 1.0, replicates=300) for method in "ab"]
    text = invoke(*runs)
    assert "95 % intervals from 300 resamples of patients; tests, and intervals over seeds, from 100." in text


def test_a_macro_mean_without_rare_findings_is_said_beside_that_of_all(
    tmp_path: Path, write_arm: Callable[..., Path]
) -> None:
    few, enough = (write_arm(tmp_path, name, 0, 1.0, images=images) for name, images in (("few", 16), ("enough", 120)))
    text = invoke(few)
    assert "Macro means by linear on toy are over 1 of 2 findings" in text
    assert "fewer than 5 positive or negative patients: " in text
    assert "over all 2 findings with a value, point estimates without an interval: few AUROC 0." in text
    assert "are over 2 of 2" not in invoke(few, "--min-patients", "1")
    assert "point estimates without an interval" not in invoke(enough)


def test_a_table_without_the_reference_says_that_nothing_is_tested(seeds: list[Path]) -> None:
    assert "Not tested: weak has no numbers of finetune on toy." in invoke(seeds[1], seeds[5])
    assert "has no numbers" not in invoke(seeds[0], seeds[5])


def test_a_few_seeds_have_no_mark_and_the_reason(seeds: list[Path]) -> None:
    text = invoke(*seeds[:3], *seeds[5:8], "--eval", "linear")
    cell = rows(text)["strong"][0]
    assert " ± " in cell
    assert "[" not in cell
    assert not cell.endswith(("*", "†"))
    assert "Not tested: 3 paired seeds, a claim about methods needs 5." in text


def test_latex_is_escaped_and_has_booktabs(seeds: list[Path]) -> None:
    text = invoke(*seeds, "--format", "latex", "--per-label")
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 6
    assert r"Mass\_50\% & " in text
    assert r"\textbf{0.9" in text
    assert r"$\pm$" in text
    assert "$^{*}$" in text
    assert "†" not in text
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert all(line.count("&") in (2, 3) for line in body)


def test_csv_holds_the_unrounded_numbers(seeds: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "tables.csv"
    assert "tables are in" in invoke(*seeds, "--format", "csv", "--per-label", "--out", out)
    frame = pd.read_csv(StringIO(out.read_text()))
    of = frame[(frame["protocol"] == "linear") & (frame["metric"] == "auroc")]
    macro = of[of["label"] == "macro"].set_index("arm")
    assert set(of["label"]) == {"macro", "Edema", "Mass_50%"}
    assert macro.loc["strong", "seeds"] == 5
    assert macro.loc["strong", "p_holm"] >= macro.loc["strong", "p"]
    assert macro.loc["strong", "speaks_of"] == "methods"
    assert pd.isna(macro.loc["weak", "p"])
    single = of[of["label"] == "Edema"].set_index("arm")
    assert single["p"].isna().all()


def test_other_label_spaces_are_compared_on_what_all_have(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, "all", 0, 0.3), write_arm(tmp_path, "one", 0, 2.5, labels=("Edema",))]
    text = invoke(*paths)
    assert "Macro means by linear on toy are over 1 of 2 findings (Edema); not in all rows: Mass" in text
    assert "†" in text


def test_the_legend_of_a_mark_stands_only_where_the_mark_does(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    text = invoke(*(write_arm(tmp_path, name, 0, signal, random=1.2) for name, signal in (("a", 1.0), ("b", 1.1))))
    assert (
        "4 tests against a in macro AUROC, AUPRC, p adjusted by Holm for their number: b by linear on toy, random by"
        in text
    )
    assert "†" not in text
    other = invoke(tmp_path / "a-0", write_arm(tmp_path, "c", 0, 3.0, random=1.2))
    assert "†: this encoder differs" in other
    assert r"\*:" not in other


def test_identical_encoders_are_one_row_not_bold_and_no_test(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    text = invoke(*(write_arm(tmp_path, name, 0, 1.0, random=1.0) for name in ("a", "b")))
    assert list(rows(text)) == ["a"]
    assert "b holds the same encoder as a, which stands there alone." in text
    assert "**" not in rows(text)["a"][0]
    assert "p adjusted" not in text


def test_a_protocol_that_looks_at_no_encoder_counts_no_test(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, name, 0, signal, protocols=("linear", "ehr-only"))
             for name, signal in (("a", 0.3), ("b", 2.0))]  # fmt: skip
    for path in paths:
        run = RunDirectory(path)
        run.write_record(Record.model_validate({**run.read_record().as_json(), "without_encoder": ["ehr-only"]}))
    text = invoke(*paths, "--eval", "linear,ehr-only")
    assert "4 tests against a" in text
    assert "ehr-only on" not in text[text.index("4 tests") :].split("\n")[0]
    assert "| every encoder |" in text


def test_what_cannot_be_is_one_sentence(seeds: list[Path], tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    other = write_arm(tmp_path, "msn", 0, 1.0, images=110)
    for arguments, error, sentence in (
        ((seeds[0], "--style", "journal"), UsageError, "unknown style 'journal'"),
        ((seeds[0], "--format", "word"), UsageError, "unknown format 'word'"),
        ((seeds[0], "--eval", "knn"), UsageError, "no run holds knn; they have finetune, linear"),
        ((seeds[0], other), DataError, "same test images only"),
        ((tmp_path,), UsageError, "holds no run"),
    ):
        with pytest.raises(error, match=sentence):
            CliRunner().invoke(app, ["tables", *map(str, arguments)], catch_exceptions=False)
