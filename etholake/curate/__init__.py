"""Curate the raw rows of many labs into the tables of the contract. Pure: Arrow in, Arrow out, no Spark.

`rules` names every data-quality rule; `tracking`, `metadata`, `annotations`, `statistics` make the tables of
one video or lab; `report` keeps the balance of rows; `plan` and `work` are what the Glue jobs distribute.
"""
