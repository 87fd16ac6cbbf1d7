"""The canary for weights that a clone brings along."""

from contextlib import contextmanager

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import scale

from helpers._compat import _num_samples
from helpers.leakage.estimators import some_rows
from helpers.leakage.finding import Finding
from helpers.leakage.inputs import task_of
from helpers.leakage.outside import fitted_in, left_alone, networks_in
from helpers.leakage.probes import (
    differ,
    fit_seeded,
    reinitialise,
    seed_of,
    seeded_clone,
    without_training,
)
from helpers.leakage.tables import as_numbers, what_rows_are
from helpers.leakage.wide import made_smaller
from helpers.leakage.within import asked_within
from helpers.tensors import as_numpy

N_INITIALISED = 99  # exceeded by all of them by chance: 1 %
MOST_ROWS = 500  # that are scored, and that a linear model is fitted to
MOST_WEIGHTS = 10**6  # beyond them, fewer rows and fewer first weights
NO_EPOCHS = (
    "It needs a number of epochs or a learning rate that can be 0, and found neither, nor a "
    "network that fit leaves alone."
)
NOT_ASKED = "No network that fit leaves alone is asked when it predicts."
NO_NETWORK = "It found no network: not in the estimator, nor in functions that it holds."


def carried_weights(estimator, X, y, *, groups=None, random_state=0):
    """Does a clone know the labels before it has trained?

    Trains two clones for 0 epochs, under different seeds. Unless they have weights in common,
    nothing was carried. Else it scores the first; scores a linear model (R2) of what each of its
    layers gives out, fitted to half of the rows; and does both again 99 times with networks
    initialised anew. It leaked if its own score lies farther from the median, or that of a layer
    farther above it, in units of its spread, than any of theirs, which by chance happens once in a
    hundred times; and if the layer scores more than a forest and nearest neighbours of the rows.

    Where nothing can be trained for 0 epochs, it looks at the layers of those networks alone that
    are parameters and that `fit` leaves as they are: a network that embeds rows in a Pipeline. If
    there are none, it looks at the estimators within, as in CalibratedClassifierCV, one by one.

    Parameters
    ----------
    estimator, X, y, groups, random_state
        As for `purity`.

    Returns
    -------
    Finding
        Not looked at, if it finds no network; or no number of epochs and no learning rate that can
        be 0, and no network that `fit` leaves alone. Nor where it sees no leak, and the clone or
        a function of it holds another estimator that is fitted already, such as a forest in a
        FrozenEstimator: on which rows, it cannot tell.

    Notes
    -----
    The linear models see a trained network under a new head, whose own score is still chance.
    The idea is that of linear probes, https://arxiv.org/abs/1610.01644.

    Networks that functions of the estimator or its methods use, such as the one that a
    FunctionTransformer embeds rows with, are looked at as well. Of many rows it takes 500 at
    random, and 100 where networks have more than a million weights, which are initialised anew 19
    times only.

    A network may know the labels by right, trained on other rows of the same kind; whether the
    rows were others, this canary cannot tell. It is quiet as long as models of the rows themselves
    do as well as its layers. It does not see weights that a layer without `reset_parameters`
    carries, and an untrained instance with first weights of another kind than `reset_parameters`
    draws can set it off.
    """
    random_state = seed_of(random_state)
    fitted = fitted_in(seeded_clone(estimator, random_state))
    if not fitted or networks_in(estimator):
        with left_alone(estimator):
            finding = _find(estimator, X, y, groups, random_state)
            if finding.evidence in (NO_EPOCHS, NOT_ASKED):  # as of one that calibrates on labels
                known = {"groups": groups, "random_state": random_state}
                finding = asked_within(carried_weights, estimator, X, y, **known) or finding
        if finding.leaked or not fitted:
            return finding
    names = ", ".join(sorted({type(part).__name__ for part in fitted}))
    evidence = (
        f"A clone brings along what was fitted before: {names}. On which rows? If on any of these, "
        "hand it over not fitted, in a Pipeline, so that each fold fits its own."
    )
    return Finding("carried_weights", None, evidence)


