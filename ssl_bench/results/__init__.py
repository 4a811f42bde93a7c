"""The run directory and the record: what was run on what, and the numbers, so that another group can check them.

Hands on finished runs to comparisons, reports and exports.
"""
