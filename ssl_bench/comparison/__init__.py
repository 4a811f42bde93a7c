"""Runs against runs: pairs, arms of a table, contrasts of an ablation, places of a leaderboard.

Reads run directories and hands on rows with their tests to the reports.
"""
