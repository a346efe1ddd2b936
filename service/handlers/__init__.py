"""Handlers: one plain async function a method, from message to message. They know no transport."""
