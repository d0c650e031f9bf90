"""Name the zones of the lake: prefixes in its bucket."""

RAW_ZONE = "raw-zone"
CURATED_ZONE = "curated-zone"
MODEL_ZONE = "model-zone"  # training artefacts, endpoint requests, batch outputs
CLIP_ZONE = "clip-zone"  # shards of clip windows; the table `clips` says which of them count
CODE_ZONE = "code-zone"  # what `make package` builds, as deployed
STATE_ZONE = "state-zone"  # fingerprints and reports of the stages
QUALITY_POINTER = f"{STATE_ZONE}/quality/latest.json"  # where the latest data-quality report lies
RESULTS_ZONE = "query-results"  # Athena's own output
