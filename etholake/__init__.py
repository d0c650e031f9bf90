"""Turn pose tracks of many labs into a lakehouse, and train and serve behaviour classifiers on it.

Importing this package needs the standard library only; numpy, pyarrow, torch, pyspark and boto3 are
imported by the modules that use them. `open` and `train` are the Python API for notebooks (`etholake.notebook`).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etholake.notebook import open, train

__all__ = ["__version__", "open", "train"]

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    """Import the API for notebooks when it is asked for. Raises AttributeError for any other name."""
    if name in ("open", "train"):
        import etholake.notebook

        return getattr(etholake.notebook, name)
    raise AttributeError(f"module 'etholake' has no attribute '{name}'")
