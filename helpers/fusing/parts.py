"""The networks of a stack in parts, one for each core, where the clock says that it pays."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import torch
from joblib import cpu_count

from helpers.fusing.chance import Chance
from helpers.fusing.functions import copy_of
from helpers.fusing.layers import Vmapped, batched, mixes_rows_outside_training
from helpers.fusing.optimizer import BatchedOptimizer
from helpers.fusing.places import may_meet_outside
from helpers.fusing.vmapped import LookUps
from helpers.global_state import flushed_denormals
from helpers.losses import OwnLoss
from helpers.tensors import chunk_size

# A stack is cut at multiples of so many networks. What the processor takes in one instruction (16
# numbers, and torch takes two at a time) then never spans two parts, and no part but the last has
# numbers left over, which are rounded in another way. So parts give the digits of the whole.
WHOLE_VECTORS = 32
# Validation rows of all networks in one forward pass, and numbers in them.
MOST_ROWS, MOST_NUMBERS = 2**16, 2**22
# Seconds of an epoch below which a cut is not worth its trouble, and the least gain.
SHORTEST, GAIN = 0.01, 0.9


def cuts(n_networks, n_parts):
    """Return where to cut a stack, as even as it can be done; [] if that is not worth it."""
    ideal = (round(n_networks * i / n_parts / WHOLE_VECTORS) for i in range(1, n_parts))
    places = sorted({place * WHOLE_VECTORS for place in ideal})
    # One network alone would be multiplied by another routine.
    places = [place for place in places if 0 < place <= n_networks - 2]
    edges = [0, *places, n_networks]
    largest = max(stop - start for start, stop in pairwise(edges))
    return places if largest <= 0.75 * n_networks else []


def cuts_of(jobs):
    """Return where to cut a stack of jobs, so that each core gets a part."""
    places = cuts(len(jobs), cpu_count())
    return [] if places and may_meet_outside(jobs[0]) else places


class Pace:
    """Finds out whether a stack is trained faster in parts.

    Its first epoch only warms up, the second is timed. Then the stack is cut at `places`. It stays
    so while each epoch (but the first, which warms up again) is faster by a tenth or more. At most
    `n_epochs` are to come.
    """

    def __init__(self, places, n_epochs):
        self.places, self.n_epochs = places, n_epochs
        self.n_seen, self.uncut, self.cut_at = 0, None, []

    def note(self, wall, cpu):
        """Return where to cut the stack for the next epoch.

        This one took `wall` seconds; in `cpu` of them this thread had a core.
        """
        self.n_seen += 1
        if self.n_seen == 2:
            self.uncut = wall
            is_busy = cpu < GAIN * wall  # there is not even one core for us alone
            if not is_busy and wall >= SHORTEST and self.n_epochs >= 8:
                self.cut_at = self.places
        elif self.n_seen > 3 and wall > GAIN * self.uncut:
            self.cut_at = []
        return self.cut_at


class Part:
    """Some networks of a stack, which one thread trains.

    The slice `networks` says which, and `states` what the optimizer remembers of each of them.
    """

    def __init__(self, stack, networks, states):
        self.networks = networks  # not the stack: a cycle would keep its weights alive
        jobs = stack.jobs[networks]
        self.order = stack.order[networks]
        # Its own: another thread may be in it. The first part has the one that is watched.
        self.loss = copy_of(jobs[0].loss) if networks.start else jobs[0].loss
        self.chance = Chance(jobs)
        self.chance.begin_epoch(stack.epoch + 1)
        # `data`, so that autograd does not see what is written to the weights of other parts.
        stored = {
            name: whole.data[networks].requires_grad_(whole.requires_grad)
            for name, whole in stack.stored.items()
        }
        self.network = batched(stack.jobs[0].network, stored, self.chance)
        self.vmapped = [part for part in self.network.modules() if isinstance(part, Vmapped)]
        trained = {n: whole for n, whole in enumerate(stored.values()) if whole.requires_grad}
        self.numbers, self.trained = list(trained), list(trained.values())
        states = [{place: of[n] for place, n in enumerate(trained) if n in of} for of in states]
        self.optimizer = BatchedOptimizer(self.trained, jobs, states)

    def optimizer_state(self, place):
        """Return what the optimizer remembers of one network, as in `Job.optimizer_state`."""
        states = self.optimizer.state_of(place).items()
        return {self.numbers[number]: state for number, state in states}

    def train_epoch(self, stack, batches, stopped):
        """Take one step for each batch; return the loss of each row, (n_networks, n)."""
        self.chance.begin_epoch(stack.epoch)
        self.network.train()
        n_rows = stack.n_rows[self.networks, 0]
        # As in `helpers.training`: tensors that are kept from each step would let memory grow.
        widths = [y.shape[1] for _, y, _ in batches]
        losses = stack.weight.new_empty(len(self.order), sum(widths))
        room = iter(losses.split(widths, 1))
        for step, (orders, y, share) in enumerate(batches):
            if stopped.is_set():
                break
            whole = stack.whole
            X = stack._take(orders, self.order, step) if whole is None else whole[self.networks]
            if self.chance.used:
                width = share.shape[1]
                self.chance.begin_step(n_rows.clamp(0, width), width)
                n_rows = n_rows - width
            of_rows, gradients = self.gradients(X, y[self.networks], share[self.networks])
            self.optimizer.step(gradients, stack.epoch, step)
            next(room).copy_(of_rows)
        return losses

    def gradients(self, X, y, share):
        """Return the loss of each row, (n_networks, n), and the gradients of the mean losses.

        `share` is the part of each row in the mean loss of its network; 0 is padding.
        """
        losses = self.losses(X, y)
        # To be handed `share` as a third argument, torch would load all of sympy: a second.
        total = (losses * share).sum()
        gradients = torch.autograd.grad(total, self.trained, allow_unused=True)
        if self.vmapped:
            # Parameters that a network adds up have one gradient, which each is to overwrite.
            gradients = [
                gradient if gradient is None else gradient.clone() for gradient in gradients
            ]
        for module in self.vmapped:
            module.store_buffers()
        return losses.detach(), gradients

    def losses(self, X, y):
        outputs = self.network(X.movedim(1, -1))
        if isinstance(self.loss, OwnLoss):
            with LookUps("its loss"):
                return self.loss.side_by_side(outputs, y)
        return self.loss(outputs, y.movedim(1, -1), reduction="none")

    @torch.no_grad()
    def validation_losses(self, stack, rows, y, weight, n_rows, stopped):
        """Return the total loss of each network on its validation rows, (n_networks,)."""
        rows, y, weight, n_rows = (of[self.networks] for of in (rows, y, weight, n_rows))
        self.network.eval()
        totals = n_rows.new_zeros(len(rows), dtype=torch.float64)
        # Where rows of a batch act on each other, batches must be those of a network alone.
        shape = stack.X.shape[1:]
        size = chunk_size(shape)
        if not mixes_rows_outside_training(self.network) and not isinstance(self.loss, OwnLoss):
            size = max(1, min(MOST_ROWS, MOST_NUMBERS // math.prod(shape)) // len(stack.jobs))
        for columns in torch.arange(rows.shape[1], device=rows.device).split(size):
            own = (n_rows[:, 0] - columns[0]).clamp(0, len(columns))
            self.chance.begin_step(own, len(columns))
            losses = self.losses(stack.rows(rows[:, columns]), y[:, columns])
            losses = torch.where(columns < n_rows, losses * weight[:, columns], 0)
            totals += losses.sum(1, dtype=torch.float64)
        return totals


def side_by_side(function, parts, *args):
    """Call a function for each part, each in a thread of its own; return what it returns.

    The first part is trained by the caller's thread. Where one fails, or the caller is
    interrupted, the others stop after their step.
    """
    stopped = threading.Event()
    grad_enabled = torch.is_grad_enabled()

    def call(part):
        try:
            # These belong to a thread, and a new one has torch's defaults.
            with torch.set_grad_enabled(grad_enabled), flushed_denormals():
                return function(part, *args, stopped)
        except BaseException:
            stopped.set()
            raise

    with ThreadPoolExecutor(len(parts)) as pool:
        others = [pool.submit(call, part) for part in parts[1:]]
        try:
            return [call(parts[0]), *(other.result() for other in others)]
        finally:
            stopped.set()  # after an interrupt, before the pool waits for its threads
