"""Figures for papers and lab meetings: drawn by matplotlib from tables, in one style.

`style` holds everything that decides their look, `draw` one function a kind of figure, `statistics` the tests of
groups. A drawing knows neither the lake nor Athena; `etholake.stages.reports.figures` reads what it draws.
"""
