"""Model what it costs to curate and keep a lake on AWS, by hours of video, from measured rates.

python docs/cost.py [--rate ROWS_PER_CORE_SECOND] [--hours 400 100000] [--workers N]

Prices are those of infra/prices.json, without free tiers and discounts. Not in it: transfer, KMS, CloudWatch,
SageMaker. What a run of yours would have cost: `make cost`.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

# Measured: benchmarks/README.md (rate), and the simulated labs' files (bytes a row, raw and curated).
ROWS_PER_CORE_SECOND = 2_170_000
RAW_BYTES, CURATED_BYTES = 8.6, 24.0
# The labs of MABe 2025: 196.6 h in 862 videos; most have 2 mice, 7 parts, 30 frames/s.
ROWS_PER_HOUR, VIDEOS_PER_HOUR = 30 * 3600 * 2 * 7, 862 / 196.6
# Glue: a G.1X worker is 1 DPU of 4 vCPU (2 cores with hyper-threading), one of them is the driver.
CORES_PER_WORKER, START_S = 2, 60
PRICES = json.loads((Path(__file__).resolve().parents[1] / "infra" / "prices.json").read_text(encoding="utf-8"))
DPU_HOUR, ATHENA_TB = PRICES["glue"]["dpu_hour"], PRICES["athena"]["tb_scanned"]
S3_GB_MONTH, PUT_1000, GET_1000 = (PRICES["s3"][name] for name in ("gb_month", "put_1000", "get_1000"))
LIST_PAGE_S, DRIVER_BYTES_PER_FILE = 0.1, 6_000


@dataclass(frozen=True)
class Cost:
    """One line of the table."""

    hours: float
    rows: float
    videos: float
    job_s: float
    job_usd: float
    requests_usd: float
    storage_usd_month: float
    full_scan_usd: float
    list_s: float
    driver_gb: float


def cost(hours: float, rate: float, workers: int) -> Cost:
    """Return the model's figures. `rate`: rows per core-second; `workers`: G.1X, the driver among them."""
    rows, videos = hours * ROWS_PER_HOUR, hours * VIDEOS_PER_HOUR
    seconds = START_S + rows / rate / (CORES_PER_WORKER * (workers - 1))
    files = max(videos, rows * RAW_BYTES / (32 * 2**20)) / 4  # a curated file holds several videos
    return Cost(
        hours, rows, videos, seconds, workers * max(seconds, 60) / 3600 * DPU_HOUR,
        (videos * GET_1000 + 2 * files * PUT_1000) / 1000,
        rows * (RAW_BYTES + CURATED_BYTES) / 1e9 * S3_GB_MONTH, rows * CURATED_BYTES / 1e12 * ATHENA_TB,
        math.ceil(videos / 1000) * LIST_PAGE_S, videos * DRIVER_BYTES_PER_FILE / 1e9,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rate", type=float, default=ROWS_PER_CORE_SECOND, help="rows per core-second")
    parser.add_argument("--hours", type=float, nargs="+", default=[400, 100_000], help="hours of video")
    parser.add_argument("--workers", type=int, nargs="+", default=[3, 10, 50], help="G.1X workers")
    given = parser.parse_args()
    print(
        "| hours | rows | videos | workers | job | Glue | requests | S3 a month | scan of all | listing | driver |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for hours in given.hours:
        for workers in given.workers:
            c = cost(hours, given.rate, workers)
            print(
                f"| {c.hours:,.0f} | {c.rows / 1e9:,.1f} G | {c.videos:,.0f} | {workers} | {c.job_s / 60:.0f} min "
                f"| ${c.job_usd:,.2f} | ${c.requests_usd:,.2f} | ${c.storage_usd_month:,.2f} "
                f"| ${c.full_scan_usd:,.2f} | {c.list_s:,.0f} s | {c.driver_gb:,.2f} GB |"
            )


if __name__ == "__main__":
    main()
