"""What is written of the claims: claims.json, and a page for people in either language."""
