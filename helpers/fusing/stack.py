"""Jobs trained together: whose rows are where, and what an epoch is.

Glossary of shapes
------------------
n_networks
    Networks side by side, one for each slot. It is the first axis of all that each network has
    of its own: weights, moments, rows, losses.
n, width
    Rows in a step: the batch size, or less in the last step. A network of a smaller fold has
    fewer; the rest of its rows is padding, whose share of the loss is 0.
X : (n_networks, n, *shape of a row)
    What networks are trained on in a step. Layers take (n_networks, *shape of a row, n): the
    rows last, see `helpers.fusing.layers`.
y, weight, share : (n_networks, n)
    Targets, (n_networks, n, n_targets) where there are several; weights of rows; the part of each
    row in the mean loss of its network.
orders : (n_orders, n)
    Numbers of rows. Candidates of one fold and one seed take the same rows in the same order,
    so there are fewer orders than networks.
stored : dict of (n_networks, ...)
    Parameters and buffers of all networks by name. Those of a job's own network are views of
    them while it is in the stack (shared), copies once it is released (own).
"""

import math
import time
from itertools import pairwise

import torch
from torch.nn.utils.rnn import pad_sequence

from helpers.checks.divergence import divergence
from helpers.datasets import Rows, joined
from helpers.fusing.content import named_tensors
from helpers.fusing.functions import check, watched
from helpers.fusing.parts import Pace, Part, cuts_of, side_by_side
from helpers.tensors import take_rows
from helpers.training import row_order


