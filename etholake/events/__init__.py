"""Events: from frame-wise probabilities to intervals, to a submission, to the official score.

`types` (Event, PairScores), `metric` (the official score), `intervals` (the arithmetic behind it), `decode`,
`thresholds`, `submission`. Pure numpy: no module of this package imports torch or AWS.
"""
