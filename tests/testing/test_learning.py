"""Which parameters are taken for the moving average of which."""

from __future__ import annotations

from torch import nn

from ssl_bench.plugin.methods import frozen_copy
from ssl_bench.testing.learning import twins


class Network(nn.Module):
    """Heads, one of them with a frozen part, their teachers, and a frozen table that belongs to nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        self.head[1].requires_grad_(False)
        self.patch_head = nn.Sequential(nn.Linear(3, 3))
        for head in (self.head, self.patch_head):
            nn.init.zeros_(head[0].bias)  # as many do: then the values of both are the same
        self.teacher_head, self.teacher_patch_head = frozen_copy(self.head), frozen_copy(self.patch_head)
        self.table = nn.Parameter(self.head[0].weight.detach().clone(), requires_grad=False)


def test_a_copy_belongs_to_the_trained_parameter_of_its_name() -> None:
    network = Network()
    pairs = twins(network)
    parts = ("weight", "bias")
    assert set(pairs) == {f"teacher_{head}.0.{part}" for head in ("head", "patch_head") for part in parts}
    for name, (teacher, student) in pairs.items():
        assert teacher.data_ptr() == network.get_parameter(name).data_ptr()
        assert student.data_ptr() == network.get_parameter(name.removeprefix("teacher_")).data_ptr()
