"""LocalStack 4.12 as a process of this machine (no Docker): the S3 and STS of target `localstack`.

It lives in an environment of its own (`.localstack/venv`, frozen by `requirements.lock`; its dependencies clash
with ours). `host` starts and stops it; `local_mock.localstack` works around its faults.
"""
