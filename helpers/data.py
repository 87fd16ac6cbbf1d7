"""Offline data whose truth is known."""

from sklearn.utils import check_random_state


def coin_flips(n_rows=100, n_features=10, *, random_state=0):
    """Draw labels that nothing can predict: on rows it has not seen, no model beats 0.5.

    Parameters
    ----------
    n_rows : int, default=100
    n_features : int, default=10
    random_state : int or RandomState, default=0

    Returns
    -------
    X : ndarray of shape (n_rows, n_features), float64
        Uniform on [0, 1).
    y : ndarray of shape (n_rows,), int64
        0 or 1, each with probability 1/2, independent of `X`.

    Examples
    --------
    >>> from helpers.data import coin_flips
    >>> X, y = coin_flips(4, 2)
    >>> X.round(2)
    array([[0.55, 0.72],
           [0.6 , 0.54],
           [0.42, 0.65],
           [0.44, 0.89]])
    >>> y
    array([0, 0, 0, 1])
    """
    rng = check_random_state(random_state)
    return rng.uniform(size=(n_rows, n_features)), rng.randint(2, size=n_rows)
