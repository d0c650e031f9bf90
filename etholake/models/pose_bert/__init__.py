"""The family `pose_bert`: a BERT-style transformer on key points, which can be pre-trained without labels."""
