"""`python -m bench.peers`: Soloist beside other servers of the same model, in one run."""
