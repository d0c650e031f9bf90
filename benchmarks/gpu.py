"""Measure training on an accelerator: frames/s, model-FLOP utilisation, memory, and what the loop adds to a step.

.venv/bin/python benchmarks/gpu.py [--quick] [--json] [--seconds 60] [--peak TFLOPS] [CONFIG ...]

At most 8 minutes: --seconds bounds each configuration, of which there are three by default (`base` of each family
of networks). Everything runs in bfloat16, compiled, at the largest of BATCHES that fits the device. The data are
random, and the sizes are those of 37 actions and 20 labs. --quick, and any run without a GPU: the `smoke`
configurations in float32 on the CPU, which tests the script and measures nothing worth keeping.

  frames/s        windows × frames of a training step (forward, backward, AdamW) over its time
  FLOP/s          counted by torch for forward and backward of one step, over its time (no LSTM is counted)
  utilisation     FLOP/s over --peak (default: 790 TFLOP/s, what an H200 reaches in dense bfloat16)
  loop            time of a step on a batch that lies on the device, over one with a new batch from the CPU
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from figures import Figure, parser, show
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from etholake.features.registry import window_encoder
from etholake.models.family import Sizes
from etholake.models.registry import resolve

BATCHES = (2048, 1024, 512, 256, 128, 64, 32)
CLASSES, LABS = 37, 21
H200_TFLOPS = 790.0
CONFIGS = ("cnn_transformer:base", "cnn_lstm:base", "pose_bert:base")
SMOKE = ("cnn_transformer:smoke", "cnn_lstm:smoke", "pose_bert:smoke")


def main() -> None:
    options = parser(__doc__)
    options.add_argument("configs", nargs="*", help="configurations (default: `base` of every family of networks)")
    options.add_argument("--seconds", type=float, default=60.0, help="for each configuration, at most")
    options.add_argument("--peak", type=float, default=H200_TFLOPS, help="TFLOP/s of the device in bfloat16")
    given = options.parse_args()
    small = given.quick or not torch.cuda.is_available()
    device = torch.device("cpu" if small else "cuda")
    name = "CPU, float32, tiny sizes: a test of the script" if small else torch.cuda.get_device_name()
    print(f"device: {name}; torch {torch.__version__}", file=sys.stderr)
    for config in given.configs or (SMOKE if small else CONFIGS):
        show(_measured(config, device, min(given.seconds, 2.0) if small else given.seconds, given.peak),
             as_json=given.json)  # fmt: skip
        sys.stdout.flush()


def _measured(name: str, device: torch.device, seconds: float, peak: float) -> list[Figure]:
    """Return the figures of a configuration at the largest batch that fits."""
    gpu = device.type == "cuda"
    for batch in BATCHES if gpu else (16,):
        try:
            step = _Step(name, device, batch)
            step(step.resident)  # compiles
            break
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
    else:
        raise SystemExit(f"{name}: no batch of {BATCHES} fits the device.")
    with FlopCounterMode(display=False) as counter:
        step.plain(step.resident)
    flops = counter.get_total_flops()
    resident_s = _seconds(lambda: step(step.resident), seconds / 3, device)
    fresh_s = _seconds(lambda: step(step.fresh()), seconds / 3, device)
    load_s = _seconds(step.fresh, seconds / 6, device)
    figures = [
        Figure(f"{name}: batch", batch, "windows"),
        Figure(f"{name}: parameters", sum(p.numel() for p in step.network.parameters()) / 1e6, "M"),
        Figure(f"{name}: training", batch * step.window / resident_s, "frames/s"),
        Figure(f"{name}: counted", flops / resident_s / 1e12, "TFLOP/s"),
        Figure(f"{name}: loop / resident batch", resident_s / fresh_s, "", "≥ 0.95", resident_s / fresh_s >= 0.95),
        Figure(f"{name}: a batch to the device", load_s * 1e3, "ms"),
    ]
    if gpu:
        used = flops / resident_s / 1e12 / peak
        figures.append(Figure(f"{name}: utilisation", used, "", "≥ 0.4", used >= 0.4))
        figures.append(Figure(f"{name}: memory", torch.cuda.max_memory_allocated() / 2**30, "GiB"))
        torch.cuda.reset_peak_memory_stats()
    return figures


class _Step:
    """One training step of a configuration on random windows."""

    def __init__(self, name: str, device: torch.device, batch: int) -> None:
        family, config = resolve(name)
        features = len(window_encoder(config.encoder).names)
        self.device, self.window = device, config.window
        self.network = family.build(config, Sizes(features, CLASSES, LABS)).to(device)  # type: ignore[attr-defined]
        self.forward: Callable[..., Tensor] = self.network
        if device.type == "cuda":
            self.forward = torch.compile(self.network)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=1e-4, fused=device.type == "cuda")
        pin = device.type == "cuda"
        self.host = [
            torch.randn(batch, self.window, features), torch.randint(LABS, (batch,)), torch.ones(batch, CLASSES),
            torch.rand(batch, self.window, CLASSES).round(),
        ]  # fmt: skip
        self.host = [value.pin_memory() if pin else value for value in self.host]
        self.resident = self.fresh()

    def fresh(self) -> list[Tensor]:
        """Return a batch that was just copied to the device."""
        return [value.to(self.device, non_blocking=True) for value in self.host]

    def __call__(self, batch: list[Tensor]) -> None:
        self._update(self.forward, batch)

    def plain(self, batch: list[Tensor]) -> None:
        """Make the same update without the compiler, whose kernels no counter sees."""
        self._update(self.network, batch)

    def _update(self, forward: Callable[..., Any], batch: list[Tensor]) -> None:
        x_BTF, lab_B, labeled_BC, labels_BTC = batch
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            logits = forward(x_BTF, lab_B, labeled_BC)[..., :CLASSES]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), labels_BTC)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()


def _seconds(work: Callable[[], object], limit: float, device: torch.device) -> float:
    """Return the mean time of `work`, repeated until `limit` seconds are over, at least five times."""
    repeats, began = 0, time.perf_counter()
    while repeats < 5 or time.perf_counter() - began < limit:
        work()
        repeats += 1
        if device.type == "cuda":
            torch.cuda.synchronize()
    return (time.perf_counter() - began) / repeats


if __name__ == "__main__":
    main()
