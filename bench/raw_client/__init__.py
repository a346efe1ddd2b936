"""A client that sends prepared bytes and keeps the bytes that come back, cheap enough to saturate a server."""
