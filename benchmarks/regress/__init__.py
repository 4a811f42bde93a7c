"""The gate against regressions: ``python -m benchmarks.regress [BASE]`` compares the working tree with a commit."""
