"""Options of the built-in launchers; no heavy import."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ssl_bench.plugin.options import Options


class SlurmOptions(Options):
    """What a job asks Slurm for. Processes, machines and GPUs follow from each run's configuration."""

    partition: str = Field("", description="partition, the cluster's default if empty")
    account: str = Field("", description="account, the user's default if empty")
    qos: str = Field("", description="quality of service, the default if empty")
    minutes: int = Field(24 * 60, ge=1, description="time limit of a job; a run that needs more is queued again")
    save_seconds: int = Field(90, ge=1, le=65535, description="seconds before the limit at which a run saves itself")
    cpus: int = Field(8, ge=1, description="cores of each process")
    memory_gb: float = Field(0, ge=0, description="memory of a machine in GB, 0 for the cluster's default")
    setup: tuple[str, ...] = Field((), description="shell commands before the run, such as module load")
    more: dict[str, Any] = Field(default_factory=dict, description="further sbatch options by their long names")
