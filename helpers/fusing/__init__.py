"""The engine of `fused`: the networks of a search are trained side by side.

How one fit goes from `GridSearchCV` to its trained weights:

1. ``with fused():`` (`context`) makes a `Scheduler` and tells joblib to use a `FusingBackend`.
   It also sets `helpers.training.trainer`, so that `fit` asks the scheduler to train
   its network.
2. `GridSearchCV` hands joblib one call for each candidate and fold: clone, fit, score. joblib asks
   the backend (`backend`) who shall run them. Calls of scikit-learn's own estimators, such as the
   trees of a forest, are run as joblib would run them without `fused`, and so are all calls while
   a mode of torch is active (`modes`). The others become tasks, one `Task` for each call.
3. The scheduler (`scheduler`) gives the tasks their turns, one at a time. A task (`tasks`) has a
   thread of its own, but only to have a place to wait. In its turn it runs ordinary code of
   scikit-learn and of `TorchClassifier.fit`, which validates the data, builds a network and puts
   all that decides the outcome into a `Job`. What it has set in the whole process (`process`) is
   its own until it has its turn again: global generators, filters of warnings, the current folder
   and others (`parts_of_process`). What belongs to a thread (`modes`) is as the caller of joblib
   has it.
4. `fit` calls ``train(job)``. In a task that is `Scheduler.train`: the task pauses, with its job.
   The next task takes its turn and comes to the same point. Nested searches come there as well:
   a task that made a call of joblib waits for the tasks of that call, which run before others.
5. When no task can go on, or `max_models` or `max_bytes` is reached, the scheduler hands all
   waiting jobs to `grouping`. It puts together the jobs whose networks have one structure and
   equal attributes (`content` compares what they hold, `functions` does this for a `loss` and an
   `augment` of the user's, both by digests). As each job came, `settings` has noted what its code
   reads elsewhere (`places` finds it) and what a network answers, and `waiting` its rows: now they
   see whether another fit has changed these. A job that changes such things itself, or has a
   callback that may (`callbacks`), was trained at once, in its turn. Then `grouping` trains copies
   of three of them for two epochs, in a stack and alone (`trial`, `trial_jobs`, `comparison`;
   `reached` finds the variables that the code of a network uses, `outside` puts them back,
   `own_code` tells whether there is such code, `writes` looks at what padding may change). Where
   the two differ, every job is trained alone, with a warning that says why.
6. Jobs that differ in `epochs` alone share one place, a slot (`slots`). A group of slots becomes a
   `Stack` (`stack`): each parameter and buffer of all its networks is one tensor with the network
   as its first axis. `parts` cuts it in two where that is faster on two cores, unless `places`
   shows that two threads would meet. `layers` computes all networks by one batched product for each
   layer; its forms stand in `convolutions`, `norms` and `recurrent`, and `vmapped` sees to modules
   that have none. `chance` draws the dropout masks of each network from its own seed, and
   `optimizer` takes one step for all, each with its own learning rate. If a stack fails, for want
   of memory perhaps, `recovery` goes back to its start and on in halves.
7. When a network's last epoch is over it leaves the stack: its job has its own weights, its
   history and its optimizer_state. The tasks go on where they stood: `fit` stores what was
   learned, and scikit-learn scores it. As a task ends, joblib is told and hands in the next; the
   task, its network and its thread are freed as soon as the caller lets go of the result.

The refit of the best candidate is no task. It is trained alone, at once.
"""

from helpers.fusing.context import Run, fused

__all__ = ["Run", "fused"]
