"""Published benchmarks: their official splits and metrics, our figure beside the published ones."""
