"""The folder that a Glue job has on its path: `awsglue` as local_mock gives it, over Spark's own data frames.

AWS's package of that name needs AWS's jars, which are not published; a job of local_mock imports this one instead.
It uses nothing of local_mock, only pyspark and boto3, as the job does.
"""
