"""gRPC over httpunk's HTTP/2: everything between its requests and the adapter. The only room that imports it."""
