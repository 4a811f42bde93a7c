"""What the environment says of the processes of a training."""

from __future__ import annotations

import pytest

from ssl_bench.ranks import is_first_process, started_outside

NAMES = ("TORCHELASTIC_RUN_ID", "LOCAL_WORLD_SIZE", "WORLD_SIZE", "RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID",
         "SLURM_NTASKS", "SLURM_NNODES")  # fmt: skip
TORCHRUN = {"TORCHELASTIC_RUN_ID": "1", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "4", "RANK": "2", "LOCAL_RANK": "0"}

CASES = [
    ({}, None, True),
    ({"LOCAL_RANK": "1", "WORLD_SIZE": "2"}, None, False),
    ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, None, False),
    (TORCHRUN, (2, 2), False),
    ({**TORCHRUN, "RANK": "0"}, (2, 2), True),
    ({**TORCHRUN, "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1", "RANK": "0"}, None, True),
    ({"SLURM_PROCID": "3", "SLURM_NTASKS": "8", "SLURM_NNODES": "2"}, (4, 2), False),
    ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, None, True),
]


@pytest.mark.parametrize(("environment", "outside", "first"), CASES)
def test_who_started_how_many_and_who_speaks(
    environment: dict[str, str], outside: tuple[int, int] | None, first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert started_outside() == outside
    assert is_first_process() == first
