"""The tutorial notebook runs from its first cell to its last, and its objects show themselves as tables."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ssl_bench
from ssl_bench.errors import DataError, UsageError

NOTEBOOK = json.loads((Path(__file__).parents[2] / "docs" / "tutorials" / "notebook.ipynb").read_text())
CELLS = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
CODE = ["".join(cell["source"]) for cell in CELLS]


def shown(code: str, names: dict[str, Any]) -> Any:
    """Run a cell; the value of its last expression, as a notebook would show it."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if isinstance(last, ast.Expr) else None


def headings(value: Any) -> list[str] | None:
    """The headings of a value's table, empty for a plain value; None where a cell shows nothing."""
    if value is None:
        return None
    table = value._repr_html_() if hasattr(value, "_repr_html_") else ""
    return re.findall("<th>([^<]*)</th>", table.partition("<tbody>")[0])


def kept_headings(outputs: list[Any]) -> list[str] | None:
    """The same of a cell's kept outputs."""
    if not outputs:
        return None
    table = "".join(outputs[-1]["data"].get("text/html", ""))
    return re.findall("<th>([^<]*)</th>", table.partition("<tbody>")[0])


def test_the_notebook_runs_and_what_it_made_keeps_its_promises(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SSLBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    names: dict[str, Any] = {}
    values = [shown(code, names) for code in CODE]
    tables = [value._repr_html_() for value in values if hasattr(value, "_repr_html_")]
    assert len(tables) > 5
    assert all("<table" in table for table in tables)
    # the outputs that the notebook keeps are of this version: python -m benchmarks.notebook_doc
    assert [kept_headings(cell["outputs"]) for cell in CELLS] == [headings(value) for value in values]
    run: ssl_bench.api.Run = names["msn"]
    record = json.loads((tmp_path / "runs" / "msn" / "record.json").read_text())
    assert len(run.metrics) == len(record["metrics"])
    assert len(run.log) > 0
    # the AUROC that the notebook computes by hand is the record's
    label, value = values[4]
    row = next(row for row in record["metrics"] if (row["label"], row["metric"], row["protocol"], row["encoder"]) ==
               (label, "auroc", "linear", "trained") and row["subgroup"] == "all" and row["split"] == "test"
               and row["fraction"] == 1.0)  # fmt: skip
    assert value == pytest.approx(row["value"])
    # the module with its preprocessing gives the features that the run kept
    encoder = run.encoder()
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert encoder.embed(np.empty((0, encoder.size, encoder.size), np.uint8)).shape == (0, encoder.dim)
    with pytest.raises(UsageError, match="found a list with ndarray"):
        encoder.embed([np.zeros((encoder.size, encoder.size), np.uint8)])  # type: ignore[list-item]
    with pytest.raises(UsageError, match="unknown embeddings"):
        run.embeddings(split="tset")
    with pytest.raises(UsageError, match=r"unknown predictions in .*: 'finetune of trained"):
        run.predictions("finetune")


def test_the_encoder_gives_the_kept_features(tiny_nih: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    root = tiny_nih()
    given = {"preset": "smoke", "report": False, "quiet": True, "protocols": "knn", "cache": tmp_path / "cache"}
    run = ssl_bench.run("random", data=f"nih14={root}", settings={"data.size": 32, "evaluate.replicates": 100}, **given)
    kept = run.embeddings(encoder="random")
    files = [root / "images" / str(name) for name in kept.index[:5]]
    np.testing.assert_allclose(run.encoder().embed(files, batch_size=2), kept.to_numpy()[:5], rtol=1e-3, atol=1e-4)
    assert run.path == Path("runs/random-nih14-seed0")


def test_mistakes_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown method 'msm'; did you mean 'msn'"):
        ssl_bench.run("msm", preset="smoke", cache=tmp_path)
    with pytest.raises(UsageError, match="unknown key"):
        ssl_bench.run("msn", settings={"pretrain.epoch": 3}, cache=tmp_path)
    with pytest.raises(UsageError, match="holds no run"):
        ssl_bench.load_run(tmp_path)
    with pytest.raises(UsageError, match="at least two"):
        ssl_bench.compare(tmp_path)


def test_mistakes_with_a_finished_run_are_sentences(write_arm: Any, tmp_path: Path) -> None:
    run = ssl_bench.load_run(write_arm(tmp_path, "msn", 0, 2.0))
    said = {
        "a run is expected as its folder or a Run, found NoneType": lambda: ssl_bench.load_run(None),  # type: ignore[arg-type]
        "did you mean 'linear of trained on toy'": lambda: run.predictions("linaer"),
        "unknown split with predictions 'val'; expected one of test, validate": lambda: run.predictions(
            "linear", split="val"
        ),
        "replicates: at least 100": lambda: ssl_bench.leaderboard(run, replicates=0),
        "found int": lambda: ssl_bench.compare(run, 5),
        "sweep --method msn,simclr": lambda: ssl_bench.run(["msn", "simclr"]),  # type: ignore[arg-type]
        "settings: keys of the configuration": lambda: ssl_bench.run(settings=["a=1"]),  # type: ignore[arg-type]
        "predictions <DataFrame> lack the columns": lambda: ssl_bench.score(pd.DataFrame({"a": [1]})),
    }
    for sentence, mistake in said.items():
        with pytest.raises((UsageError, DataError), match=re.escape(sentence)):
            mistake()


def test_names_are_given_as_one_text_or_as_a_list(write_arm: Any, tmp_path: Path) -> None:
    run = write_arm(tmp_path, "msn", 0, 2.0)
    one, many = (ssl_bench.leaderboard(run, protocols=given, replicates=100) for given in ("linear", ["linear"]))
    pd.testing.assert_frame_equal(one.frame, many.frame)


def test_boards_and_comparisons_from_python(write_arm: Any, tmp_path: Path) -> None:
    runs = [write_arm(tmp_path, "msn", 0, 2.0), write_arm(tmp_path, "simclr", 0, 1.0)]
    board = ssl_bench.leaderboard(tmp_path, replicates=100)
    frame = board.frame
    assert list(frame.loc[frame["rank"] == 1, "configuration"]) == ["msn"]
    assert {"auroc", "auroc_ci_low", "auroc_difference", "auroc_p_holm", "hours"} <= set(frame)
    assert board.left_out == {}
    assert board.write_html(tmp_path / "board.html", maps=False) is not None
    difference = ssl_bench.compare(*map(ssl_bench.load_run, runs), replicates=100).frame
    macro = difference[(difference["label"] == "macro") & (difference["metric"] == "auroc")]
    assert len(macro) == 1
    assert macro["value"].iloc[0] < 0


def test_a_table_of_predictions_is_scored_as_its_file_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 80)
    frame = pd.DataFrame({"image_id": np.arange(80), "patient_id": np.arange(80) // 2, "y_A<b>": truth,
                          "p_A<b>": 0.3 * truth + 0.5 * rng.random(80)})  # fmt: skip
    frame.to_csv(tmp_path / "one.csv", index=False)
    from_file, from_table = (
        ssl_bench.score(tmp_path / "one.csv", replicates=100),
        ssl_bench.score(frame, replicates=100),
    )
    pd.testing.assert_frame_equal(from_file.frame, from_table.frame)
    assert "A&lt;b&gt;" in from_table._repr_html_()
    assert "<b>" not in from_table._repr_html_()
