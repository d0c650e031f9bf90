"""The family `cnn_transformer`: a network of dilated convolutions and a transformer."""
