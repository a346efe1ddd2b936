"""Random histories of a server in virtual time, against a reference that knows every right answer."""
