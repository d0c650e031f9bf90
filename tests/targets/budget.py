"""Estimate the cost of the functional tests on AWS; above a limit they are refused beforehand."""

from __future__ import annotations

from collections.abc import Mapping

# On-demand prices in USD, us-east-1, as of 2025-11: the services' pricing pages on aws.amazon.com.
DPU_HOUR, ML_M5_LARGE_HOUR, ATHENA_TB, S3_1000_PUTS = 0.44, 0.115, 5.0, 0.005
LIMIT_USD = 2.0


def estimate() -> dict[str, float]:
    """USD by service, an upper estimate of one run of the functional tests (small simulated lake, smoke model)."""
    return {
        "glue": 5 * 10 * (10 / 60) * DPU_HOUR + 2 * (10 / 60) * DPU_HOUR,  # five runs of 10 DPU, 10 min; a crawl
        "sagemaker": (0.5 + 0.5 + 0.75) * ML_M5_LARGE_HOUR,  # training, transform, the endpoint until teardown
        "athena": 100 * 10e6 / 1e12 * ATHENA_TB,  # a query is billed 10 MB at least
        "s3": 5 * S3_1000_PUTS,
    }


def allowed(environ: Mapping[str, str]) -> tuple[bool, str]:
    """(may the tests run on AWS, the sentence that says why)."""
    if environ.get("CI"):
        return False, "CI never runs tests on AWS."
    if environ.get("ETHOLAKE_TEST_AWS") != "1" or not environ.get("ETHOLAKE_TEST_AWS_BUCKET"):
        return False, "Tests on AWS cost money: set ETHOLAKE_TEST_AWS=1 and ETHOLAKE_TEST_AWS_BUCKET=<a new name>."
    limit, cost = float(environ.get("ETHOLAKE_TEST_AWS_USD", LIMIT_USD)), estimate()
    total = sum(cost.values())
    parts = ", ".join(f"{service} {usd:.2f}" for service, usd in cost.items())
    reason = (
        f"Estimated cost on AWS: {total:.2f} USD ({parts}); the limit is {limit:.2f} USD (ETHOLAKE_TEST_AWS_USD)."
    )
    return total <= limit, reason
