"""Parameters module__* and optimizer__*, numbers of any library, and functions of the user's."""

import inspect
import re
from fractions import Fraction
from functools import cache, partial
from numbers import Real
from types import FunctionType

import numpy as np
import torch

from helpers.checks.other_names import cure_for

PREFIXES = ("module__", "optimizer__")
_PYTHON = {"b": bool, "i": int, "u": int, "f": float}


class ArgumentsMixin:
    """Gives an estimator parameters that begin with `module__` or `optimizer__`."""

    def _take_arguments(self, arguments):
        own = self._get_param_names()
        for name in arguments:
            if not name.startswith(PREFIXES):
                said = f"has no argument {name!r}. {cure_for(name, own)}".rstrip()
                raise TypeError(
                    f"{type(self).__name__} {said} Its arguments are {', '.join(own)}, "
                    "module__<name> for the module's, and optimizer__<name> for the optimizer's."
                )
        # In a dict of their own: scikit-learn's checks allow `__init__` no other public attributes
        # than its own arguments. A subclass may have set some already.
        self._arguments = vars(self).get("_arguments", {}) | arguments

    def __setattr__(self, name, value):
        """Set an attribute; ``module__*`` and ``optimizer__*`` as `set_params` does."""
        if name.startswith(PREFIXES):
            self._arguments = vars(self).get("_arguments", {}) | {name: value}
        else:
            super().__setattr__(name, value)

    def __getattr__(self, name):
        """Return ``module__*`` and ``optimizer__*``, as other parameters are attributes."""
        if name.startswith(PREFIXES) and name in vars(self).get("_arguments", ()):
            return self._arguments[name]
        return object.__getattribute__(self, name)  # which raises the error that led here

    def _refuse_others(self, given):
        """Raise a TypeError for an argument that fit does not have, a dict by name."""
        owner, own = type(self).__name__, self._get_param_names()
        for name in given:
            is_own = name in own or name.startswith(PREFIXES)
            of_fit = (*own, "sample_weight", "groups")
            cure = f"Set it before, {owner}({name}=...)." if is_own else cure_for(name, of_fit)
            raise TypeError(f"fit of {owner} has no argument {name!r}. {cure}".rstrip())

    @classmethod
    @cache  # asked some times in each fit
    def _get_param_names(cls):
        """Return the names of all parameters.

        Where the ``__init__`` of a subclass hands ``**arguments`` on, those of its parent are among
        them; scikit-learn alone would not see them, and `clone` would lose them.
        """
        names = set(super()._get_param_names())
        for parent in cls.__mro__[:-1]:  # all but object
            if "__init__" in vars(parent):
                parameters = list(inspect.signature(parent.__init__).parameters.values())[1:]
                names |= {p.name for p in parameters if p.kind != p.VAR_KEYWORD}
                if all(p.kind != p.VAR_KEYWORD for p in parameters):
                    break
        return tuple(sorted(names))

    def get_params(self, deep=True):
        """Get the parameters, ``module__*`` and ``optimizer__*`` included."""
        return super().get_params(deep) | self._arguments

    def set_params(self, **params):
        """Set parameters, ``module__*`` and ``optimizer__*`` included; build nothing."""
        arguments = {name: params[name] for name in params if name.startswith(PREFIXES)}
        self._refuse_parts(params)
        try:
            super().set_params(**{name: params[name] for name in params if name not in arguments})
        except ValueError as error:
            own = self._get_param_names()
            unknown = [name for name in params if name not in own and name not in arguments]
            cures = "".join(f" {cure}" for name in unknown if (cure := cure_for(name, own)))
            said = str(error).replace(" Valid parameters are", f"{cures} Valid parameters are")
            raise ValueError(
                f"{said} Arguments of the module are written module__<name>, those of the "
                "optimizer optimizer__<name>."
            ) from error
        self._arguments = self._arguments | arguments
        return self

    def _refuse_parts(self, params):
        """Raise a ValueError for a name as loss__weight, where loss has no parameters to set."""
        for name in params:
            own, _, part = name.partition("__")
            if not part or name.startswith(PREFIXES) or own not in self._get_param_names():
                continue
            value = params.get(own, getattr(self, own))
            if not hasattr(value, "set_params"):
                raise ValueError(
                    f"{name} cannot be set: {own} of {type(self).__name__}, here {value!r:.60}, "
                    f"has no parameters of scikit-learn's kind. Set {own} as a whole; in a search "
                    f"over its values, give several: {{'{own}': [..., ...]}}."
                )

    def _arguments_of(self, prefix):
        """Return the arguments that begin with a prefix, without it, numbers as Python's."""
        return {
            name.removeprefix(prefix): plain(value)
            for name, value in self._arguments.items()
            if name.startswith(prefix)
        }


