"""The compiler: the passes by name and in order, and what they make of a program."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from tensorflow_federated.compiler import (
    call_dominant,
    lower_aggregations,
    lower_secure_sums,
    lower_selections,
    partition,
    plan,
    random_keys,
    simplify,
)
from tensorflow_federated.core import ir, traversal


@dataclasses.dataclass(frozen=True)
class Pass:
    """One transformation of a program.

    Attributes:
      name: what it is called in explanations.
      run: the transformation; every pass after the first takes call-dominant form.
    """

    name: str
    run: Callable[[ir.Lambda], ir.Lambda]


PASSES = (
    Pass("to call-dominant form", call_dominant.to_call_dominant),
    Pass("number the random keys", random_keys.number_draws),
    Pass("drop identities", simplify.drop_identities),
    Pass("remove what is unused", simplify.remove_unused_bindings),
    Pass("write selections as maps", lower_selections.lower_selections),
    Pass("write secure sums as folds", lower_secure_sums.lower_secure_sums),
    Pass("write extremes as folds", lower_aggregations.lower_extremes),
    Pass("write reductions as collections", lower_aggregations.lower_reductions),
    Pass("write means as sums", lower_aggregations.lower_means),
    Pass("merge maps", simplify.merge_maps),
)
"""The passes, in order. What they leave is cut into a Plan by `partition.to_plan`."""


def compile_computation(node: ir.Lambda | ir.Local, *, check: bool = False) -> plan.Plan:
    """Compiles a computation.

    Args:
      node: the computation.
      check: whether to check the laws of the program after every pass, as tests do.

    Returns:
      The plan, which any engine can run.

    Raises:
      TypeMismatchError: if the computation takes or returns functions.
    """
    _, program = trace_passes(node, check=check)[-1]
    plan_of_program = partition.to_plan(program, node.type_signature)
    if check:
        for step in plan_of_program.steps:
            traversal.check_ir(step.body, unique_names=True)
    return plan_of_program


def trace_passes(node: ir.Lambda | ir.Local, *, check: bool = False) -> list[tuple[str, ir.Lambda]]:
    """The program after each pass.

    Args:
      node: the computation.
      check: whether to check the laws of the program after every pass.

    Returns:
      The name of each pass, and the program that it made.
    """
    return list(iterate_passes(node, check=check))


def iterate_passes(
    node: ir.Lambda | ir.Local, *, check: bool = False
) -> Iterator[tuple[str, ir.Lambda]]:
    """Runs one pass after the other; arguments and elements are those of `trace_passes`."""
    if check:
        traversal.check_ir(node)
    program: ir.Lambda = traversal.as_lambda(node)
    for each in PASSES:
        program = each.run(program)
        if check:
            traversal.check_ir(program, unique_names=True)
        yield each.name, program
