"""Demand with a story: held-out data sent at a rate, shifted on schedule, its labels reported when they are due."""
