"""Hostile input for a server of its own: bytes that are no messages, messages that lie, streams in any order.

Every input is drawn from a seed and its number, and kept whole when it does harm, so that it can be sent again.
"""
