"""QuickSight definitions (`quicksight/`), what checks and publishes them, and their rendering to a web page.

The JSON in `quicksight/` is the one specification; `authoring/` writes it, everything else reads it.
"""
