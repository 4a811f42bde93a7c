"""Tables of the study that are made of its records: few labels, leakage and gaps, on numbers small enough to add up."""

from __future__ import annotations

from typing import Any

from benchmarks.real_tables import WAITING, efficiency, gaps, leakage

COUNTS = {"n_positive_patients": 9, "n_negative_patients": 9}


def linear(label: str, fraction: float, draw: int, value: float, **other: Any) -> dict[str, Any]:
    return {"protocol": "linear", "metric": "auroc", "label": label, "subgroup": "all", "fraction": fraction,
            "draw": draw, "value": value, **COUNTS, **other}  # fmt: skip


def study(*seeds: list[dict[str, Any]]) -> dict[str, Any]:
    return {"runs": [{"configuration": "msn", "record": {"metrics": rows}} for rows in seeds]}


def test_few_labels_are_compared_over_the_findings_that_every_draw_has() -> None:
    whole = [linear("Mass", 1.0, 0, 0.8), linear("Edema", 1.0, 0, 0.1), linear("macro", 1.0, 0, 0.9)]
    values = study(
        [*whole, linear("Mass", 0.1, 0, 0.6), linear("Mass", 0.1, 1, 0.7), linear("Edema", 0.1, 1, 0.9)],
        [*whole, linear("Mass", 0.1, 0, 0.7), linear("Mass", 0.1, 1, 0.8)],
    )
    text = efficiency(values, ["msn"])
    assert "| `msn` | 0.700 ± 0.071 | 0.800 ± 0.000 |" in text
    assert text.endswith("Findings in every draw: Mass.")


def test_smaller_shares_take_no_finding_from_larger_ones() -> None:
    rows = [linear(label, share, 0, value) for label, value in (("Mass", 0.6), ("Edema", 0.8)) for share in (0.1, 1.0)]
    values = study([*rows, linear("Mass", 0.01, 0, 0.5)])
    assert "| `msn` | 0.500 | 0.600 | 0.600 |" in efficiency(values, ["msn"])
    assert "| `msn` | 0.700 | 0.700 |" in efficiency(values, ["msn"], least=0.1)


def test_a_finding_of_few_patients_does_not_count() -> None:
    rows = [linear("Mass", share, 0, 0.6) for share in (0.1, 1.0)]
    rare = [linear("Hernia", share, 0, 1.0, n_positive_patients=3) for share in (0.1, 1.0)]
    assert "| `msn` | 0.600 | 0.600 |" in efficiency(study([*rows, *rare]), ["msn"])


def test_a_table_waits_for_the_shares_and_protocols_of_every_configuration() -> None:
    one, both = [linear("Mass", 1.0, 0, 0.6)], [linear("Mass", share, 0, 0.6) for share in (0.1, 1.0)]
    assert efficiency(study(one), ["msn"]) == WAITING
    assert efficiency(study(one, both), ["msn"]) == WAITING
    assert leakage(study(one), ["msn"]) == WAITING
    assert gaps(study(one), ["msn"]) == WAITING


def test_leakage_is_a_mean_over_seeds() -> None:
    def seed(sex: float, age: float) -> list[dict[str, Any]]:
        named = (("sex=F", "auroc", sex), ("view=AP", "auroc", 0.9), ("age", "r2", age))
        return [{"protocol": "leakage", "metric": metric, "label": label, "fraction": 1.0, "value": value}
                for label, metric, value in named]  # fmt: skip

    assert "| `msn` | 0.700 ± 0.141 | 0.900 ± 0.000 | -0.100 ± 0.000 |" in leakage(
        study(seed(0.6, -0.1), seed(0.8, -0.1)), ["msn"]
    )


def test_a_gap_is_signed_alike_whichever_group_was_ahead() -> None:
    def seed(sex: float, note: str) -> list[dict[str, Any]]:
        named = (
            ("sex", sex, note),
            ("view", 0.02, "view=AP minus view=PA; over 3"),
            ("age", 0.2, "age=80+ minus age=20-39"),
        )
        return [linear("macro", 1.0, 0, value, metric="auroc_gap", subgroup=group, note=text)
                for group, value, text in named]  # fmt: skip

    values = study(seed(0.04, "sex=F minus sex=M; over 3"), seed(0.04, "sex=M minus sex=F; over 3"))
    assert "| `msn` | 0.000 ± 0.057 | -0.020 ± 0.000 | 0.200 ± 0.000 |" in gaps(values, ["msn"])
