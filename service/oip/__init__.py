"""The Open Inference Protocol: other people's clients, answered by the same engine. Knows no transport."""
