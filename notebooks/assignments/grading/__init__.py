"""What `grade.py` is made of.

`intake` reads what students hand in and mends it, `sandbox` starts a kernel within walls, `watch`
stops a cell that computes or waits too long, `one` grades one student with nbgrader, `report`
writes what the teacher reads.
"""
