"""The review page on loopback: its server. What it answers with comes from `etholake.stages.review`."""
