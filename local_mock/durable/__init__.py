"""The state of the services in one SQLite file: a change that was acknowledged is there after a restart.

`graph` turns objects into JSON and back, `state` decides what is kept, when, and brings it back. It lies beside
the buckets (below `s3_root`), so that both go or stay together; where S3 is elsewhere (LocalStack, which forgets
all when it stops) nothing is kept.
"""
