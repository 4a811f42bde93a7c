"""What people look at: terminal, plots, reports."""
