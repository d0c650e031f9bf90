"""AWS that executes, on one machine: S3 as plain files, Glue jobs, Athena queries, SageMaker jobs that really run.

Built on moto's server. Each service is a package of its own with `EXECUTES` (the operations that really
do something) and `install(context)` (puts it into moto before the first request). `COVERAGE.md` lists, per
operation, *executes / state only / absent*. Start it with ``python -m local_mock`` or `lifecycle.up`.
"""
