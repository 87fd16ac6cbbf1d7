"""What `grade.py` is made of.

`files` finds out whose files are whose, `unpack` reads notebooks from them, `intake` chooses and
mends one, `one` grades one student with nbgrader, whose part is in `gradebook`, `run` grades many
at a time, `records` is what is remembered of them, and `report` writes what the teacher reads;
what a student reads is made by `feedback`. `given_out` writes the notebooks for students. What
nbgrader would do alone, `refusal` stops. `warm` is what many processes begin with.
`places` knows where the cells of an assignment stand, and where they should. `untouched` sees to it
that the tests run as they stand: `pristine`, `names`, `hooks` and `seeming` do it in the kernel.
`digs` names the words of students' cells that could get around that.

A notebook runs in a `sandbox`: `launch` starts its kernel within `walls` and a `cgroup`, `inside`
is that kernel, `watch` stops a cell that computes or waits too long or leaves no `room`. `clean`
makes safe and short what is then shown.
"""

import sys

# nbformat's checks of addresses, which no notebook needs, would take a second of each process.
sys.modules.setdefault("rfc3987_syntax", None)
