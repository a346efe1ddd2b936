"""The running server: settings, assembly, lifecycle, logging and the HTTP port."""
