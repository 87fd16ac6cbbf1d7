"""One optimizer step for networks side by side."""

import math

import torch

from helpers.optimizers import OPTIMIZERS, known_name


class BatchedOptimizer:
    """One of torch's optimizers for networks side by side, each with its lr and weight decay.

    What an optimizer adds to a weight is proportional to lr. So torch finds it once for all
    networks, starting from 0 at lr=1, and each network then adds its own multiple.

    `parameters` are those to train, each of shape (n_networks, ...). The `jobs`, one for each
    network, have the same optimizer and the same arguments of it but for learning rate, its
    schedule, weight decay and clipping. `states` has a dict for each network: what the optimizer
    remembers, by the number of the parameter in `parameters`.
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
        self.jobs, self.scheduled = jobs, any(job.lr_factors is not None for job in jobs)
        self._set_rates([1.0] * len(jobs))
        self.clip = None
        if any(job.clip is not None for job in jobs):
            self.clip = self._numbers(math.inf if job.clip is None else job.clip for job in jobs)

    def _set_rates(self, factors):
        """Give each network a multiple of its learning rate."""
        rates = [job.lr * factor for job, factor in zip(self.jobs, factors, strict=True)]
        decays = [
            job.weight_decay * (rate if self.decoupled else 1)
            for job, rate in zip(self.jobs, rates, strict=True)
        ]
        self.lr, self.decay = (self._columns(self._numbers(of)) for of in (rates, decays))

    def _numbers(self, numbers):
        """Return a number for each network as a tensor."""
        first = self.parameters[0]
        return torch.tensor(list(numbers), dtype=first.dtype, device=first.device)

    def _columns(self, numbers):
        """Return a number for each network, shaped to multiply each of the parameters."""
        return [numbers.view(-1, *[1] * (p.ndim - 1)) for p in self.parameters]

    def _load(self, states):
        """Take over what the optimizers of the networks remember."""
        stacked = {}
        for i, of_parameter in states[0].items():
            for name, value in of_parameter.items():
                if name != "step":  # the count of steps, the same for all
                    # In order, as parameters are: `stack` keeps to channels_last.
                    value = torch.stack([of[i][name] for of in states]).contiguous()
                stacked.setdefault(i, {})[name] = value
        if stacked:  # torch puts each tensor on the device that it is for
            groups = self.optimizer.state_dict()["param_groups"]
            self.optimizer.load_state_dict({"state": stacked, "param_groups": groups})

    def _clipped(self, gradients):
        """Scale the gradients of each network as `torch.nn.utils.clip_grad_norm_` does."""
        given = [gradient for gradient in gradients if gradient is not None]
        norms = [gradient.reshape(len(gradient), -1).norm(dim=1) for gradient in given]
        factors = (self.clip / (torch.stack(norms).norm(dim=0) + 1e-6)).clamp(max=1)
        factors = self._columns(torch.where(self.clip.isinf(), 1, factors))
        return [
            None if gradient is None else gradient * factor
            for gradient, factor in zip(gradients, factors, strict=True)
        ]

    @torch.no_grad()
    def step(self, gradients, epoch=1, number=0):
        """Take one step; a gradient of None leaves its parameter as it is.

        The gradients may be overwritten. `number` is that of the step in its epoch.
        """
        if self.scheduled:
            self._set_rates([job.lr_factor(epoch, number) for job in self.jobs])
        if self.clip is not None:
            gradients = self._clipped(gradients)
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
        """Return what it remembers of one network, as in `states`."""
        states = [self.optimizer.state.get(addition, {}) for addition in self.additions]
        return {
            i: {
                name: (value if name == "step" else value[place]).to("cpu", copy=True)
                for name, value in state.items()
            }
            for i, state in enumerate(states)
            if state
        }
