"""The data flow: cohort table, label spaces, EHR features, splits, prepared store, views."""
