"""Notebooks for exploration: `athena_eda.ipynb` (SQL through PyAthena and awswrangler) and `eda.ipynb` (the lake).

They are kept without outputs; `make notebooks` executes them against the lake of the settings
(`dashboards.export_notebooks`). `toolbox.py` is what their cells share.
"""
