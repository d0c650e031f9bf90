"""Where an animal is in a frame: one module a source of boxes, all behind `BoxSource`."""
