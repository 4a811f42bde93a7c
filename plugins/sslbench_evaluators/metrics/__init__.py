"""The built-in metrics, each a function of one finding's weighted images."""
