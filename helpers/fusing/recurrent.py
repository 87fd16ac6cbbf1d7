"""LSTM, GRU and RNN side by side, the rows before the time: (n_networks, n, n_steps, n_in)."""

from functools import partial

import torch
from torch import nn


class BatchedRecurrent(nn.Module):
    """An LSTM, GRU or RNN side by side; each step is one product for all networks."""

    def __init__(self, layer, tensors, chance):
        super().__init__()
        self.tensors, self.batch_first = tensors, layer.batch_first
        self.n_layers, self.n_directions = layer.num_layers, 1 + layer.bidirectional
        self.n_states = 2 if type(layer) is nn.LSTM else 1
        if isinstance(layer, nn.RNN):
            self.step = partial(rnn_step, getattr(torch, layer.nonlinearity))
        else:
            self.step = lstm_step if type(layer) is nn.LSTM else gru_step
        self.n_hidden = layer.hidden_size

    @staticmethod
    def supports(layer):
        drops = layer.dropout > 0 and layer.num_layers > 1  # it is between them
        return not drops and layer.proj_size == 0

    def forward(self, X, *states):
        """Return the outputs and the last states, each (n_networks, n_layers, n, n_hidden)."""
        if X.ndim != 4:
            raise RuntimeError("it has a recurrent layer for inputs of other than 3 axes")
        X = X.transpose(1, 2) if self.batch_first else X  # the time first, then the rows
        if not states:
            n_all = self.n_layers * self.n_directions
            zeros = X.new_zeros(len(X), n_all, X.shape[2], self.n_hidden)
            states = (zeros,) * self.n_states
        last = []
        for layer in range(self.n_layers):
            outputs = []
            for direction in range(self.n_directions):
                number = layer * self.n_directions + direction
                first = tuple(state[:, number] for state in states)
                suffix = f"_l{layer}" + "_reverse" * direction
                along, state = self._run(X.flip(1) if direction else X, first, suffix)
                outputs.append(along.flip(1) if direction else along)
                last.append(state)
            X = torch.cat(outputs, -1)
        states = (torch.stack(each, 1) for each in zip(*last, strict=True))
        return (X.transpose(1, 2) if self.batch_first else X), *states

    def _run(self, X, state, suffix):
        """Return the outputs of one layer in one direction, and its last state."""
        of_X, of_state = (self.tensors[f"weight_{kind}{suffix}"].mT for kind in ("ih", "hh"))
        biases = [self.tensors.get(f"bias_{kind}{suffix}") for kind in ("ih", "hh")]
        from_X = _linear(X.flatten(1, 2), of_X, biases[0]).unflatten(1, X.shape[1:3])
        outputs = []
        for now in from_X.unbind(1):
            state = self.step(now, _linear(state[0], of_state, biases[1]), state)
            outputs.append(state[0])
        return torch.stack(outputs, 1), state


def _linear(X, weight, bias):
    return torch.bmm(X, weight) if bias is None else torch.baddbmm(bias.unsqueeze(1), X, weight)


def lstm_step(from_X, from_state, state):
    into, forget, new, out = (from_X + from_state).chunk(4, -1)
    cell = forget.sigmoid() * state[1] + into.sigmoid() * new.tanh()
    return out.sigmoid() * cell.tanh(), cell


def gru_step(from_X, from_state, state):
    (reset, keep, new), (reset_too, keep_too, new_too) = (
        part.chunk(3, -1) for part in (from_X, from_state)
    )
    reset, keep = (reset + reset_too).sigmoid(), (keep + keep_too).sigmoid()
    new = (new + reset * new_too).tanh()
    return ((1 - keep) * new + keep * state[0],)


def rnn_step(nonlinearity, from_X, from_state, state):
    return (nonlinearity(from_X + from_state),)
