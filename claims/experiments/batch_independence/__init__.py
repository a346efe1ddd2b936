"""What an answer depends on beside its own frames: claims 5, 13 and 16."""

from claims.experiments.batch_independence import length, mates, modes

CLAIMS = (mates.CLAIM, modes.CLAIM, length.CLAIM)
