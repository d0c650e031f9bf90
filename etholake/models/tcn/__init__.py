"""The family `tcn`: dilated convolutions over hand-made features, at a few steps a second."""
