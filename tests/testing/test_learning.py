"""Which parameters are taken for the moving average of which."""

from __future__ import annotations

from torch import nn

from ssl_bench.plugin.methods import frozen_copy
from ssl_bench.testing.learning import twins


class Network(nn.Module):
    """A head with a frozen part, its teacher, and a frozen table that belongs to nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        self.head[1].requires_grad_(False)
        self.teacher_head = frozen_copy(self.head)
        self.table = nn.Parameter(self.head[0].weight.detach().clone(), requires_grad=False)


def test_a_copy_belongs_to_the_trained_parameter_of_its_name() -> None:
    network = Network()
    pairs = twins(network)
    assert set(pairs) == {"teacher_head.0.weight", "teacher_head.0.bias"}
    for name, (teacher, student) in pairs.items():
        assert teacher.data_ptr() == network.get_parameter(name).data_ptr()
        assert student.data_ptr() == network.get_parameter(name.removeprefix("teacher_")).data_ptr()
