"""Names of parameters in other libraries, and what stands for them here."""

OTHERS = {
    **dict.fromkeys(("max_epochs", "max_iter", "n_epochs", "num_epochs"), "Give epochs."),
    **dict.fromkeys(("criterion", "loss_fn"), "Give loss."),
    **dict.fromkeys(("learning_rate", "learning_rate_init"), "Give lr."),
    **dict.fromkeys(("early_stopping", "n_iter_no_change"), "Give patience."),
    **dict.fromkeys(
        ("train_split", "validation_split", "validation_data", "eval_set"),
        "Give patience, and validation_fraction if need be.",
    ),
    **dict.fromkeys(("model", "net", "network"), "Give module."),
    **dict.fromkeys(("hidden_layer_sizes", "hidden"), "Give module__hidden."),
    "alpha": "Give weight_decay.",
    "seed": "Give random_state.",
    "callbacks": "Those of scikit-learn are set by set_callbacks(...).",
    "verbose": "The losses of all epochs are in history_. set_callbacks(ProgressBar()), imported "
    "from sklearn.callback, shows progress.",
    "warm_start": "To train on, call partial_fit.",
    "shuffle": "Rows are shuffled in each epoch.",
    **dict.fromkeys(("iterator_train", "iterator_valid"), "Give batch_size."),
    **dict.fromkeys(("scheduler", "lr_scheduler"), "Give schedule, a function."),
    "solver": "Give optimizer.",
    "momentum": "Give optimizer='sgd' and optimizer__momentum.",
    "dropout": "Give module__dropout.",
}


def cure_for(name, own_names):
    """Return what to do about a parameter that is none, "" if nobody knows.

    Examples
    --------
    >>> from helpers.checks.other_names import cure_for
    >>> cure_for("criterion__weight", ["loss"]), cure_for("loss__weight", ["loss"])
    ('Give loss.', 'Set loss as a whole.')
    """
    own = name.partition("__")[0]  # as criterion__weight of skorch
    return f"Set {own} as a whole." if own in own_names else OTHERS.get(own, "")
