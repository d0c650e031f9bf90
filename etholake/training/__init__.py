"""Training: held-out split, data from the curated zone, the loop. Entry point: `etholake.training.fit.fit`."""
