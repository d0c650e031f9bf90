"""The allow-list: every function of Athena that is translated faithfully, by theme."""
