"""What a table holds equal: passes over the images, or floating-point operations."""

from __future__ import annotations

from dataclasses import replace

from ssl_bench.build.estimate import estimate
from ssl_bench.errors import UsageError
from ssl_bench.plan.plan import Plan


def with_budget(plan: Plan) -> Plan:
    """The plan with as many whole epochs as its budget of floating-point operations pays for.

    With ``pretrain.budget`` at ``epochs``, and for a method that is not trained, the plan itself.

    Raises:
        UsageError: no operations are stated, or they do not pay for one epoch.
    """
    pretrain = plan.config.pretrain
    if pretrain.budget == "epochs" or not plan.parts.method.component.trains:
        return plan
    if pretrain.tflop is None:
        raise UsageError("a budget of flops needs their number; add --tflop, for example what a dry run says in all")
    one = with_epochs(plan, 1)
    epoch = estimate(one).step_flops * one.steps
    epochs = int(pretrain.tflop * 1e12 // epoch)
    if not epochs:
        raise UsageError(f"an epoch of '{plan.parts.method.name}' costs {epoch / 1e12:.3g} TFLOP, found a budget of "
                         f"{pretrain.tflop:g}; raise --tflop")  # fmt: skip
    return with_epochs(plan, epochs)


def with_epochs(plan: Plan, epochs: int) -> Plan:
    """The plan with another number of epochs."""
    pretrain = plan.config.pretrain.model_copy(update={"epochs": epochs})
    return replace(plan, config=plan.config.model_copy(update={"pretrain": pretrain}))
