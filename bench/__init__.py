"""Load tests, through public interfaces only."""
