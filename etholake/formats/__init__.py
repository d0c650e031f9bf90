"""Other tools' files: one module a tool, pose under `pose/`, labels under `labels/`, all found through `registry`.

`base` has what a reader returns, `registry` the list of formats. Readers know nothing of the raw layout; `layout`
is the only writer of it.
"""
