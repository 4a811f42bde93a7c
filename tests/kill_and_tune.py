"""Kill a tune again and again, start it each time, and compare its trials and winners with those of one left alone.

Usage: ``python tests/kill_and_tune.py --kills 20``. Exit code 0: every ``tune.json`` is equal, but for the
hours that runs took. Tune and runs are forked from a process that has everything imported, so that a kill hits them and
not their start-up. The runs play: each waits a moment and leaves the record that a training with its settings would
leave (``kill_and_sweep.py`` kills real ones); one rate in four collapses. A run dies with its tune.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import tempfile
import time
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from kill_and_sweep import FORK, Forks

METHODS = ("simclr", "pixels")
MOMENT = 0.05
"""Seconds that a run takes."""


class Plays(Forks):
    """A launcher that forks runs that play."""

    def process(self, job: Any) -> BaseProcess:
        """A run that is still to be started."""
        return FORK.Process(target=play, args=(job,))


def play(job: Any) -> None:
    """What a forked run does."""
    import yaml

    from ssl_bench.files import die_with_parent, write_json, write_text

    die_with_parent()
    time.sleep(MOMENT)
    config = yaml.safe_load(Path(job.start[job.start.index("--config") + 1]).read_text())
    value, method = reached(config), config["method"]["name"]
    if value is None:
        job.log.write_text(f"{job.log.read_text()}sslbench: error: features collapsed\n")
        raise SystemExit(5)
    job.run.mkdir(parents=True, exist_ok=True)
    write_text(job.run / "config.yaml", "{}")
    row = {"encoder": "pixels" if method == "pixels" else "trained", "dataset": "synthetic", "label": "macro",
           "split": "validate" if config["evaluate"]["withhold"] else "test", "metric": "auroc", "subgroup": "all",
           "protocol": config["evaluate"]["protocols"][0], "fraction": 1.0, "value": value, "note": ""}  # fmt: skip
    record = {"schema": 1, "method": method, "metrics": [row], "data": {"name": "synthetic"}, "config": config,
              "seconds": {"total": MOMENT}, "cost": {"flops": 1.0}}  # fmt: skip
    write_json(job.run / "record.json", record)


def reached(config: Mapping[str, Any]) -> float | None:
    """What a run with these settings reaches; None: it collapses."""
    rate, size = config["pretrain"]["lr"], config["method"].get("size", 16)
    rate = 1e-3 if rate == "auto" else rate
    if config["method"]["name"] == "simclr" and int(rate * 1e7) % 4 == 1:
        return None
    return 0.8 - 0.1 * math.log10(rate / 3e-3) ** 2 - 0.01 * abs(size - 20) + 0.001 * config["seed"] / 1000


def tune(folder: Path, cache: Path, sampler: Any) -> None:
    """What a forked tune does, from its first trial to its result."""
    from ssl_bench.files import write_json
    from ssl_bench.plugin.registry import discover
    from ssl_bench.tune.asked import budget_of
    from ssl_bench.tune.result import result
    from ssl_bench.tune.rules import rule_of
    from ssl_bench.tune.run import Tune, held
    from ssl_bench.tune.studies import Asked, studies_of

    registry = discover()
    asked = Asked(METHODS, {"preset": "smoke", "evaluate": {"protocols": "knn"}}, budget_of(None, 8), 2, sampler,
                  "none", rule_of("validation", ()))  # fmt: skip
    with held(folder):
        running = Tune(asked, studies_of(asked, registry), folder, Plays, registry, cache, lambda states: None,
                       pause=0.02)  # fmt: skip
        running.search()
        running.evaluate()
        write_json(folder / "tune.json", json.loads(json.dumps(result(running))))


def finish(folder: Path, cache: Path, sampler: str) -> float:
    """Let a tune end; its seconds."""
    began, process = time.monotonic(), FORK.Process(target=tune, args=(folder, cache, sampler))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"the tune in {folder} failed with {process.exitcode}")
    return time.monotonic() - began


def killed(folder: Path, cache: Path, sampler: str, after: float) -> bool:
    """Start a tune and SIGKILL it after some seconds; False if it had ended before."""
    from ssl_bench.files import locked
    from ssl_bench.tune.run import private_folder

    process = FORK.Process(target=tune, args=(folder, cache, sampler))
    process.start()
    process.join(after)
    alive = process.is_alive()
    process.kill()
    process.join()
    # Forked runs have inherited the lock, unlike those of a launcher, and let it go as soon as they have died, too.
    private_folder(folder).mkdir(parents=True, exist_ok=True)
    with locked(private_folder(folder) / "lock", f"tune {folder}", wait=True):
        return alive


def contents(folder: Path) -> Any:
    """The result without the hours."""
    found = json.loads((folder / "tune.json").read_text())
    for study in found["studies"]:
        for trial in study["trials"]:
            del trial["hours"]
    return found


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sampler", default="sobol")
    arguments = parser.parse_args()
    preload()
    drawn = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as home:
        base, sampler = Path(home), arguments.sampler
        cache = base / "cache"
        seconds = finish(base / "alone", cache, sampler)
        expected = contents(base / "alone")
        check_worth(expected)
        kills, tunes, folder = 0, 0, base / "killed-0"
        while kills < arguments.kills:
            kills += killed(folder, cache, sampler, drawn.uniform(0.1, 0.7) * seconds)
            if (folder / "tune.json").is_file():
                tunes, folder = tunes + compare(folder, expected), base / f"killed-{tunes + 1}"
        finish(folder, cache, sampler)
        tunes += compare(folder, expected)
    print(f"{kills} kills, {tunes} tunes finished, the same trials and the same winners")


def check_worth(expected: Any) -> None:
    """The comparison is of something: trials that ended well, and some that failed."""
    states = [trial["state"] for study in expected["studies"] for trial in study["trials"]]
    if len(states) != 16 or not {"done", "failed"} <= set(states):
        raise SystemExit(f"expected 16 trials, some of them failed; found {states}")


def compare(folder: Path, expected: Any) -> int:
    """1 where the tune ended as the one that was left alone did; ends the program where not."""
    if (found := contents(folder)) != expected:
        raise SystemExit(f"{folder} differs: {json.dumps(found, indent=1)} instead of {json.dumps(expected, indent=1)}")
    return 1


def preload() -> None:
    """Import what tunes use, on one thread, because a fork takes no other thread with it."""
    for module in ("optuna", "scipy.stats", "yaml", "ssl_bench.tune.result", "ssl_bench.tune.points"):
        __import__(module)
    from ssl_bench.tune.points import fixed_points

    fixed_points({"a": 0.5}, 2, "sobol", 0)


if __name__ == "__main__":
    main()
