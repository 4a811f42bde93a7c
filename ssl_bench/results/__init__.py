"""Results: the run directory and the record that another group can check."""
