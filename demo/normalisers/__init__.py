"""The headline of the demonstration: what a normaliser reads, and so what an answer depends on."""
