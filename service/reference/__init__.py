"""The reference pages of docs/reference, generated from the declarations in the server's code."""
