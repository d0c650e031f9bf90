"""Parts that the families of video models share: image and clip backbones, pose features, temporal layers."""
