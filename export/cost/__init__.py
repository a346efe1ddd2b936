"""What the promise costs: strict form against the naive export, batching with it against batching without it."""
