"""From a plan to what is trained: encoders, weights, modules, prepared images, and what they will cost.

Hands on a ``Method`` with its encoder, and the prepared data, to the training.
"""
