"""Etholake: pose tracks of many labs as a lakehouse, and a behaviour recogniser fed by it.

Importing this package needs the standard library only; numpy, pyarrow, torch, pyspark and boto3 are
imported by the modules that use them.
"""

__version__ = "0.1.0"
