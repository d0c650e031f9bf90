"""A toy model family and a toy input encoder."""
