"""What a network under vmap writes by an index."""

import pytest
import torch
from torch.func import vmap

from helpers.fusing.vmapped import LookUps


@pytest.mark.parametrize("dim", [0, -2])
@pytest.mark.parametrize("in_place", [False, True])
def test_a_negative_index_is_one_of_its_own_network(dim, in_place):
    tables, index = torch.zeros(3, 5, 2), torch.tensor([[0, 1], [-1, 2], [4, -5]])

    def fill(table, index):
        return table.clone().index_fill_(dim, index, 1.0) if in_place else by_copy(table, index)

    def by_copy(table, index):
        return table.index_fill(dim, index, 1.0)

    with LookUps():
        found = vmap(fill)(tables, index)
    assert torch.equal(found, torch.stack([*map(fill, tables, index)]))
