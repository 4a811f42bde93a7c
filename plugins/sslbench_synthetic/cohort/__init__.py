"""The embedded default dataset: procedural chest radiographs in NIH's layout."""
