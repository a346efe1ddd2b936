"""PyTorch sequence models, their training and their data."""
