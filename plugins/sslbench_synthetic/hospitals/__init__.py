"""Synthetic hospitals: writers of virtual patients in the native layouts of MIMIC-CXR with MIMIC-IV, CheXpert and NIH.

One virtual population (:mod:`sslbench_synthetic.cohort`: the same chests, findings and risks as in the embedded
cohort) visits three hospitals that differ in whom they see and in how their machines picture them. Read
:mod:`~sslbench_synthetic.hospitals.profiles` first, then ``population``, ``labels``, ``films``, and a layout.
"""
