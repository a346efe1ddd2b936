"""The store of sequences that several servers share: what it has to do, and where it is kept."""
