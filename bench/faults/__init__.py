"""Replicas behind Envoy that are killed, stopped, drained and cut off, under streams that have to go on."""
