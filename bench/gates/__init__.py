"""The gates of a transport: what it has to do before it may carry calls, each tried against a server of its own."""
