"""The page of one video: its poses, its events, annotated above predicted. Pure: the stage `video` asks Athena.

`events` compares annotation and prediction, `slices` packs the poses, `skeleton` says which parts are joined,
`page` makes the HTML of `../web/video`, `server` serves it on loopback.
"""
