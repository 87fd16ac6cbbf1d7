"""What `grade.py` is made of.

`intake` reads what students hand in and mends it, `one` grades one student with nbgrader, `report`
writes what the teacher reads. A notebook runs in a `sandbox`: `launch` starts its kernel within
`walls` and a `cgroup`, `inside` is that kernel, `watch` stops a cell that computes or waits too
long or leaves no `room`. `clean` makes safe and short what is then shown.
"""
