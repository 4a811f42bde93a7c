"""Protocols on embeddings that are given: the same numbers, and a folder that ``sslbench compare`` reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ssl_bench.config.checks import check_declared
from ssl_bench.errors import UsageError
from ssl_bench.evaluate.feature_folder import IMAGES, data_of
from ssl_bench.evaluate.features import FeatureTable, run_of
from ssl_bench.evaluate.notices import Notices
from ssl_bench.plan.parts import ResolvedComponent
from ssl_bench.plugin.components import EvaluatorSpec
from ssl_bench.plugin.contracts import Backbone, EvalContext, MetricValue, Predictions
from ssl_bench.plugin.registry import Registry
from ssl_bench.results.identity import of_features
from ssl_bench.results.record import SCHEMA, Data, Record, Size
from ssl_bench.results.row import MetricRow
from ssl_bench.results.rows import (
    Origin,
    Scored,
    as_table,
    check_scores,
    metric_rows,
    plain_row,
    prediction_frame,
    split_of,
)
from ssl_bench.results.rundir import RunDirectory, prediction_file
from ssl_bench.results.subgroups import subgroup_rows
from ssl_bench.stats.measures import Gauge


def choose_protocols(names: Sequence[str], registry: Registry) -> list[ResolvedComponent]:
    """The evaluators of these names with their default options.

    Raises:
        UsageError: an unknown name, or a protocol that needs the encoder itself.
    """
    components = [cast("EvaluatorSpec", registry.get(EvaluatorSpec.kind, name)) for name in dict.fromkeys(names)]
    needing = [component.name for component in components if not _alone(component)]
    if needing:
        usable = [offer.component.name for offer in registry.offers(EvaluatorSpec.kind)
                  if _alone(cast("EvaluatorSpec", offer.component))]  # fmt: skip
        raise UsageError(
            f"{', '.join(needing)} needs the encoder or EHR features; with embeddings alone take some of "
            f"{', '.join(usable)}"
        )
    return [
        ResolvedComponent(component, registry.options(EvaluatorSpec.kind, component.name, {}))
        for component in components
    ]


def _alone(component: EvaluatorSpec) -> bool:
    """Whether embeddings are all that a protocol needs."""
    return component.needs == "embeddings" and not component.ehr


@dataclass
class Probe:
    """Protocols on the embeddings of one or more encoders.

    Args:
        name: of the data, in the rows.
        tables: embeddings by encoder.
        protocols: evaluators that need embeddings alone.
        seed: of protocols and resamples.
        replicates: resamples of patients.
        device: where to compute.
        metrics: of the test split beside AUROC and AUPRC.
    """

    name: str
    tables: Mapping[str, FeatureTable]
    protocols: Sequence[ResolvedComponent]
    seed: int
    replicates: int
    device: str
    metrics: Sequence[Gauge] = ()

    def run(self, out: RunDirectory | None, tell: Callable[[str], None]) -> list[MetricRow]:
        """Rows of the record; predictions are kept in ``out``, and ``tell`` is told what a protocol warns of.

        Raises:
            PluginError: scores of other images or labels than those of the split.
            DataError: scores that are not finite.
        """
        rows, notices = list[MetricRow](), Notices(tell)
        for encoder, table in self.tables.items():
            nothing = cast("Backbone", None)  # no evaluator is here that needs it
            context = EvalContext(table.splits(), table.labels, nothing, self.device, self.seed)
            for chosen in self.protocols:
                origin = Origin(encoder, self.name, self.name, chosen.name, self.seed)
                with notices.of(chosen.name):
                    items = list(chosen.build().evaluate(context))
                    held = [item for item in items if isinstance(item, Predictions) and item.split == "validate"]
                    for item in items:
                        rows += self._rows(origin, context, item, out, held)
        return rows

    def _rows(
        self,
        origin: Origin,
        context: EvalContext,
        item: Predictions | MetricValue,
        out: RunDirectory | None,
        held: Sequence[Predictions],
    ) -> Iterator[MetricRow]:
        split = split_of(context.splits, origin, item.split)
        if isinstance(item, MetricValue):
            yield plain_row(origin, split, item)
            return
        labels, scored = tuple(context.labels), Scored(origin, split, item)
        check_scores(scored, labels)
        chosen = [as_table(Scored(origin, context.splits["validate"], one), labels) for one in held[:1]]
        asked = self.metrics if split.name == "test" else ()
        found = list(metric_rows(scored, labels, self.replicates, asked, next(iter(chosen), None)))
        yield from found
        if out:
            name, rest = prediction_file(found[0])
            out.write_predictions(origin.encoder, name, rest, prediction_frame(as_table(scored, labels)))
        if split.name == "test":
            yield from subgroup_rows(scored, labels, self.replicates, next(iter(chosen), None))

    def record(self, source: Path, rows: Sequence[MetricRow], began: float) -> Record:
        """What a run's record says, as far as there is something to say of embeddings alone."""
        first = next(iter(self.tables.values()))
        counts = first.frame.groupby("split").agg(images=("image_id", "size"), patients=("patient_id", "nunique"))
        splits = {str(name): Size(images=int(row["images"]), patients=int(row["patients"]))
                  for name, row in counts.iterrows()}  # fmt: skip
        config = {
            "seed": self.seed,
            "evaluate": {"protocols": [chosen.name for chosen in self.protocols], "replicates": self.replicates},
        }
        options = {chosen.name: chosen.options.model_dump(mode="json") for chosen in self.protocols}
        return Record(
            version=SCHEMA,
            probed=source.name,
            synthetic=False,
            notes=(),
            method=f"embeddings of {called(source)}",
            fusion=None,
            features=(),
            config=config,
            options={EvaluatorSpec.kind: options},
            data=Data(name=self.name, labels=tuple(first.labels), splits=splits),
            pretraining=None,
            encoders={name: of_features(*table.named) for name, table in self.tables.items()},
            metrics=tuple(rows),
            comparisons=(),
            seconds={"total": time.monotonic() - began},
        )


def called(source: Path) -> str:
    """What the embeddings are called in tables: their file or folder, or the run that they are of."""
    return run_of(source.resolve())[0].path.name if source.is_dir() else source.name


def name_of(source: Path) -> tuple[str, dict[str, Any]]:
    """The name of the data in rows and files, and what a run that they come from says of them."""
    if not source.is_dir():
        return source.stem, {}
    if (source / IMAGES).is_file():
        return data_of(source)
    record = run_of(source)[0].read_record()
    kept = record.model_fields_set & {"synthetic", "notes", "encoders"}
    told: dict[str, Any] = {key: getattr(record, key) for key in sorted(kept)}
    return record.data.name, told


def declaration(group: str | None, seed: int | None) -> dict[str, Any]:
    """Whose pretraining an encoder is that comes from elsewhere, as a record's configuration has it.

    Raises:
        UsageError: as :func:`check_declared`.
    """
    check_declared(group, seed)
    return {"group": group, "pretraining_seed": seed} if group else {}


def write_probe(out: RunDirectory, record: Record) -> None:
    """Finish the folder: configuration, record and rows."""
    out.write_config({"probed": record.probed, **record.config})
    out.write_record(record)
