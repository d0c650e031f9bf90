"""The stages of the pipeline, in groups; each is a module with ``run(settings, …) -> StageResult``.

A stage is idempotent: it compares the fingerprint of its inputs, code and settings with the one that it left in
the state zone (`etholake.stages.state`), and returns `unchanged` with the reason if there is nothing to do.
"""
