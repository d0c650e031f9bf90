"""The desk: one page that runs the verbs of the command line, for people who do not type."""
