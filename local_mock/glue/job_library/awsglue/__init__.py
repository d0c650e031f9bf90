"""`awsglue` of local_mock: dynamic frames over Spark's data frames, the catalog, S3, and job bookmarks.

A dynamic frame is a data frame here: it has one schema and no choice types. Whatever is not here, and whatever
would give other values than on Glue, raises NotImplementedError with a sentence.
"""
