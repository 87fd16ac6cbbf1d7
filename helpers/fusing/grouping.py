"""Which networks can be trained as one, and what becomes of the others."""

import math
import warnings
from itertools import pairwise

import torch
from scipy import sparse
from torch.nn.modules import module as torch_module
from torch.optim import optimizer as torch_optimizer

from helpers.datasets import Rows
from helpers.fusing.comparison import ROWS_DEPEND
from helpers.fusing.content import Incomparable, contents, first_unlike, named_tensors, structure
from helpers.fusing.functions import contents_of_functions, why_functions_change
from helpers.fusing.norms import BATCH_NORMS
from helpers.fusing.recovery import train_slots
from helpers.fusing.slots import TensorIndex, assign_slots
from helpers.fusing.trial import depends_on_more, trial_step
from helpers.fusing.trial_jobs import n_of
from helpers.fusing.writes import WRITES
from helpers.global_state import flushed_denormals, private_rng
from helpers.modules import training_mode
from helpers.optimizers import ELEMENTWISE_ARGUMENTS, OPTIMIZERS, known_name
from helpers.tensors import span_of
from helpers.training import train_alone

# Numbers that the rows and parameters of one stack may hold: 16 MB in float32.
STACK_SIZE = 2**22
# What torch calls at each forward or backward pass, of modules and of parameters.
HOOKS = (
    *("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"),
    "_post_accumulate_grad_hooks",
)

OPTIMIZER_HOOKS = "_global_optimizer_pre_hooks", "_global_optimizer_post_hooks"


def train_together(jobs, batches, told):
    """Train jobs in place, in as few stacks as possible; where one fails, its `error` says why.

    The number of jobs in each stack is appended to the list `batches`. What is in the set `told`
    was warned of before, and is not again; what is warned of now is added.
    """
    alone = {}  # (class of the network, reason) -> [(job, how far it has come)]

    def leave_out(job, reason, progress=None):
        key = type(job.network).__name__, reason
        alone.setdefault(key, []).append((job, progress))

    for group in find_groups(jobs, leave_out):
        reason = why_too_large(group) or why_functions_change(group[0]) or trial_step(group)
        if reason in (ROWS_DEPEND, WRITES):
            train_by_number_of_rows(group, batches, leave_out, reason)
        elif reason:
            for job in group:
                leave_out(job, reason)
        else:
            train_group(group, batches, leave_out)
    for key, left_out in alone.items():
        if key[1] and len(jobs) > 1 and key not in told:
            told.add(key)
            warnings.warn(sentence(*key, len(left_out)), stacklevel=2)
        for job, progress in left_out:
            batches.append(1)
            try:
                train_alone(job, progress)
            except Exception as error:
                job.error = error


def find_groups(jobs, leave_out):
    """Return lists of jobs that are alike; leave out those that are like no other."""
    groups = {}  # by all but the attributes of the networks, then by these
    for job in jobs:
        try:
            reason = why_alone(job)
            if not reason:
                key, attributes = stack_key(job), tuple(contents(job.network).items())
        except Incomparable as error:
            reason = str(error)
        if reason:
            leave_out(job, reason)
        else:
            groups.setdefault(key, {}).setdefault(attributes, []).append(job)
    for by_attributes in groups.values():
        single = [dict(key) for key, group in by_attributes.items() if len(group) == 1]
        for group in by_attributes.values():
            if len(group) > 1:
                yield group
            elif len(single) > 1:
                name = first_unlike(*single[:2])
                reason = depends_on_more(group[0])
                leave_out(group[0], reason or f"its attribute `{name}` differs from fit to fit")
            else:
                leave_out(group[0], None)


def why_alone(job):
    """Return the reason why a job must be trained alone, or None."""
    if sparse.issparse(job.X):
        return "its input is sparse"
    if known_name(job.optimizer) is None:
        return f"its optimizer is none of {', '.join(sorted(OPTIMIZERS))}"
    for name in sorted(job.optimizer_arguments.keys() - ELEMENTWISE_ARGUMENTS):
        return f"optimizer__{name} is set"
    tensors = named_tensors(job.network)
    if name := next((name for name, t in tensors if t.layout is not torch.strided), None):
        return f"its weight or buffer `{name}` is sparse"
    if name := shared_memory(job.network):
        return f"its weight or buffer `{name}` shares memory with another"
    if has_single_row(job):
        return "it has BatchNorm, and a batch of one row"
    for name, owner in (*job.network.named_modules(), *job.network.named_parameters()):
        it = f"its `{name}`" if name else "it"
        if isinstance(owner, torch.jit.ScriptModule):
            return f"{it} is scripted"
        if getattr(owner, "_orig_mod", None) is not None or "_compiled_call_impl" in vars(owner):
            return f"{it} is compiled"
        if any(getattr(owner, kind, None) for kind in HOOKS):
            return f"{it} has hooks, which see one network at a time"
        if isinstance(owner, torch.Tensor) and owner.is_complex():
            return f"{it} holds complex numbers"
        if "forward" in vars(owner):
            return f"{it} has a `forward` of its own, which is not that of its class"
    if any(getattr(torch_module, f"_global{kind}", None) for kind in HOOKS):
        return "torch has global hooks, which see one network at a time"
    if any(getattr(torch_optimizer, kind, None) for kind in OPTIMIZER_HOOKS):
        return "torch has global hooks of optimizers, which see one network at a time"
    return None


