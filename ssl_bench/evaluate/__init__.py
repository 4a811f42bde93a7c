"""Evaluation: embeddings, probes, metrics, resampling, comparisons."""
