"""The built-in launchers of sweeps. A new launcher is one entry here."""

from __future__ import annotations

from collections.abc import Iterable

from ssl_bench import Component, LauncherSpec, hookimpl


@hookimpl
def sslbench_components() -> Iterable[Component]:
    """The built-in launchers."""
    return [
        LauncherSpec(name="local", target="sslbench_launchers.local:Local",
                     summary="runs on this machine, one for each GPU or as many as --jobs says"),
        LauncherSpec(name="slurm", target="sslbench_launchers.slurm:Slurm",
                     options="sslbench_launchers.options:SlurmOptions", requires={"submitit": "submitit>=1.5"},
                     summary="jobs of a Slurm cluster through submitit; preempted ones continue from their checkpoint"),
    ]  # fmt: skip
