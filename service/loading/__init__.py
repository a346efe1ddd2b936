"""The loading of a folder as a servable: manifest or configuration, warm-up and certificate check."""
