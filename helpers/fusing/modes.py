"""Modes of torch, which see all that one thread computes."""

from helpers._compat import (
    DeviceContext,
    _get_current_dispatch_mode_stack,
    _get_current_function_mode_stack,
)


def active_mode():
    """Return the name of a mode that is active in this thread, or None.

    Other threads do not have it: not those of tasks, which build networks and predict, nor those
    of the parts of a stack. The default device is a mode as well, but of no effect on estimators.

    Examples
    --------
    >>> from torch.utils.flop_counter import FlopCounterMode
    >>> with FlopCounterMode(display=False):
    ...     active_mode()
    'FlopCounterMode'
    >>> active_mode() is None
    True
    """
    modes = *_get_current_function_mode_stack(), *_get_current_dispatch_mode_stack()
    others = (mode for mode in modes if not isinstance(mode, DeviceContext))
    return next((type(mode).__name__.lstrip("_") for mode in others), None)
