"""``sslbench embed NAME=PATH ...``: features of public encoders on a dataset, decoded once for all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ssl_bench.cli.complete import names_of
from ssl_bench.cli.data.options import configured
from ssl_bench.cli.options import Cache, Quiet, Root, Settings
from ssl_bench.pretrain.signals import shutdown_with


@shutdown_with(lambda: "stopped; features computed so far are kept; continue with the same command")
def embed(
    ctx: typer.Context,
    encoders: Annotated[
        list[str],
        typer.Argument(
            help="NAME=PATH, one or more, such as rad-dino=DIR or hf=DIR.", autocompletion=names_of("encoder")
        ),
    ],
    data: Annotated[str, typer.Option(help="Dataset; see sslbench plugins.", autocompletion=names_of("dataset"))],
    out: Annotated[Path, typer.Option(help="Folder of the features; kept ones are used again.")],
    root: Root = None,
    settings: Settings = None,
    cache: Cache = None,
    workers: Annotated[int, typer.Option(help="Threads that decode, 0 for one a core.")] = 0,
    tokens: Annotated[bool, typer.Option("--tokens", help="Keep the token maps too, in float16.")] = False,
    half: Annotated[bool, typer.Option("--half", help="bfloat16, where features agree to 1e-3 in cosine.")] = False,
    quiet: Quiet = False,
) -> None:
    """Embed all images of a dataset by one or more encoders; sslbench probe reads the folder."""
    from ssl_bench.cli.options import cache_folder
    from ssl_bench.config.config import BackboneConfig
    from ssl_bench.errors import UsageError
    from ssl_bench.evaluate.feature_folder import write_features
    from ssl_bench.evaluate.feature_state import Wanted
    from ssl_bench.plan.cohorts import read_cohort
    from ssl_bench.plan.encoders import load_encoder
    from ssl_bench.plugin.registry import discover
    from ssl_bench.report.preparing import Preparing
    from ssl_bench.results.encoder_card import encoder_card

    config, dataset = configured(ctx, data, root, None, settings)
    registry, wanted = discover(), list[Wanted]()
    for text in encoders:
        chosen = BackboneConfig.model_validate({"encoder": text})
        assert chosen.encoder is not None
        name = chosen.encoder.name
        if name in [item.name for item in wanted]:
            raise UsageError(
                f"encoder '{name}' is given twice, and features are kept by its name; use two --out folders"
            )
        network = load_encoder(chosen, registry)
        card = encoder_card(chosen.encoder, network, registry.get("encoder", name))
        wanted.append(Wanted(name, network, card.as_json()))
    cohort = read_cohort(config, dataset, cache_folder(cache))
    with Preparing(len(cohort), max(item.network.image_size for item in wanted)) as preparing:
        found = write_features(
            out, cohort, wanted, pixel_limit=config.data.pixel_limit, workers=workers, tokens=tokens, half=half,
            progress=preparing.advance,
        )  # fmt: skip
    for name, count in found.items():
        print(f"{name}: {count:,} of {len(cohort):,} images embedded now; {out / name}.npy")
    print(f"next: sslbench probe {out}")
