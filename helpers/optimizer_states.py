"""What optimizers remember of each parameter, for the next call of partial_fit."""

import torch


def numbers_of(optimizer, network):
    """Return the number in a network of each parameter of an optimizer; others come after them."""
    numbers = {id(p): number for number, p in enumerate(network.parameters())}
    own = [p for group in optimizer.param_groups for p in group["params"]]
    return [numbers.get(id(p), len(numbers) + place) for place, p in enumerate(own)]


def state_of(optimizer, network):
    """Return what an optimizer remembers of each parameter, by its number in a network, on the CPU.

    Not by its number among those that are trained: with the next call they may be others.
    """
    numbers = dict(enumerate(numbers_of(optimizer, network)))
    return {
        numbers.get(place, place): {
            name: value.cpu() if isinstance(value, torch.Tensor) else value
            for name, value in state.items()
        }
        for place, state in optimizer.state_dict()["state"].items()
    }


def still_of_use(states, network, by_name, dampening):
    """Return what was remembered of parameters that are trained still and have kept their shape.

    Layers may have been frozen, thawed or replaced since. torch's own optimizers, those that are
    known `by_name`, do not look at shapes, and would write beyond the end of what is too small. For
    what is new they begin with zeros. SGD takes a first step without its dampening, so that there
    zeros would be another beginning: a ValueError.
    """
    named = list(network.named_parameters())
    parameters = {number: parameter for number, (_, parameter) in enumerate(named)}

    def fits(number, state):
        if number not in parameters:
            return not isinstance(number, int)  # of no parameter
        shapes = {t.shape for name, t in state.items() if torch.is_tensor(t) and name != "step"}
        own = parameters[number]
        return own.requires_grad and not (by_name and shapes - {own.shape})

    kept = {number: state for number, state in states.items() if fits(number, state)}
    if kept and by_name:
        names = {name: t for name, t in next(iter(kept.values())).items() if t is not None}
        for number, own in parameters.items():
            if own.requires_grad and number not in kept:
                if names and dampening:
                    raise ValueError(
                        f"The weight {named[number][0]!r} was thawed or replaced since the last "
                        f"call, and SGD with dampening cannot begin with one weight while it goes "
                        f"on with others. Call fit to start anew, without dampening."
                    )
                zeros = {n: torch.zeros_like(t if n == "step" else own) for n, t in names.items()}
                kept[number] = zeros
    return dict(sorted(kept.items())) if by_name else kept
