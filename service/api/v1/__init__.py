"""The handlers of Soloist's own API, soloist.v1."""
