"""The suite from Python: what the commands do, as functions and objects for notebooks and scripts.

Hands on ``run``, ``load_run``, ``compare``, ``score`` and ``leaderboard``; torch is loaded when one needs it.
"""

from __future__ import annotations

from ssl_bench.api.boards import Leaderboard, leaderboard
from ssl_bench.api.comparing import Comparison, compare
from ssl_bench.api.running import run
from ssl_bench.api.runs import Run, load_run
from ssl_bench.api.scoring import Score, score

__all__ = ["Comparison", "Leaderboard", "Run", "Score", "compare", "leaderboard", "load_run", "run", "score"]
