"""Writes the QuickSight definitions: the one specification of the dashboards.

A QuickSight definition of nine sheets is six thousand lines of JSON. `etholake.pages.dashboards.definitions.load`
makes them in memory from the short modules here. `fields`, `visuals` and `sheets` hold QuickSight's shapes;
`data_sets`, `lake`, `behaviour` and `model` say what is shown. ``python -m dashboards`` writes the JSON files.
"""
