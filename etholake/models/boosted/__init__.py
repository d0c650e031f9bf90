"""The family `boosted`: gradient-boosted trees on rolling features."""
