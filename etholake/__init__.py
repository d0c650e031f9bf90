"""Turn pose tracks of many labs into a lakehouse, and train and serve behaviour classifiers on it.

Importing this package needs the standard library only; numpy, pyarrow, torch, pyspark and boto3 are
imported by the modules that use them.
"""

__version__ = "0.2.0"
