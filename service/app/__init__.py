"""The running server: settings, assembly, life cycle, logging and the HTTP port."""
