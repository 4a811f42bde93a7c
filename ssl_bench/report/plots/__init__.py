"""The pictures of a report, one file per family."""
