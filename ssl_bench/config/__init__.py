"""What a run is asked for: presets, files and flags as one frozen configuration. No torch.

Hands on a ``RunConfig`` to the plan.
"""
