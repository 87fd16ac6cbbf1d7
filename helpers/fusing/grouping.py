"""Which networks can be trained as one, and what becomes of the others."""

import re
import warnings
import zlib

import torch
from scipy import sparse
from torch import nn

from helpers.fusing.norms import BATCH_NORMS
from helpers.fusing.stack import Slot, Stack, own_weights, tensors_of
from helpers.jobs import OPTIMIZERS
from helpers.tensors import flushed_denormals, private_rng
from helpers.training import Progress, train_alone

# Numbers that the rows and parameters of one stack may hold: 16 MB in float32.
STACK_SIZE = 2**22
# What every module has, and the parameters of LSTM and GRU under another name; the rest of a
# module's attributes are its own.
_NOT_OWN = set(vars(nn.Module())) | {"_flat_weights", "_flat_weight_refs"}


class TensorIndex:
    """Numbers tensors so that equal ones have one number."""

    def __init__(self):
        self.tensors = []
        self._numbers = {}

    def number(self, tensor):
        """Return the number of a tensor; None, which stands for no tensor, is its own."""
        if tensor is None:
            return None
        checksum = zlib.crc32(tensor.detach().cpu().contiguous().numpy())
        alike = self._numbers.setdefault((tensor.dtype, tensor.shape, checksum), [])
        for number in alike:
            if torch.equal(self.tensors[number], tensor):
                return number
        alike.append(len(self.tensors))
        self.tensors.append(tensor)
        return alike[-1]


def train_together(jobs, batches):
    """Train jobs in as few stacks as possible.

    Parameters
    ----------
    jobs : list of Job
        Trained in place. Where one fails, its `error` says why.
    batches : list of int
        The number of jobs in each stack is appended.
    """
    groups = {}
    for job in jobs:
        reason = why_alone(job)
        key = (type(job.network), reason) if reason else stack_key(job)
        groups.setdefault((reason, key), []).append(job)
    for (reason, _), group in gather_single(groups).items():
        if reason:
            train_one_by_one(group, reason, batches)
            continue
        index = TensorIndex()
        slots = assign_slots(group, index)
        size = max(1, STACK_SIZE // numbers_in(group[0]))
        for start in range(0, len(slots), size):
            train_slots(slots[start : start + size], index.tensors, batches)


def why_alone(job):
    """Return the reason why a job must be trained alone, or None."""
    if sparse.issparse(job.X):
        return "its input is sparse"
    if job.optimizer not in OPTIMIZERS.values():
        return f"its optimizer is none of {', '.join(sorted(OPTIMIZERS))}"
    if has_single_row(job):
        return "it has BatchNorm, and a batch of one row"
    hooks = [
        hook
        for owner in (*job.network.modules(), *job.network.parameters())
        for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
        for hook in getattr(owner, name, None) or ()
    ]
    return "it has hooks" if hooks else None


def has_single_row(job):
    """Tell whether a step takes one row, of which BatchNorm makes an error for one network only."""
    size = job.batch_size if job.in_batches else len(job.rows)
    kinds = {type(module) for module in job.network.modules()}
    return bool(kinds & BATCH_NORMS) and len(job.rows) % size == 1 % size


def stack_key(job):
    """Return what jobs of one stack have in common."""
    network = job.network
    structure = tuple(
        (
            name,
            type(module),
            repr({k: v for k, v in vars(module).items() if k not in _NOT_OWN}),
        )
        for name, module in network.named_modules()
    )
    shapes = tuple((name, t.shape, t.dtype, t.requires_grad) for name, t in tensors_of(network))
    n_steps = -(-len(job.rows) // job.batch_size) if job.in_batches else 1
    steps_taken = tuple(float(state["step"]) for state in job.optimizer_state.values())
    return (
        *(structure, shapes, job.X.shape[1], job.X.dtype, job.y.dtype, job.y.device),
        *(job.loss, job.optimizer, job.in_batches and job.batch_size, n_steps),
        *(job.valid_rows is None, len(job.history), steps_taken),
    )


def gather_single(groups):
    """Give groups of one job their reason, and put together what only addresses keep apart.

    What stands at two addresses may do two things, so it is not stacked; but that should be told.
    """
    gathered = {}
    for (reason, key), group in groups.items():
        if not reason and len(group) == 1:
            reason = "an attribute is another object in each, as a function made in __init__ is"
            key = re.sub(" at 0x[0-9a-fA-F]+", "", repr(key))
        gathered.setdefault((reason, key), []).extend(group)
    return gathered


def assign_slots(jobs, index):
    """Put together the jobs that differ in `epochs` alone; number what they train on."""
    slots = {}
    for job in jobs:
        number = index.number(job.X)
        order = (number, index.number(job.rows), job.seed if job.in_batches else None)
        tensors = [job.y, job.weight, *(tensor for _, tensor in tensors_of(job.network))]
        for state in job.optimizer_state.values():
            tensors += state.values()
        alike = (
            order,
            job.lr,
            job.weight_decay,
            job.seed,
            *(index.number(tensor) for tensor in tensors),
        )
        if job.patience is not None:
            alike = id(job)  # its best epoch depends on where it ends
        slots.setdefault(alike, Slot([], number, order)).members.append(Progress(job))
    return list(slots.values())


def numbers_in(job):
    """Return how many numbers a job adds to a stack."""
    n_rows = job.batch_size if job.in_batches else len(job.rows)
    n_parameters = sum(p.numel() for p in job.network.parameters())
    return n_rows * job.X.shape[1] + 4 * n_parameters


def train_one_by_one(jobs, reason, batches):
    """Train each job by itself, and say why."""
    if reason and len(jobs) > 1:
        warnings.warn(
            f"{type(jobs[0].network).__name__} cannot be stacked: {reason}. Its {len(jobs)} fits "
            f"are trained one after another.",
            stacklevel=2,
        )
    for job in jobs:
        batches.append(1)
        try:
            train_alone(job)
        except Exception as error:
            job.error = error


def train_slots(slots, sets, batches):
    """Train one stack to its end; halve it if it is too large for the memory."""
    jobs = [job for slot in slots for job in slot.jobs]
    with private_rng(jobs[0].y.device), flushed_denormals():
        try:
            stack = Stack(slots, sets)
            stack.trial_step()
        except Exception as error:
            too_large = is_too_large(error)
            reason = (str(error).splitlines() or [type(error).__name__])[0]
        else:
            batches.append(len(jobs))
            return train_to_end(stack, sets)
    stack = None  # free it before anything else is tried
    for job in jobs:
        own_weights(job.network)
    if too_large and len(slots) > 1:
        warnings.warn(
            f"{len(slots)} networks do not fit into the memory of {jobs[0].y.device} at once; "
            f"trying half of them. Give fused a smaller max_models to spare the attempt.",
            stacklevel=2,
        )
        half = len(slots) // 2
        train_slots(slots[:half], sets, batches)
        train_slots(slots[half:], sets, batches)
    else:
        train_one_by_one(jobs, reason, batches)


def is_too_large(error):
    """Whether an error says that the memory was not enough."""
    # On the CPU torch raises a plain RuntimeError.
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in str(error)


def train_to_end(stack, sets):
    """Train a stack; once a quarter of it has ended, the others move together."""
    stack.release(lambda member: member.ended)  # those of no epochs
    while stack.active():
        try:
            while 4 * len(stack.active()) > 3 * len(stack.slots):
                stack.train_epoch()
        except Exception as error:
            for slot in stack.active():
                for job in slot.jobs:
                    job.error = error
            return
        stack.release(lambda member: True)
        if active := stack.active():
            stack = Stack(active, sets)
