"""The probe: a second graph beside a model, by which a server sees what enters its normalisers."""