class Stack:
    """Slots trained together, one epoch at a time.

    While a job is in it, the parameters of its network are views of the stack's. The slots are
    alike in all that `grouping.stack_key` names; `sets` has the distinct `X`, tensors or `Rows`.
    """

    def __init__(self, slots, sets):
        self.slots = list(slots)
        self.jobs = [slot.jobs[0] for slot in slots]
        first = self.jobs[0]
        self.device, self.dtype, self.in_batches = first.y.device, first.dtype, first.in_batches
        self.augmented = first.augment is not None
        self.epoch = len(first.history)
        self._share_weights()
        self._share_rows(sets)
        self.watches = watched([first, *self.owners.values()])
        self._cut([], [job.optimizer_state for job in self.jobs])
        # Torch's own threads would be in each other's way. Augmentation draws from the one global
        # generator. A Dataset may seek in one file, and nobody says that two threads may ask it.
        alone = torch.get_num_threads() == 1 and self.device.type == "cpu"
        alone = alone and not self.augmented and not isinstance(self.X, Rows)
        places = cuts_of(self.jobs) if alone else []
        self.pace = Pace(places, max(job.epochs for job in self.jobs))
        self.whole = None
        if not self.in_batches and not self.augmented:
            self.whole = self._take(self._draw_orders(0), self.order, step=0)

    def _share_weights(self):
        """Store parameters and buffers of all networks side by side, and have networks use them."""
        self.stored = {}
        tensors = [[dict(named_tensors(job.network)) for job in slot.jobs] for slot in self.slots]
        for name, of_first in tensors[0][0].items():
            # In order, as gradients come: `stack` keeps to channels_last.
            whole = torch.stack([of_slot[0][name].detach() for of_slot in tensors]).contiguous()
            for of_slot, part in zip(tensors, whole, strict=True):
                for of_job in of_slot:
                    of_job[name].data = part
            self.stored[name] = whole.requires_grad_(of_first.requires_grad)

    def _share_rows(self, sets):
        """Hold each distinct `X` once, and note which of its rows each network takes."""
        used = sorted({slot.X for slot in self.slots})
        stops = torch.tensor([len(sets[number]) for number in used]).cumsum(0).tolist()
        starts = dict(zip(used, [0, *stops], strict=False))
        self.X = joined([sets[number] for number in used])
        self.y = pad_sequence([job.y for job in self.jobs], batch_first=True)
        self.weight = torch.ones(self.y.shape[:2], dtype=self.dtype, device=self.device)
        for weight, job in zip(self.weight, self.jobs, strict=True):
            if job.weight is not None:
                weight[: len(job.weight)] = job.weight
        self.start = self._column(starts[slot.X] for slot in self.slots)
        self.n_rows = self._column(len(job.rows) for job in self.jobs)
        # Those who take the same rows in the same order share that order: `order` numbers it.
        self.owners = {slot.order: job for slot, job in zip(self.slots, self.jobs, strict=True)}
        numbers = {order: number for number, order in enumerate(self.owners)}
        self.order = self._column(numbers[slot.order] for slot in self.slots)[:, 0]
        self.order_start = self._column(starts[order_set] for order_set, *_ in self.owners)

    def _column(self, numbers):
        """Return integers as a tensor of shape (n, 1)."""
        return torch.tensor(list(numbers), device=self.device)[:, None]

    def _draw_orders(self, epoch):
        """Return the rows of an epoch in each order, shape (n_orders, n), padded."""
        jobs = self.owners.values()
        return self.padded([row_order(job, epoch) if self.in_batches else job.rows for job in jobs])

    def padded(self, rows):
        """Return numbers of rows, a tensor for each job or order, padded to (n_jobs, n).

        Padding repeats the last row of each. One that a network is not trained on, as a row of
        weight 0, may have a loss or a gradient of nan, and 0 times nan is nan.
        """
        whole = pad_sequence(rows, batch_first=True).to(self.device)
        last = self._column(len(own) - 1 for own in rows)
        columns = torch.arange(whole.shape[1], device=self.device)
        return whole.gather(1, torch.minimum(columns, last))

    def _take(self, orders, order, step):
        """Return `X` of a step for the networks that take the rows of `order`, (n, width, ...)."""
        X = self.rows(orders + self.order_start)
        if self.augmented:
            self._augment(X, step)
        return X if len(X) == len(self.jobs) == len(order) else X.index_select(0, order)

    def _augment(self, X, step):
        """Augment the rows of a step in each order, in place, but for those that are padding."""
        for rows, job in zip(X, self.owners.values(), strict=True):
            left = len(job.rows) - step * job.batch_size if self.in_batches else len(job.rows)
            own = rows[:left]
            own.copy_(job.augment(own, job.seed, self.epoch, step))

    def rows(self, numbers):
        """Return `X` of the rows with some numbers, shape (*shape of numbers, *shape of a row)."""
        X = take_rows(self.X, numbers.flatten()).to(self.device, self.dtype)
        return X.view(*numbers.shape, *X.shape[1:])

    def train_epoch(self):
        """Train one epoch; whoever ends with it leaves."""
        for slot in self.slots:
            for member in slot.members:
                attempt(member, member.job.before_epoch)
        start = time.perf_counter(), time.thread_time()
        losses = {"train_loss": self._train_epoch()}
        places = self.pace.note(time.perf_counter() - start[0], time.thread_time() - start[1])
        if self.jobs[0].valid_rows is not None:
            losses["valid_loss"] = self._validation_losses()
        check(self.watches)
        for i, slot in enumerate(self.slots):
            for member in [one for one in slot.members if not one.ended]:
                attempt(member, self._end_epoch, member, i, losses)
        self.release(lambda member: member.ended)
        if places != [part.networks.start for part in self.parts[1:]]:
            self._cut(places, [self._optimizer_state(i) for i in range(len(self.jobs))])

    def _end_epoch(self, member, i, losses):
        """Note the losses of an epoch; raise where a job alone would stop in its first step."""
        if self.epoch == 1 and not math.isfinite(first := self.of_first_step[i]):
            raise divergence(member.job, {"epoch": 1, "train_loss": first}, begun=False)
        member.end_epoch({name: of[i] for name, of in losses.items()})

    def _cut(self, places, states):
        """Train the stack in parts from now on; where there are no places, as a whole."""
        edges = [0, *places, len(self.jobs)]
        ranges = [slice(*ends) for ends in pairwise(edges)]
        self.parts = [Part(self, networks, states[networks]) for networks in ranges]

    def active(self):
        """Return the slots that have not ended."""
        return [slot for slot in self.slots if slot.members]

    def release(self, whom):
        """Give some members their own weights, and what the optimizer remembers of them.

        Those among them that have ended leave.
        """
        for i, slot in enumerate(self.slots):
            for member in filter(whom, slot.members):
                for _, tensor in named_tensors(member.job.network):
                    tensor.data = tensor.data.clone()  # no view of the stack's any more
                member.job.optimizer_state = self._optimizer_state(i)
                if member.ended and member.job.error is None:
                    attempt(member, member.finish)
            slot.members = [member for member in slot.members if not member.ended]

    def _optimizer_state(self, i):
        """Return what the optimizer remembers of one network."""
        part = next(part for part in self.parts if i < part.networks.stop)
        return part.optimizer_state(i - part.networks.start)

    def _train_epoch(self):
        """Take one step for each batch; return the mean loss of each network, floats."""
        self.epoch += 1
        orders = self._draw_orders(self.epoch)
        size = self.jobs[0].batch_size if self.in_batches else orders.shape[1]
        rows = orders[self.order]
        columns = torch.arange(rows.shape[1], device=self.device)
        y = self._targets(rows)
        is_own = columns < self.n_rows
        weight = self.weight.gather(1, rows) * is_own
        share = weight / (self.n_rows - columns // size * size).clamp(max=size)
        batches = list(zip(*(whole.split(size, 1) for whole in (orders, y, share)), strict=True))
        losses = torch.cat(side_by_side(Part.train_epoch, self.parts, self, batches))
        if self.whole is not None and self.whole._version:
            self.whole = None  # the network writes to its input: a new copy for each step
        # Step by step in the precision of the losses, which may overflow, as it does alone.
        losses = torch.where(is_own, losses * weight, 0)
        totals = torch.stack([step.sum(1) for step in losses.split(size, 1)])
        self.of_first_step = totals[0].tolist()
        return (totals.sum(0, dtype=torch.float64) / self.n_rows[:, 0]).tolist()

    def _targets(self, rows):
        """Return `y` of some rows of each network, (n_networks, n) or (..., n_targets)."""
        return self.y[torch.arange(len(rows), device=self.device)[:, None], rows]

    def _validation_losses(self):
        """Return the mean loss of each network on its validation rows, floats."""
        rows = self.padded([job.valid_rows for job in self.jobs])
        n_rows = self._column(len(job.valid_rows) for job in self.jobs)
        columns = torch.arange(rows.shape[1], device=self.device)
        y = self._targets(rows)
        weight = self.weight.gather(1, rows) * (columns < n_rows)
        where = rows + self.start, y, weight, n_rows
        totals = torch.cat(side_by_side(Part.validation_losses, self.parts, self, *where))
        return (totals / n_rows[:, 0]).tolist()


def attempt(member, function, *args):
    """Call a function for a member; if it raises, the member ends, and no other."""
    try:
        function(*args)
    except Exception as error:
        member.job.error, member.ended = error, True
