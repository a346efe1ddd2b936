"""How a folder becomes a servable: manifest or configuration, warm-up and certificate check."""
