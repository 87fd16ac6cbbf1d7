"""Every private or undocumented name of another library that `helpers` uses.

A release may change such a name without a word. Then the import of this file or
`tests/test_compat.py` fails, and the comment beside the name says what is broken.
"""

import functools
import inspect

import torch

# What joblib sends to a worker of dask, errors captured: without it a search with something that
# cannot be pickled waits for ever.
from joblib._utils import _TracebackCapturingWrapper

# joblib calls its base class of backends experimental. Without it there is no `fused`.
# FallbackToBackend makes joblib go on with another backend: without it every forest and every
# kernel inside `fused` would be cut into tasks.
from joblib.parallel import FallbackToBackend, ParallelBackendBase

# Some rows of an array, a table or a list: canaries split all of them.
from sklearn.utils import _safe_indexing

# What a parameter may be: without them a wrong `lr` is not refused in scikit-learn's words.
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)

# `sample_weight` checked as scikit-learn does, and the number of rows of whatever has rows.
from sklearn.utils.validation import _check_sample_weight, _num_samples

# How to leave a mode of torch for a while, and which tensors are those of all networks under vmap:
# without them a code that is too large is looked up in the table of another network, and no tensor
# requires a gradient there.
from torch._C import DisableTorchFunction
from torch._C._functorch import get_unwrapped, is_batchedtensor

# A layer whose shape is not known yet has no memory to compare: without it a recipe of such
# layers is refused as one that returns the same weights twice.
from torch.nn.parameter import is_lazy

# Which modes are active in this thread: without them networks are built and asked without the mode
# that was to see them, and `fused` gives other scores. The default device is one, of no effect.
from torch.overrides import _get_current_function_mode_stack
from torch.utils._device import DeviceContext

# TorchDispatchMode sees each operation of a recipe: without it first weights differ between
# processors in a digit.
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack


def callbacks_of(estimator):
    """Return the callbacks of an estimator, which keeps them where nobody else may look.

    Without them `fused` does not see what a callback changes between epochs.
    """
    return tuple(getattr(estimator, "_skl_callbacks", ()))


def as_parameter(tensor):
    """Have a tensor be an `nn.Parameter` for isinstance, as weights under vmap are alone."""
    tensor._is_param = True
    return tensor


@functools.cache
def uncompiled(kind):
    """Return a class of torch's optimizers that takes the same steps without torch's compiler.

    torch wraps the methods of an optimizer to tell its compiler, `torch._dynamo`, of them. The
    first call loads it, 800 modules, which takes two seconds of each process that trains, and
    nothing is compiled here. If a release of torch wraps them otherwise, its own are called.
    """

    def is_not_torchs(function):
        home = getattr(function, "__globals__", {}).get("__name__")
        return home not in ("torch._compile", "torch.optim.optimizer")

    @functools.cache  # asked in each step: a user may have set another
    def bare(function):
        return inspect.unwrap(function, stop=is_not_torchs)

    def step(self, closure=None):
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            return bare(kind.step)(self, closure)

    names = "add_param_group", "load_state_dict", "state_dict", "zero_grad"
    methods = {name: bare(getattr(kind, name)) for name in names} | {"step": step}
    return type(kind.__name__, (kind,), methods | {"__module__": kind.__module__})


def seen_without_compiler(mode):
    """Have torch's compiler left alone by a `TorchDispatchMode`, for which torch would load it."""
    mode.__torch_dispatch__ = inspect.unwrap(mode.__torch_dispatch__)
    return mode


# Private attributes by their owner, written out where they are used.
ATTRIBUTES = {
    "sklearn.base.BaseEstimator": [
        "_validate_params",  # refuses what the table `_parameter_constraints` does not allow
        "_get_param_names",  # ours adds what a subclass hands on by **arguments: `clone` keeps it
    ],
    "sklearn.callback.CallbackSupportMixin": [
        "_init_callback_context",  # begins a fit for scikit-learn's callbacks: progress bars
    ],
    "torch.nn.Identity()": [
        "_forward_hooks",  # a network with hooks is trained alone; if one is not seen, it is lost
        "_forward_pre_hooks",
        "_backward_hooks",
        "_backward_pre_hooks",
        "_modules",  # where a layer is replaced by its batched form
        "_buffers",
        "_parameters",
        "_compiled_call_impl",  # a compiled network is trained alone, and the warning says so
    ],
    "torch.nn.Parameter()": [
        "_post_accumulate_grad_hooks",  # as the hooks of modules; copies would lose them
        "_version",  # tells that a network writes to its input: it gets new rows in each step
    ],
    "torch.nn.modules.module": [
        "_global_forward_hooks",  # hooks on all modules: nothing is stacked while there are any
        "_global_forward_pre_hooks",
        "_global_backward_hooks",
        "_global_backward_pre_hooks",
    ],
    "torch.nn.RNNBase": [
        "_init_flat_weights",  # makes _flat_weights, a second list of parameters: not an attribute
    ],
    "torch": [
        "_functorch",  # an error from there is one of vmap, and the warning says so
    ],
    "torch.optim.Optimizer": [
        "_optimizer_step_pre_hooks",  # a schedule among them would begin anew in partial_fit
        "_optimizer_step_post_hooks",
    ],
    "torch.optim.optimizer": [
        "_global_optimizer_pre_hooks",  # hooks on all optimizers: as those on all modules
        "_global_optimizer_post_hooks",
    ],
    "warnings": [
        "_showwarnmsg_impl",  # set by `catch_warnings(record=True)`: each fit records its own
    ],
    "os.environ": [
        "_data",  # read for each turn of a fit; the public way takes a hundred times as long
    ],
    "ipywidgets.Widget": [
        "_repr_mimebundle_",  # shows the buttons of `predict` without a line of text beside them
    ],
}
