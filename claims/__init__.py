"""The claims about LayerNorm and BatchNorm, each with the experiment that decides it: `soloist claims`."""
