"""The family `cnn_lstm`: convolutions, a bidirectional LSTM and attention on 48 engineered features."""
