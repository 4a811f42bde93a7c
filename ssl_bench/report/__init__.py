"""What people look at: terminal, plots, reports, tables, the leaderboard.

Hands on text, pictures and pages.
"""