def has_single_row(job):
    """Tell whether a step takes one row, of which BatchNorm makes an error for one network only."""
    size = job.batch_size if job.in_batches else len(job.rows)
    norms = [module for module in job.network.modules() if type(module) in BATCH_NORMS]
    if not norms or len(job.rows) % size != 1 % size:
        return False
    training_mode(job.network)
    in_training = any(norm.training for norm in norms)
    job.network.eval()  # as it came
    return in_training


def shared_memory(network):
    """Return the name of a parameter or buffer that lies in the memory of another one, or None."""
    named = named_tensors(network)
    dense = ((name, t) for name, t in named if t.layout is torch.strided and t.numel())
    places = sorted((*span_of(t), name) for name, t in dense)
    return next((two[2] for one, two in pairwise(places) if two[0] <= one[1]), None)


def stack_key(job):
    """Return what jobs of one stack have in common, beside the attributes of their networks."""
    states = job.optimizer_state.items()
    steps_taken = tuple((number, float(state.get("step", 0))) for number, state in states)
    arguments = tuple(
        (name, tuple(value) if isinstance(value, list) else value)
        for name, value in sorted(job.optimizer_arguments.items())
    )
    return (
        *(structure(job.network), job.X.shape[1:], job.X.dtype, job.dtype),
        *(source(job.X), job.y.dtype, job.y.shape[1:], job.y.device),
        *(contents_of_functions(job), known_name(job.optimizer), arguments),
        *(job.in_batches and job.batch_size, job.n_steps),
        *(job.valid_rows is None, len(job.history), steps_taken),
    )


def source(X):
    """Return where rows come from that are not in memory: those of one stack have one Dataset."""
    return (id(X.dataset), id(X.load)) if isinstance(X, Rows) else None


def train_by_number_of_rows(group, batches, leave_out, reason):
    """Stack the jobs of a group that have equal numbers of rows, so that none is padded.

    One that has no like is left out, for the reason that keeps it from being padded.
    """
    by_number = {}
    for job in group:
        by_number.setdefault((len(job.rows), n_of(job.valid_rows)), []).append(job)
    for part in by_number.values():
        # Its batches are others than those of the whole group, and its code may ask for their size.
        if why := trial_step(part) if len(part) > 1 else reason:
            for job in part:
                leave_out(job, why)
        else:
            train_group(part, batches, leave_out)


def train_group(group, batches, leave_out):
    """Train jobs that are alike in stacks of no more than `STACK_SIZE` numbers."""

    def leave(members, reason):
        for member in members:
            leave_out(member.job, reason, member)

    index = TensorIndex()
    slots = assign_slots(group, index)
    size = max(1, STACK_SIZE // numbers_in(group[0]))
    with private_rng(group[0].y.device), flushed_denormals(), warnings.catch_warnings():
        # It trains as it should; what vmap has no batched form of takes a little longer.
        warnings.filterwarnings("ignore", message="There is a performance drop because")
        for start in range(0, len(slots), size):
            train_slots(slots[start : start + size], index.tensors, batches, leave)


def why_too_large(group):
    """Return a reason if each job of a group would fill a stack by itself, or None."""
    n_numbers = numbers_in(group[0])
    if 2 * n_numbers <= STACK_SIZE or len({job.epochs for job in group}) > 1:  # they may share
        return None
    return (
        f"in a step its rows and weights take {n_numbers:,} numbers, more than half of the "
        f"{STACK_SIZE:,} of a stack, and networks as large gain little in one"
    )


def numbers_in(job):
    """Return how many numbers a job adds to a stack."""
    n_rows = job.batch_size if job.in_batches else len(job.rows)
    n_parameters = sum(p.numel() for p in job.network.parameters())
    return n_rows * math.prod(job.X.shape[1:]) + 4 * n_parameters


def sentence(name, reason, n_fits=None):
    """Say which networks are trained one by one, and why; `n_fits` None is not known yet."""
    fits = f"{n_fits or 'The'} fits of it are trained one by one"
    fits = "It is trained alone" if n_fits == 1 else fits
    return f"{name} cannot be stacked: {reason}. {fits}."
