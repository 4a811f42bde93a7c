"""Flags that several layouts declare for their options."""

from __future__ import annotations

from ssl_bench import Flag

VIEWS = Flag(option="views", help="Views to keep, where the dataset lets choose; all: each.")
LABEL_SOURCE = Flag(option="label_source", help="Labeller, where the dataset has several.")
COLUMNS = Flag(option="columns", help="Column map of the dataset table, a YAML file.", path=True)

_EHR = "Electronic health records (EHR)"
EHR = (
    Flag(option="ehr_root", help="Folder of MIMIC-IV, if it is not below --root.", path=True, panel=_EHR),
    Flag(option="ehr_join", help="Stays hold the second of a study, or its day.", panel=_EHR),
)
