"""The review of one video: its bouts, a reviewer's operations on them, and the history of the changes. No I/O.

A change is a list of bouts as they are after it; the log of changes is the table `corrections`. The labels of a
video are the fold of its changes (`history.VideoReview`); nothing is ever overwritten, and undo is a change, too.
"""
