"""What the package offers; nothing heavy is imported here."""

from collections.abc import Iterable

from ssl_bench import Component, DatasetSpec, FeatureSpec, Flag, LabelSpace, MethodSpec, hookimpl

TOY3 = LabelSpace(
    name="toy3",
    findings=("Fluid seen", "Air trapped", "Shadow"),
    other_names={"Fluid seen": ("Pleural Effusion",)},
    unions={"Shadow": ("Mass", "Infiltration")},
)
"""Two findings that others know, under another name or as a union, and one that nobody else has."""


@hookimpl
def sslbench_components() -> Iterable[Component]:
    """A method, and a dataset with features, findings and flags of its own."""
    return [
        MethodSpec(
            name="toy",
            target="sslbench_toy.method:Toy",
            options="sslbench_toy.options:ToyOptions",
            flags=(Flag(option="spread", help="Weight of the term that keeps features apart. [1]"),),
            summary="two crops of an image look alike",
        ),
        DatasetSpec(
            name="toy-ward",
            target="sslbench_toy.dataset:ToyWard",
            options="sslbench_toy.options:ToyWardOptions",
            features=("age", "oxygen", "shift"),
            declares=(
                FeatureSpec(name="oxygen", kind="number", unit="%", plausible=(0, 100), edges=(92,)),
                FeatureSpec(name="shift", values=("day", "night"), grouped=True),
            ),
            label_space="toy3",
            label_spaces=(TOY3,),
            flags=(
                Flag(option="ward", help="Ward of toy-ward whose images are read. [all]"),
                Flag(option="ward_table", help="Table of toy-ward, if it is not below --root.", path=True),
            ),
            summary="images of a ward, with saturation and shift",
        ),
    ]
