"""Presets for which components take what they state for another one."""

from ssl_bench.components import LIKE, of_preset
from ssl_bench.config import PRESETS, load


def test_a_preset_takes_the_statements_of_the_one_that_it_is_like():
    assert of_preset({"demo": 1, "smoke": 2}, "nih-small") == 1
    assert of_preset({"demo": 1, "nih-small": 3}, "nih-small") == 3
    assert of_preset({"smoke": 2}, "nih-small") is None
    assert of_preset({"demo": 1}, "paper") is None


def test_every_likeness_is_between_presets():
    assert set(LIKE) | set(LIKE.values()) <= set(PRESETS)


def test_a_small_study_trains_simclr_at_the_head_and_the_rate_of_the_demonstration(registry):
    from ssl_bench.settle import settle

    demo, small = (settle(load(flags={"method": "simclr"}, name=name), registry) for name in ("demo", "nih-small"))
    options = [registry.options("method", "simclr", {}, name).model_dump() for name in ("demo", "nih-small")]
    assert options[0] == options[1]
    assert demo.pretrain.lr == small.pretrain.lr
    assert (small.data.size, small.pretrain.epochs) == (64, 8)
