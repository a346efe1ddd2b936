"""Where the time of a request goes, stage by stage: `python -m bench.request_path`."""