def _find(estimator, X, y, groups, random_state):
    weights = (weight for network in networks_in(estimator) for weight in network.parameters())
    is_large = sum(weight.numel() for weight in weights) > MOST_WEIGHTS
    n_rows, n_initialised = (100, 19) if is_large else (MOST_ROWS, N_INITIALISED)
    rows = np.random.RandomState(random_state).permutation(_num_samples(X))[:n_rows]
    X, y, groups = (some_rows(values, np.sort(rows)) for values in (X, y, groups))
    untrained = without_training(estimator, X, y, random_state, groups)
    clones = [seeded_clone(estimator, seed) for seed in (random_state, random_state + 1)]
    for number, subject in enumerate(clones):
        subject.set_params(**untrained or {})
        fit_seeded(subject, X, y, random_state + number, groups)
    subject, other = clones
    networks = networks_in(subject)
    if untrained is None:
        given = networks_in(seeded_clone(estimator, random_state))
        networks = [net for net in networks if any(have_same_weights(net, like) for like in given)]
    if not networks:
        return Finding("carried_weights", None, NO_EPOCHS if untrained is None else NO_NETWORK)
    own = untrained is not None  # a head that was trained on these layers must score more on them
    if own and not have_weights_in_common(networks, networks_in(other)):
        evidence = "Two clones with different seeds, trained for 0 epochs, share no weights."
        return Finding("carried_weights", False, evidence)
    scores = [scores_by_layer(subject, networks, X, y, random_state, own)]
    if not own and len(scores[0]) == 1:  # as of a loss
        return Finding("carried_weights", None, NOT_ASKED)
    for seed in range(random_state + 1, random_state + 1 + n_initialised):
        reinitialise(networks, seed)
        scores.append(scores_by_layer(subject, networks, X, y, random_state, own))
    classes = task_of(estimator) == "classification"
    return _judged(np.array(scores), lambda: learnable(X, y, classes, random_state))


def _judged(scores, learn):
    """Compare the scores of a clone, in the first row, with those of others, initialised anew.

    What models of the rows score is asked only where it matters.
    """
    from_median = scores - np.median(scores, axis=0)
    spread = np.abs(from_median).mean(axis=0)
    farness = np.divide(from_median, spread, out=np.zeros_like(scores), where=spread > 0)
    farness[:, 0] = np.abs(farness[:, 0])  # who scores far too low knows the labels as well
    most = farness[1:].max()
    is_asked = (farness[0, 1:] > most).any() or not scores[:, 0].any()
    learnt = learn() if is_asked else np.inf
    farness[0, 1:][scores[0, 1:] <= learnt] = 0
    leaked = bool(farness[0].max() > most)
    layer = int(farness[0].argmax()) if leaked and farness[0, 0] <= most else 0
    if not leaked and not scores[:, 0].any() and scores.shape[1] > 1:
        layer = 1 + int(scores[0, 1:].argmax())
    what = f"a linear model of what its layer {layer} gives out" if layer else "a clone"
    own, others = scores[0, layer], scores[1:, layer]
    evidence = (
        f"After 0 epochs {what} scores {own:.2f}; {len(others)} initialised anew score "
        f"{others.min():.2f} to {others.max():.2f}"
    )
    evidence += f", models of the rows {learnt:.2f}." if layer else "."
    if leaked:
        evidence += " Unless they were trained on other rows, let fit build its networks."
    return Finding("carried_weights", leaked, evidence)


def have_same_weights(network, like):
    """Say whether two networks are of one kind and equal in every weight."""
    return type(network) is type(like) and not differ(network.state_dict(), like.state_dict())


def have_weights_in_common(some, others):
    """Say whether any parameter, but for constants such as biases of 0, is equal in both."""
    for network, like in zip(some, others, strict=False):
        state = like.state_dict()
        for name, tensor in network.state_dict().items():
            value = as_numpy(tensor)
            if name in state and value.size > 1 and value.min() < value.max():
                if np.array_equal(value, as_numpy(state[name])):
                    return True
    return False


def scores_by_layer(estimator, networks, X, y, seed, own):
    """Return the score of an estimator, or 0, and the R2 of a linear model of each layer."""
    with recorded_outputs(networks) as outputs:
        scores = [estimator.score(X, y) if own else 0 * len(estimator.predict(X))]
    target, train, test = _halves(y, task_of(estimator) == "classification", seed)
    for parts in outputs.values():
        output = np.concatenate(parts)
        if len(output) == len(target):
            output = scale(output.astype(float))
            model = Ridge(alpha=len(target)).fit(output[train], target[train])
            scores.append(model.score(output[test], target[test]))
    return scores


def learnable(X, y, classes, seed):
    """Return the R2 that a forest or nearest neighbours of the rows themselves reach at best."""
    if what_rows_are(X):
        return -np.inf
    rows, (target, train, test) = scale(as_numbers(made_smaller(X)[0])), _halves(y, classes, seed)
    models = RandomForestRegressor(50, random_state=seed), KNeighborsRegressor()
    return max(m.fit(rows[train], target[train]).score(rows[test], target[test]) for m in models)


def _halves(y, classes, seed):
    """Return the target as numbers, one column a class, and the rows of two halves."""
    target = np.asarray(y)
    if classes and target.ndim == 1:
        target = (target[:, None] == np.unique(target)).astype(float)
    return target, *np.array_split(np.random.RandomState(seed).permutation(len(target)), 2)


@contextmanager
def recorded_outputs(networks):
    """Keep what the layers of networks give out: arrays by layer."""
    outputs, hooks = {}, []

    def keep(layer, inputs, output):
        if hasattr(output, "detach") and output.ndim:  # not one number for all rows
            array = as_numpy(output)
            outputs.setdefault(id(layer), []).append(array.reshape(len(array), -1))

    for network in networks:
        for layer in network.modules():
            if not list(layer.children()):
                hooks.append(layer.register_forward_hook(keep))
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()
