"""Modes and settings that belong to one thread, of torch and of scikit-learn."""

from functools import partial

import torch
from sklearn import config_context, get_config
from torch.overrides import TorchFunctionMode

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


def settings_of_thread():
    """Return what makes, in another thread, contexts with the settings of this one."""
    settings = [
        partial(config_context, **get_config()),
        partial(torch.inference_mode, torch.is_inference_mode_enabled()),
        partial(torch.set_grad_enabled, torch.is_grad_enabled()),
    ]
    for kind in ("cpu", "cuda"):
        if torch.is_autocast_enabled(kind):
            settings.append(partial(torch.autocast, kind, dtype=torch.get_autocast_dtype(kind)))
    if torch.cuda.is_initialized():
        settings.append(partial(torch.cuda.device, torch.cuda.current_device()))
    device = torch.empty(0).device
    if device.type != "cpu":
        settings.append(partial(torch.device, device))
    return settings


class CoarseNumbers(TorchFunctionMode):
    """Notes the first dtype that is met with a larger rounding than float32, as under autocast."""

    dtype = None

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        dtype = getattr(result, "dtype", None)
        if isinstance(dtype, torch.dtype) and dtype.is_floating_point and self.dtype is None:
            if torch.finfo(dtype).eps > torch.finfo(torch.float32).eps:
                self.dtype = dtype
        return result
