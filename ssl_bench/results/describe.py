"""The part of a record that says what was run on what."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ssl_bench.data.material import Material
from ssl_bench.errors import shortened
from ssl_bench.plan import Plan
from ssl_bench.pretrain.loop import Summary
from ssl_bench.results.rundir import SCHEMA


def left_out(plan: Plan, material: Material) -> list[str]:
    """The note on images that were quarantined: how many of each split, and the first of them."""
    rejected = material.store.rejected
    if not rejected:
        return []
    rows = plan.cohort.frame[plan.cohort.frame["image_id"].isin(list(rejected))]
    splits = ", ".join(f"{count} of {name}" for name, count in rows["split"].value_counts().items())
    return [f"{len(rows)} of {len(plan.cohort)} images cannot be read and were left out ({splits}): "
            f"{shortened(rows['image_id'].tolist())}"]  # fmt: skip


def describe(plan: Plan, material: Material, summary: Summary | None) -> dict[str, Any]:
    """The part of a record that says what was run on what."""
    cohort = material.cohort
    counts = cohort.frame.groupby("split").agg(images=("image_id", "size"), patients=("patient_id", "nunique"))
    return {
        "schema": SCHEMA,
        "synthetic": plan.synthetic,
        "notes": [*plan.notes, *left_out(plan, material), *(summary.changes if summary else ())],
        "method": plan.parts.method.name,
        "fusion": plan.parts.fusion.name if plan.parts.fusion else None,
        "features": list(plan.parts.features),
        "ehr_columns": list(plan.schema.columns),
        "ehr_fills": dict(plan.schema.fills),
        "recipe": plan.config.recipe,
        "config": plan.config.model_dump(mode="json"),
        "options": {
            chosen.name: chosen.options.model_dump(mode="json")
            for chosen in (plan.parts.method, plan.parts.fusion, plan.parts.dataset, *plan.parts.evaluators)
            if chosen
        },
        "components": plan.components,
        "data": {
            "name": cohort.name,
            "fingerprint": material.store.fingerprint,
            "splits_sha256": plan.manifest["sha256"],
            "official_split": cohort.official_split,
            "splits": {str(name): {key: int(value) for key, value in row.items()} for name, row in counts.iterrows()},
            "labels": list(cohort.labels),
            "counts": dict(cohort.counts),
            "rejected": material.store.rejected,
            "grey": asdict(material.grey),
        },
    }
