"""Training: held-out split, data from the curated zone, the loop. Entry point: `etholake.training.fit.fit`."""

import etholake.models  # noqa: F401 - sets how torch's threads wait, which must come before torch is imported
