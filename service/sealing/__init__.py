"""The sealing of states that leave this process: only a holder of the key can read or make them."""
