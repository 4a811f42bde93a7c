"""Every method plans, builds and is measured on shapes alone, with its number of labels, on a ViT and a CNN."""

import pytest

METHODS = ["simclr", "byol", "vicreg", "dino", "simsiam", "moco-v3", "mae", "ijepa", "dinov2", "supervised"]


@pytest.mark.parametrize("backbone", ["vit-micro", "resnet18"])
@pytest.mark.parametrize("method", METHODS)
def test_a_dry_run_tells_the_cost(sslbench, tiny_nih, method, backbone):
    flags = ["--preset", "smoke", "--data", "nih14", "--root", tiny_nih(), "--features", "age,sex", "--dry-run"]
    answer = sslbench("run", "--method", method, "--backbone", backbone, *flags)
    if method in ("mae", "ijepa", "dinov2") and backbone == "resnet18":
        assert "drops patches and needs a ViT" in answer.sentence
        return
    assert answer.code == 0, answer.err
    lines = dict(line.split(":", 1) for line in answer.out.splitlines() if ":" in line)
    assert f"{method}, recipe reference" in lines["method"]
    assert float(lines["cost"].split()[0].replace(",", "")) > 0
    assert lines["fusion"].strip() == "concat"
