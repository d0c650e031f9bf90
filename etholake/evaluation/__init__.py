"""Measures of predictions beyond the official score: bouts, boundaries, confusion, calibration, uncertainty.

`bouts` (event-level F and boundary errors), `confusion`, `probabilities` (average precision, calibration),
`bootstrap` (intervals over videos), `report` (all of it: JSON and tables), `page` (HTML to look at). Pure numpy.
"""
