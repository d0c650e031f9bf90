"""Pixels in the lake: decode, boxes, crops, clip windows, shards, overlays. PyAV is in extra `formats`."""
