"""Training of models of any family: folds, windows, augmentations, the loop for networks, fine-tuning.

`etholake.training.fit.fit` trains one model, `etholake.training.cross.fit_folds` several.
"""

import etholake.models  # noqa: F401 - sets how torch's threads wait, which must come before torch is imported
