"""TLS of a running server: certificates that are renewed under open streams, and callers that speak it badly."""
