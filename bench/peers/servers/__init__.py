"""The servers that are measured beside Soloist, in environments of their own: they import little of ours."""
