"""The part of a record that says what was run on what."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ssl_bench.data.material import Material
from ssl_bench.plan import Plan
from ssl_bench.results.rundir import SCHEMA


def describe(plan: Plan, material: Material) -> dict[str, Any]:
    """The part of a record that says what was run on what."""
    cohort = material.cohort
    counts = cohort.frame.groupby("split").agg(images=("image_id", "size"), patients=("patient_id", "nunique"))
    return {
        "schema": SCHEMA,
        "synthetic": plan.synthetic,
        "notes": plan.notes,
        "method": plan.parts.method.name,
        "fusion": plan.parts.fusion.name if plan.parts.fusion else None,
        "features": list(plan.parts.features),
        "ehr_columns": list(plan.schema.columns),
        "ehr_fills": dict(plan.schema.fills),
        "recipe": plan.config.recipe,
        "config": plan.config.model_dump(mode="json"),
        "options": {
            chosen.name: chosen.options.model_dump(mode="json")
            for chosen in (plan.parts.method, plan.parts.fusion, *plan.parts.evaluators)
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
