"""Measurements: load tests, gates, comparisons. What is measured is asked through public interfaces only."""
