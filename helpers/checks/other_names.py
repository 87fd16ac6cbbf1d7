"""Names of parameters in other libraries, and what stands for them here."""

from difflib import get_close_matches

CURES = {
    "Give epochs.": "max_epochs max_iter n_epochs num_epochs nb_epoch",
    "Give loss.": "criterion loss_fn",
    "Give lr.": "learning_rate learning_rate_init",
    "Give patience.": "early_stopping n_iter_no_change",
    "Give patience, and validation_fraction if need be.": "train_split validation_split "
    "validation_data eval_set X_val X_valid",
    "Give module.": "model net network build_fn",
    "Give module__hidden.": "hidden_layer_sizes hidden",
    "Give weight_decay.": "alpha l2",
    "Give random_state.": "seed",
    "Give clip.": "gradient_clip gradient_clip_val clipnorm max_grad_norm",
    "Give scoring to cross_validate or GridSearchCV.": "metrics",
    "Give patience, schedule or clip; set_callbacks(...) sets those of scikit-learn.": "callbacks",
    "The losses of all epochs are in history_. set_callbacks(ProgressBar()), imported from "
    "sklearn.callback, shows progress.": "verbose",
    "To train on, call partial_fit.": "warm_start",
    "Give class_weight.": "criterion__weight",
    "Rows are shuffled in each epoch.": "shuffle iterator_train__shuffle",
    "Give batch_size.": "iterator_train iterator_valid",
    "Give schedule, a function.": "scheduler lr_scheduler",
    "Give optimizer.": "solver",
    "Give optimizer='sgd' and optimizer__momentum.": "momentum",
    "Give module__dropout.": "dropout",
}
OTHERS = {name: cure for cure, names in CURES.items() for name in names.split()}

# What follows module_ or optimizer_ in names for the whole of it, or of all its arguments.
RESTS = dict.fromkeys(["", "class", "name", "type"], "")
RESTS |= dict.fromkeys("args arguments config kwargs options params".split(), "__<name> for each")


def cure_for(name, own_names):
    """Return what to do about a parameter that is none, as one misspelt; "" if nobody knows.

    Examples
    --------
    >>> from helpers.checks.other_names import cure_for
    >>> cure_for("criterion__weight", ["loss"]), cure_for("loss__weight", ["loss"])
    ('Give class_weight.', 'Set loss as a whole.')
    >>> cure_for("module_hidden", ["module"]), cure_for("batchsize", ["batch_size"])
    ('Give module__hidden.', 'Give batch_size.')
    >>> cure_for("optimizer_lr", ["lr"]), cure_for("optimizer_kwargs", ["lr"])
    ('Give lr.', 'Give optimizer__<name> for each.')
    """
    own, _, part = name.partition("__")  # as criterion__reduction of skorch
    if name in OTHERS:
        return OTHERS[name]
    if own in own_names:
        return f"Set {own} as a whole."
    if part and OTHERS.get(own) == "Give module.":
        return f"Give module__{part}."
    alike = get_close_matches(own.lower(), own_names, 1, cutoff=0.75)
    kind, _, rest = own.partition("_")
    if kind in ("module", "optimizer") and alike in ([], [kind]):  # none of a subclass
        return f"Give {rest if rest in own_names else kind + RESTS.get(rest, '__' + rest)}."
    return OTHERS.get(own, f"Give {alike[0]}." if alike else "")
