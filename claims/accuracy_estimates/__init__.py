"""Accuracy before labels: estimators compared on the same shifts, over seeds. `python -m claims.accuracy_estimates`."""
