"""The CNN-BiLSTM: convolutions for motion, a bidirectional LSTM for order, attention over the window.

Shape letters: B batch, T frames at 30 Hz, S steps (frames that pooling leaves), F features, H width behind the
LSTM, C classes (actions), L labs (0 is "unknown").
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from etholake.models.layers import BatchNorm

__all__ = ["CnnLstm"]


class CnnLstm(nn.Module):
    """features [B, T, F] → logits: [B, T, C] of the head `dense`, [B, T, C + 1] of the head `window`.

    The embedding of the lab, which starts at zero, is all that it has beyond the published network: labs annotate
    the same action differently. The head `window` gives every frame of a window the same values: the log odds of a
    softmax over the labeled actions and, in the last column, "other".

    Parameters
    ----------
    features, classes, labs
        F, C, and L (with the unknown lab, index 0).
    head
        ``dense`` or ``window``.
    channels, kernels, pooled
        Of the convolutions; the first `pooled` of them halve the frames.
    hidden, layers
        Of the LSTM, each way.
    widths
        Of the layers between H and C.
    dropout
        Behind the LSTM and in the head.
    """

    def __init__(
        self,
        *,
        features: int,
        classes: int,
        labs: int,
        head: str,
        channels: Sequence[int],
        kernels: Sequence[int],
        pooled: int,
        hidden: int,
        layers: int,
        widths: Sequence[int],
        dropout: float,
    ) -> None:
        super().__init__()
        convolutions: list[nn.Module] = []
        for i, ((before, after), kernel) in enumerate(zip(pairwise([features, *channels]), kernels, strict=True)):
            convolutions += [nn.Conv1d(before, after, kernel, padding=kernel // 2), BatchNorm(after), nn.ReLU()]
            if i < pooled:
                convolutions.append(nn.MaxPool1d(2, ceil_mode=True))
        self.convs = nn.Sequential(*convolutions)
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(channels[-1], hidden, layers, batch_first=True, bidirectional=True, dropout=between)
        self.attend = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1))
        self.lab = nn.Embedding(labs, 2 * hidden)
        nn.init.zeros_(self.lab.weight)
        self.drop = nn.Dropout(dropout)
        self.body = nn.Sequential(
            *(layer for before, after in pairwise([2 * hidden, *widths])
              for layer in (nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)))
        )  # fmt: skip
        self.head = nn.Linear(widths[-1], classes)
        self.other = nn.Linear(widths[-1], 1) if head == "window" else None

    def forward(self, x_BTF: Tensor, lab_B: Tensor, labeled_BC: Tensor) -> Tensor:
        """Return the logits of scaled features, given the lab's index and the labeled actions (1 or 0)."""
        T = x_BTF.shape[1]
        x_BSH = self._steps(x_BTF)
        context_BH = (self._attention(x_BSH)[..., None] * x_BSH).sum(dim=1) + self.lab(lab_B)
        if self.other is not None:
            h_BH = self.body(self.drop(context_BH))
            logits_BC = self.head(h_BH).masked_fill(labeled_BC == 0, -torch.inf)
            return _log_odds(torch.cat([logits_BC, self.other(h_BH)], dim=-1))[:, None].expand(-1, T, -1)
        x_BTH = interpolate(x_BSH.transpose(1, 2), size=T, mode="linear").transpose(1, 2)
        return self.head(self.body(self.drop(x_BTH + context_BH[:, None])))

    def attention(self, x_BTF: Tensor) -> Tensor:
        """Return the attention [B, T] to every frame: 0 and above, with the sum 1 over the window."""
        weights_BS = self._attention(self._steps(x_BTF))
        weights_BT = interpolate(weights_BS[:, None], size=x_BTF.shape[1], mode="linear")[:, 0]
        return weights_BT / weights_BT.sum(dim=1, keepdim=True)

    def _steps(self, x_BTF: Tensor) -> Tensor:
        x_BSH, _ = self.lstm(self.convs(x_BTF.transpose(1, 2)).transpose(1, 2))
        return x_BSH

    def _attention(self, x_BSH: Tensor) -> Tensor:
        return self.attend(x_BSH)[..., 0].softmax(dim=1)


def _log_odds(logits_BC: Tensor) -> Tensor:
    """Return log(p / (1 - p)) of the softmax p of logits; -inf stays so. The sigmoid of it is p again."""
    C = logits_BC.shape[-1]
    others_BCC = logits_BC[:, None].masked_fill(
        torch.eye(C, dtype=torch.bool, device=logits_BC.device), -torch.inf
    )
    return logits_BC - others_BCC.logsumexp(dim=-1)
