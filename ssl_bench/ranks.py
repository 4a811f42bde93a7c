"""What the environment says of the processes of a training, before torch is imported."""

from __future__ import annotations

import os


def started_outside() -> tuple[int, int] | None:
    """Processes on each machine and machines, where torchrun or srun has started several; None where nobody has."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        here, world = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
        return (here, world // here) if world > 1 else None
    if "SLURM_PROCID" in os.environ and int(os.environ.get("SLURM_NTASKS", 1)) > 1:
        nodes = int(os.environ.get("SLURM_NNODES", 1))
        return int(os.environ["SLURM_NTASKS"]) // nodes, nodes
    return None


def is_first_process() -> bool:
    """Whether this process speaks for the others: the one that the user, torchrun or Slurm started first."""
    if started_outside():
        return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", 0))) == 0
    return int(os.environ.get("LOCAL_RANK", 0)) == 0 and int(os.environ.get("NODE_RANK", 0)) == 0
