"""Input encoders by name. A distribution declares its own in the entry-point group `etholake.encoders`."""

from __future__ import annotations

from etholake.errors import ContractError
from etholake.features.encoder import Encoder, TableEncoder, WindowEncoder
from etholake.plugins import Registry

__all__ = ["ENCODERS", "table_encoder", "window_encoder"]

# To add an encoder to Etholake: a module in this folder, and a line here.
ENCODERS: Registry[Encoder] = Registry(
    "etholake.encoders",
    "input encoder",
    {
        "pair_features": "etholake.features.pair_features:ENCODER",
        "engineered48": "etholake.features.engineered48:ENCODER",
        "engineered48_centred": "etholake.features.engineered48:CENTRED",
        "keypoints": "etholake.features.keypoints:ENCODER",
        "keypoints_3d": "etholake.features.keypoints:ENCODER_3D",
        "frames": "etholake.features.frames:AGENT_FRAMES",
        "joint_frames": "etholake.features.frames:PAIR_FRAMES",
        "paw_frames": "etholake.features.frames:PAW_FRAMES",
        "rolling": "etholake.features.rolling:ENCODER",
        "moment": "etholake.features.rolling:MOMENT",
    },
)


def window_encoder(name: str) -> WindowEncoder:
    """Return an encoder for networks. Raises ContractError if there is none of that name, or it makes tables."""
    encoder = ENCODERS.get(name)
    if not isinstance(encoder, WindowEncoder):
        raise ContractError(f"The input encoder '{name}' makes tables for trees, not windows for networks.")
    return encoder


def table_encoder(name: str) -> TableEncoder:
    """Return an encoder for trees. Raises ContractError if there is none of that name, or it makes windows."""
    encoder = ENCODERS.get(name)
    if not isinstance(encoder, TableEncoder):
        raise ContractError(f"The input encoder '{name}' makes windows for networks, not tables for trees.")
    return encoder
