"""Writes the JSON of `dashboards/quicksight`: ``python -m dashboards.authoring``.

A QuickSight definition of nine sheets is six thousand lines. They are written from a few short modules here and
committed; a test compares. `fields`, `visuals` and `sheets` know QuickSight's shapes; `data_sets`, `lake`,
`behaviour` and `model` say what is shown. Nothing else in the project reads these modules.
"""
