"""One optimizer step for networks side by side."""

import torch

from helpers.optimizers import OPTIMIZERS, known_name


class BatchedOptimizer:
    """One of torch's optimizers for networks side by side, each with its lr and weight decay.

    What an optimizer adds to a weight is proportional to lr. So torch finds it once for all
    networks, starting from 0 at lr=1, and each network then adds its own multiple.

    Parameters
    ----------
    parameters : list of Tensor of shape (n_networks, ...)
        Those to train.
    jobs : list of Job
        One for each network, all with the same optimizer and the same arguments of it but for
        learning rate and weight decay.
    states : list of dict
        What the optimizer remembers of each network, as in `Job.optimizer_state`.
    """

    def __init__(self, parameters, jobs, states):
        self.parameters = parameters
        self.additions = [torch.zeros_like(parameter) for parameter in parameters]
        kind = known_name(jobs[0].optimizer)
        # AdamW is Adam that begins with taking lr * weight_decay of all there is. With 1 for both
        # it starts from 0 by itself, which spares one pass through the state.
        self.from_zero = kind in ("adam", "adamw")
        options = jobs[0].optimizer_arguments | {"lr": 1.0, "weight_decay": float(self.from_zero)}
        self.optimizer = OPTIMIZERS["adamw" if self.from_zero else kind](self.additions, **options)
        self._load(states)
        # What is taken of a weight before the step (decoupled), or added to its gradient.
        self.decays, self.decoupled = any(job.weight_decay for job in jobs), kind == "adamw"
        self.lr = self._columns([job.lr for job in jobs])
        self.decay = self._columns(
            [job.weight_decay * (job.lr if self.decoupled else 1) for job in jobs]
        )

    def _columns(self, numbers):
        """Return a number for each network, shaped to multiply each of the parameters."""
        first = self.parameters[0]
        numbers = torch.tensor(numbers, dtype=first.dtype, device=first.device)
        return [numbers.view(-1, *[1] * (p.ndim - 1)) for p in self.parameters]

    def _load(self, states):
        """Take over what the optimizers of the networks remember."""
        stacked = {
            i: {
                # The count of steps is the same for all.
                name: value if name == "step" else torch.stack([of[i][name] for of in states])
                for name, value in of_parameter.items()
            }
            for i, of_parameter in states[0].items()
        }
        if stacked:  # torch puts each tensor on the device that it is for
            groups = self.optimizer.state_dict()["param_groups"]
            self.optimizer.load_state_dict({"state": stacked, "param_groups": groups})

    @torch.no_grad()
    def step(self, gradients):
        """Take one step; a gradient of None leaves its parameter as it is.

        The gradients may be overwritten.
        """
        for i, gradient in enumerate(gradients):
            if gradient is None or not self.from_zero:
                self.additions[i].zero_()
            if gradient is not None:
                gradient = gradient.contiguous()  # torch's fused optimizers do not look at strides
                if self.decays and self.decoupled:
                    self.parameters[i].mul_(1 - self.decay[i])
                elif self.decays:
                    gradient.addcmul_(self.parameters[i], self.decay[i])
            self.additions[i].grad = gradient
        self.optimizer.step()
        for parameter, addition, lr in zip(self.parameters, self.additions, self.lr, strict=True):
            parameter.addcmul_(addition, lr)

    def state_of(self, place):
        """Return what it remembers of one network, in the form of `Job.optimizer_state`."""
        states = [self.optimizer.state.get(addition, {}) for addition in self.additions]
        return {
            i: {
                name: (value if name == "step" else value[place]).to("cpu", copy=True)
                for name, value in state.items()
            }
            for i, state in enumerate(states)
            if state
        }
