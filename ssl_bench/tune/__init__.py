"""Equal tuning budgets: a search space, trials, a rule that selects, and fresh seeds with what was chosen.

It hands on ``tune.json`` and runs of :mod:`ssl_bench.sweep`; planning a tune imports no torch.
"""
