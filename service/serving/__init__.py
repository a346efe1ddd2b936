"""The serving of answers: sessions, batches, predictions and their publication."""
