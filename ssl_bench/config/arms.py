"""Arms of an ablation: what each sets in a configuration. No torch."""

from __future__ import annotations

from typing import Any

from ssl_bench.plugin.names import NO_FUSION

NONE, REAL, SHUFFLED = "none", "real", "shuffled"


ARMS: dict[str, dict[str, Any]] = {
    NONE: {"fusion": NO_FUSION, "ehr": {"control": "none"}},
    REAL: {"ehr": {"control": "none"}},
    SHUFFLED: {"ehr": {"control": "shuffled"}},
    "constant": {"ehr": {"control": "constant"}},
    "noise": {"ehr": {"control": "noise"}},
}
"""What each arm sets. All but ``none`` have the same parameters; all share data, weights and crops seed by seed."""
