"""One step for networks side by side is the step that torch takes for each alone."""

from functools import partial

import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import load_iris

from helpers import TorchClassifier, fused
from helpers.checks.arguments import unwrapped
from helpers.fusing.optimizer import BatchedOptimizer
from helpers.jobs import Job
from helpers.optimizers import OPTIMIZERS

X, y = load_iris(return_X_y=True)
SHAPES = [(4, 3), (3,), ()]  # of one network; a number may be a parameter, too
RATES, DECAYS = [0.01, 0.02, 0.3], [0.0, 0.1, 0.01]
KINDS = {
    **{name: (name, {}) for name in OPTIMIZERS},
    "sgd, momentum": ("sgd", {"momentum": 0.9, "nesterov": True}),
    "adam, amsgrad": ("adam", {"betas": (0.8, 0.9), "amsgrad": True}),
    "rmsprop, centered": ("rmsprop", {"centered": True, "momentum": 0.5}),
}


def job(kind, lr, decay):
    name, arguments = kind
    return Job(
        *(None, torch.zeros(1), None, None, None, name, lr, decay, 1, None),
        optimizer_arguments=arguments,
    )


def of_torch(name):
    """Return torch's own optimizer where ours does without its compiler, with our arguments."""
    make = OPTIMIZERS[name]
    kind = getattr(torch.optim, unwrapped(make).__name__)
    return partial(kind, **getattr(make, "keywords", {}))


def gradients(step):
    """Return the gradients of a step, transposed where they can be; one is missing in step 2."""
    generator = torch.Generator().manual_seed(step)
    whole = [torch.randn(3, *shape, generator=generator, dtype=torch.float64) for shape in SHAPES]
    return [whole[0].mT.contiguous().mT, None if step == 2 else whole[1], whole[2]]


@pytest.mark.parametrize("name", KINDS)
def test_steps_are_torchs_own_and_go_on_from_a_saved_state(name):
    kind = KINDS[name]
    torch.manual_seed(0)
    together = [torch.randn(3, *shape, dtype=torch.float64) for shape in SHAPES]
    alone = [[whole[i].clone() for whole in together] for i in range(3)]
    jobs = [job(kind, lr, decay) for lr, decay in zip(RATES, DECAYS, strict=True)]
    optimizers = [
        of_torch(kind[0])(own, lr=lr, weight_decay=decay, **kind[1])
        for own, lr, decay in zip(alone, RATES, DECAYS, strict=True)
    ]
    states = [{}, {}, {}]
    for step in range(5):
        if step in (0, 3):  # a new stack takes over what the old one remembers
            batched = BatchedOptimizer(together, jobs, states)
        batched.step(gradients(step))
        states = [batched.state_of(i) for i in range(3)]
        for i, (own, optimizer) in enumerate(zip(alone, optimizers, strict=True)):
            for parameter, of_all in zip(own, gradients(step), strict=True):
                parameter.grad = None if of_all is None else of_all[i].contiguous()
            optimizer.step()
    for i, (own, optimizer) in enumerate(zip(alone, optimizers, strict=True)):
        for parameter, whole in zip(own, together, strict=True):
            torch.testing.assert_close(whole[i], parameter, rtol=0, atol=1e-12)
        saved = optimizer.state_dict()["state"]
        assert states[i].keys() == saved.keys()
        for number, of_parameter in saved.items():
            for key, value in of_parameter.items():
                if value is not None:
                    torch.testing.assert_close(states[i][number][key], value, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_without_the_compiler_hooks_and_steps_of_the_user_are_called(name, monkeypatch):
    weight, called = torch.nn.Parameter(torch.ones(2)), []
    optimizer = OPTIMIZERS[name]([weight], lr=0.1)
    of_user = of_torch(name)([torch.nn.Parameter(torch.ones(2))])
    assert optimizer.defaults == of_user.defaults | {"lr": 0.1}
    assert repr(optimizer).partition("\n")[0] == repr(of_user).partition("\n")[0]
    optimizer.register_step_post_hook(lambda *_: called.append("hook"))
    weight.grad = torch.ones(2)
    optimizer.step()
    assert (weight < 1).all() and weight.requires_grad
    monkeypatch.setattr(type(of_user), "step", lambda *_: called.append("step"))
    optimizer.step()
    assert called == ["hook", "step", "hook"]


GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def fit(clf, calls):
    for _ in range(calls):
        clf.partial_fit(X, y)
    return clf if calls else clf.fit(X, y)


@GPU
@pytest.mark.parametrize(
    "options, calls", [({"epochs": 3}, 0), ({"epochs": 9, "patience": 2}, 0), ({}, 3)]
)
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_on_a_gpu(optimizer, options, calls):
    clf = TorchClassifier(optimizer=optimizer, batch_size=32, device="cuda", random_state=0)
    fits = [clone(clf).set_params(lr=lr, **options) for lr in (0.01, 0.02)]
    alone = [fit(clone(each), calls) for each in fits]
    with fused() as run:
        together = Parallel()(delayed(fit)(each, calls) for each in fits)
    assert run.batches == [2] * max(calls, 1)
    for one, other in zip(alone, together, strict=True):
        for weight, stacked in zip(
            one.module_.parameters(), other.module_.parameters(), strict=True
        ):
            torch.testing.assert_close(stacked, weight, rtol=0, atol=1e-8)
        for state in other._optimizer_state.values():
            assert all(value.device.type == "cpu" for value in state.values())
