"""Pretraining: schedules, optimiser, loop, checkpoints, processes, loggers.

Hands on the trained encoder, and a summary of its training to the record.
"""
