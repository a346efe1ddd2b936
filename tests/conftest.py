"""Fixtures that several rooms of tests share: a small exported repository, and a real server over it."""
