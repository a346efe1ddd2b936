"""Stubs generated from protos/soloist/v1: make stubs."""
