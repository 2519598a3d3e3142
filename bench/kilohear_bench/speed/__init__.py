"""Speed: what kilohear costs on this computer, beside others and beside its goals, in four parts.

`logmel`, `label`, `listening` and `start` measure one part each, `part` holds a part's results,
`report` and `figure` show them.
"""
