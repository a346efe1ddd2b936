"""`soloist bench`: a load is sent, measured and shown."""
