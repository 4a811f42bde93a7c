"""Pretraining: schedules, optimiser, loop, checkpoints."""
