"""What `grade.py` is made of.

`files` finds out whose files are whose, `unpack` reads notebooks from them, `intake` chooses and
mends one, `sandbox` starts a kernel within walls, `watch` stops a cell that computes or waits too
long, `untouched` and `pristine` run the tests as they stand, `one` grades one student with
nbgrader, whose part is in `gradebook`, `run` grades many at a time, `records` is what is remembered
of them, and `report` writes what the teacher reads.
"""
