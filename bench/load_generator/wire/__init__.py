"""Calls as bytes: what each service is asked and answers, and the libraries that carry it."""
