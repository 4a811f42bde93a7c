"""Statistics of predictions: bootstrap, intervals, tests, gaps between groups, calibration. No torch.

Hands on numbers with their intervals to the record and to comparisons.
"""
