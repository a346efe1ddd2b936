"""The server that is measured: its process, its memory, its pages."""
