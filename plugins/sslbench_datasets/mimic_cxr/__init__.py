"""MIMIC-CXR-JPG with the EHR of MIMIC-IV."""
