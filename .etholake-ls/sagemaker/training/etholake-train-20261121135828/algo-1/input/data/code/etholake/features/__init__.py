"""What the recogniser sees: clips of unified body parts on one clock, and features of (agent, target) pairs."""
