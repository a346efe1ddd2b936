"""The reference pages of docs/reference, made from the declarations that the server runs on."""
