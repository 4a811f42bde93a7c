"""``sslbench plugins``: what is installed, from where, and what is broken."""

from __future__ import annotations

import json
from typing import Any

from ssl_bench.cli.options import AsJson
from ssl_bench.plugin.registry import Registry, discover


def plugins(
    as_json: AsJson = False,
) -> None:
    """List every component with kind, distribution and version, and what is broken with why."""
    registry = discover()
    if as_json:
        print(json.dumps(listing(registry), indent=2))
        return
    rows = [
        (row["kind"], row["name"], f"{row['distribution']} {row['version']}", row["summary"])
        for row in listing(registry)["components"]
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else []
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]))
    for failure in registry.failures:
        names = f" ({', '.join(failure.names)})" if failure.names else ""
        print(f"broken  {failure.source}{names}  {failure.reason}")


def listing(registry: Registry) -> dict[str, list[dict[str, Any]]]:
    """Components and failures as plain values."""
    components = [
        {
            "kind": offer.component.kind,
            "name": offer.component.name,
            "distribution": offer.source.distribution,
            "version": offer.source.version,
            "summary": offer.component.summary,
        }
        for offer in registry.offers()
    ]
    broken = [
        {"plugin": str(failure.source), "names": list(failure.names), "reason": failure.reason}
        for failure in registry.failures
    ]
    return {"components": components, "broken": broken}
