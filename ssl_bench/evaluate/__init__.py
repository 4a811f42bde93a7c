"""Evaluation of encoders: embeddings, probes, protocols, and a finished run evaluated again.

Hands on predictions, and the rows that a record keeps of them.
"""
