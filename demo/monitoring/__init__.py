"""The monitoring demonstration: a shift, how it is seen, and whether re-estimated statistics mend it."""
