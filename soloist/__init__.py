"""The client, the command line and the generated stubs: what another program imports."""
