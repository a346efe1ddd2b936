"""`python -m bench`: the same as `soloist bench`."""

from __future__ import annotations

from soloist.cli.bench import bench

if __name__ == "__main__":
    bench(prog_name="python -m bench")
