"""The experiments, by subject."""
