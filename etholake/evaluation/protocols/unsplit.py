"""Data sets that are published without an official split: their figures have no protocol that could be repeated.

Their files can be imported, and a model can be scored on any split of one's own by `etholake evaluate`; a split
that this library invented would make figures that look comparable and are not. What is said here was written from
memory of the papers; the files themselves were not at hand.
"""

from __future__ import annotations

__all__ = ["UNSPLIT", "why_not"]

_OWN = "Import the data, train, and name your own split beside the score of `etholake evaluate`."

UNSPLIT = {
    "deepethogram": (
        "DeepEthogram (Bohnslav et al. 2021, eLife 10:e63377) divides the videos of each data set at random into "
        "parts for training, validation and test, and reports means over several divisions; lists of the videos "
        "of each part are not published with it"
    ),
    "pair-r24m": (
        "PAIR-R24M (Marshall et al. 2021, NeurIPS Datasets and Benchmarks) publishes poses and categories of "
        "behaviour that were found by clustering; it names no division for the recognition of behaviours"
    ),
    "sbea": (
        "SBeA (Han et al. 2024, Nature Machine Intelligence 6) evaluates identities, and clusters of behaviours "
        "that were found without labels; it publishes no division for the recognition of behaviours"
    ),
}


def why_not(name: str) -> str:
    """Return the sentences that refuse to run a data set of `UNSPLIT` as a benchmark."""
    return f"There is no benchmark '{name}' to repeat: {UNSPLIT[name]}. No split is invented here. {_OWN}"
