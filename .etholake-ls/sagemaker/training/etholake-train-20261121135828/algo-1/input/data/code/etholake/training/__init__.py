"""Training: folds and splits, data from the curated zone, augmentations, the loop, ensembles. Entry points:
`etholake.training.fit.fit` for one model, `etholake.training.cross.fit_ensemble` for several.
"""

import etholake.models  # noqa: F401 - sets how torch's threads wait, which must come before torch is imported