def plain(value):
    """Return a number of numpy's, an array of no dimensions, or a fraction as Python's.

    The elements of a tuple or a list are treated alike; anything else is returned as it is.

    Examples
    --------
    >>> from helpers.checks.arguments import plain
    >>> plain(np.arange(3)[2]), plain(np.array(0.5)), plain((np.float32(0.5), 1)), plain("adam")
    (2, 0.5, (0.5, 1), 'adam')
    """
    if type(value) in (tuple, list):
        return type(value)(map(plain, value))
    if isinstance(value, (np.generic, np.ndarray)) and value.ndim == 0:
        convert = _PYTHON.get(value.dtype.kind)
        return value if convert is None else convert(value)
    return float(value) if isinstance(value, Fraction) else value


def plain_number(value):
    """Return a number as `plain` does, that of a tensor without dimensions as well."""
    is_tensor = isinstance(value, torch.Tensor) and not value.ndim
    return plain(value.item() if is_tensor else value)


def is_number(value, kind=Real):
    """Tell whether a value is a number of a kind.

    Python has its bools for integers, and numpy its lengths of time; they are none here.

    Examples
    --------
    >>> from numbers import Integral
    >>> from helpers.checks.arguments import is_number
    >>> is_number(2), is_number(0.5, Integral), is_number(True), is_number(np.timedelta64(1, "D"))
    (True, False, False, False)
    """
    return isinstance(value, kind) and not isinstance(value, (bool, np.timedelta64))


def name_of(function):
    """Return how a user knows a class, a function, a partial, an object, or a name in quotes."""
    if isinstance(function, str):
        return repr(str(function))
    function = unwrapped(function)
    return getattr(function, "__name__", None) or type(function).__name__


def unwrapped(function):
    """Return what a `functools.partial` calls, or the function itself."""
    return function.func if isinstance(function, partial) else function


def makes_another_kind(function, kind):
    """Tell whether a function is a class, or a partial of one, that makes no objects of a kind."""
    cls = unwrapped(function)
    own_new = isinstance(getattr(cls, "__new__", None), FunctionType)  # may return what it likes
    return isinstance(cls, type) and not issubclass(cls, kind) and not own_new


def check_call(what, function, given, cure=""):
    """Raise a TypeError unless a function, given as parameter `what`, can be called by position.

    The message names the arguments as in `given`, a tuple of str, and ends in `cure`.
    """
    try:
        # A decorator may take other arguments than the function inside, which it supplies.
        signature = inspect.signature(function, follow_wrapped=False)
    except Exception:  # one of C does not say what it takes, and an annotation may fail
        return
    try:
        signature.bind(*given)
    except TypeError as error:
        raise TypeError(
            f"{what} is called as {what}({', '.join(given)}), and {name_of(function)}{signature} "
            f"cannot be called so: {error}. {cure}".rstrip()
        ) from error


def parameters_of(function, follow_wrapped=True):
    """Return the parameters of a function, a list of `inspect.Parameter`; None if unknown."""
    try:
        return list(inspect.signature(function, follow_wrapped=follow_wrapped).parameters.values())
    except Exception:  # as in `check_call`
        return None


def names_by_place(function):
    """Return the names of the arguments that a function takes by position; none if unknown."""
    function = function.forward if isinstance(function, torch.nn.Module) else function
    parameters = parameters_of(function, follow_wrapped=False) or []
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def words_of(name):
    """Return the words in the name of an argument, in small letters."""
    return set(re.findall("[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))


def same(one, other):
    """Whether two arguments, or tuples or dicts of them, are equal, arrays and tensors included."""
    if one is other:
        return True
    if type(one) is type(other) and isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if type(one) is type(other) and isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(same, one, other))
    try:
        equal = np.asarray(one == other)  # of tensors as well
        return bool(equal.all()) and np.shape(one) == np.shape(other)
    except Exception:  # what cannot be compared is another object
        return False
