"""What users hand in, checked: can it be used, and if not, what is wrong and what would help?

Before a fit: `arguments` and `parameters` (with `other_names`, those of other libraries) look at
the parameters; `rows` (with `precision` and `datasets`) at `X`; `labels` at `y`; `row_weights` at
weights; `recipes` and `losses` at functions of the user's.

When the network is there: `shapes` has the sentences for one that does not fit the rows; `outputs`,
`answers` and `last_calls` look at what it returns. After the training: `divergence` and
`looking_back`.
"""
