"""Answers: sessions, batches, predictions and their publication."""
