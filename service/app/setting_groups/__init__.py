"""Every setting of the server, by group: its name, type, bounds, default, and what it does. Units are in the names."""
