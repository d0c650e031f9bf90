"""Write labels into other tools' files: one module a tool, one registry.

What is written can be read again by the label format of the same tool, with the same frames.
"""
