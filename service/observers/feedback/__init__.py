"""The feedback on answers: a log of them, labels that come later, and the resulting accuracy."""
