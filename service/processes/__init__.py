"""Several server processes on one port: who starts them, and how they look like one server from outside."""
