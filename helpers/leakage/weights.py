"""The canary for weights that a clone brings along."""

from contextlib import contextmanager

import numpy as np
from sklearn.base import is_classifier
from sklearn.linear_model import Ridge
from sklearn.preprocessing import scale

from helpers.leakage.finding import Finding
from helpers.leakage.outside import left_alone, networks_in
from helpers.leakage.probes import (
    fit_seeded,
    reinitialise,
    seeded_clone,
    without_training,
)

N_INITIALISED = 99  # exceeded by all of them by chance: 1 %
MOST_ROWS = 500  # that a linear model is fitted to and scored on


def carried_weights(estimator, X, y, *, groups=None, random_state=0):
    """Does a clone know the labels before it has trained?

    Trains two clones for 0 epochs, under different seeds. Unless they have weights in common,
    nothing was carried. Else it scores the first; scores a linear model (R2) of what each of its
    layers gives out, fitted to half of the rows; and does both again 99 times with networks
    initialised anew. It leaked if its own score lies farther from the median, or that of a layer
    farther above it, in units of its spread, than any of theirs: by chance that happens once in a
    hundred times.

    Parameters
    ----------
    estimator, X, y, groups, random_state
        As for `purity`.

    Returns
    -------
    Finding
        Not looked at, if it finds no network in the estimator, or no number of epochs and no
        learning rate that can be 0.

    Notes
    -----
    The linear models see a trained network under a new head, whose own score is still chance.
    The idea is that of linear probes, https://arxiv.org/abs/1610.01644.

    Networks in functions that the estimator holds, such as the one that a FunctionTransformer
    embeds rows with, are looked at as well.

    A network may know the labels by right, trained on other rows of the same kind; whether the
    rows were others, this canary cannot tell. It does not see weights that a layer without
    `reset_parameters` carries, and an untrained instance with first weights of another kind than
    `reset_parameters` draws can set it off.
    """
    with left_alone(estimator):
        return _find(estimator, X, y, groups, random_state)


def _find(estimator, X, y, groups, random_state):
    untrained = without_training(estimator, X, y, random_state, groups)
    if untrained is None:
        evidence = (
            "It needs a number of epochs or a learning rate that can be 0, and found neither."
        )
        return Finding("carried_weights", None, evidence)
    subject, other = (
        fit_seeded(seeded_clone(estimator, seed).set_params(**untrained), X, y, seed, groups)
        for seed in (random_state, random_state + 1)
    )
    if not any(True for _ in networks_in(subject)):
        return Finding(
            "carried_weights",
            None,
            "It found no network: not in the estimator, nor in functions that it holds.",
        )
    if not have_weights_in_common(subject, other):
        evidence = "Two clones, trained for 0 epochs, have no weights in common."
        return Finding("carried_weights", False, evidence)
    scores = [scores_by_layer(subject, X, y, random_state)]
    for seed in range(random_state + 1, random_state + 1 + N_INITIALISED):
        reinitialise(subject, seed)
        scores.append(scores_by_layer(subject, X, y, random_state))
    scores = np.array(scores)
    from_median = scores - np.median(scores, axis=0)
    spread = np.abs(from_median).mean(axis=0)
    farness = np.divide(from_median, spread, out=np.zeros_like(scores), where=spread > 0)
    farness[:, 0] = np.abs(farness[:, 0])  # who scores far too low knows the labels as well
    leaked = bool(farness[0].max() > farness[1:].max())
    layer = int(farness[0].argmax()) if leaked and farness[0, 0] <= farness[1:].max() else 0
    return Finding("carried_weights", leaked, _evidence(scores, layer, leaked))


def _evidence(scores, column, leaked):
    what = f"a linear model of what its layer {column} gives out" if column else "a clone"
    own, others = scores[0, column], scores[1:, column]
    evidence = (
        f"After 0 epochs {what} scores {own:.2f}; {N_INITIALISED} initialised anew score "
        f"{others.min():.2f} to {others.max():.2f}."
    )
    if leaked:
        evidence += " Unless they were trained on other rows, let fit build its networks."
    return evidence


def have_weights_in_common(one, other):
    """Say whether any parameter, but for constants such as biases of 0, is equal in both."""
    for network, like in zip(networks_in(one), networks_in(other), strict=False):
        state = like.state_dict()
        for name, tensor in network.state_dict().items():
            value = tensor.detach().cpu().numpy()
            if name in state and value.size > 1 and value.min() < value.max():
                if np.array_equal(value, state[name].detach().cpu().numpy()):
                    return True
    return False


def scores_by_layer(estimator, X, y, seed):
    """Return the score of an estimator, and the R2 of a linear model of each layer's output."""
    with recorded_outputs(estimator) as outputs:
        own = estimator.score(X, y)
    target = np.asarray(y)
    if is_classifier(estimator):
        target = (target[:, None] == np.unique(target)).astype(float)
    rows = np.random.RandomState(seed).permutation(len(target))[:MOST_ROWS]
    train, test = np.array_split(rows, 2)
    scores = [own]
    for parts in outputs.values():
        output = np.concatenate(parts)
        if len(output) == len(target):
            output = scale(output[rows].astype(float))
            model = Ridge(alpha=len(rows)).fit(output[: len(train)], target[train])
            scores.append(model.score(output[len(train) :], target[test]))
    return scores


@contextmanager
def recorded_outputs(estimator):
    """Keep what the layers of an estimator's networks give out: arrays by layer."""
    outputs, hooks = {}, []

    def keep(layer, inputs, output):
        if hasattr(output, "detach"):
            array = output.detach().cpu().numpy()
            outputs.setdefault(id(layer), []).append(array.reshape(len(array), -1))

    for network in networks_in(estimator):
        for layer in network.modules():
            if not list(layer.children()):
                hooks.append(layer.register_forward_hook(keep))
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()
