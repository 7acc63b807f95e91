"""What the constructors of the forms ask of their parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tensorflow_federated.backends.mapreduce import errors
from tensorflow_federated.compiler import phases
from tensorflow_federated.core import arguments, ir, placements, traversal
from tensorflow_federated.core import errors as core_errors
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.placements import PlacementLiteral
from tensorflow_federated.core.types import StructType, Type


def check_computations(form: str, parts: Mapping[str, object]) -> None:
    """Raises `FormPartError` if a part is no computation.

    Args:
      form: the name of the form.
      parts: the parts by name.
    """
    arguments.check_instances(
        parts,
        ConcreteComputation,
        f"the parts of a `{form}` are computations.",
        fix="decorate the function, and give the types of its parameters.",
        error=errors.FormPartError,
    )


def check_local(summary: str, programs: Mapping[str, ir.Node]) -> None:
    """Raises `FormPartError` if a program has a placement in it, or in its type.

    Args:
      summary: what the error says first.
      programs: the programs by name.
    """
    problems: list[str] = []
    for label, program in programs.items():
        placed = [
            each
            for each in (placements.SERVER, placements.CLIENTS)
            if phases.is_at(program.type_signature, each)
        ]
        if placed:
            problems.append(f"{label}: expected no placement, got {program.type_signature}")
        else:
            problems.extend(f"{label}: calls `{uri}`" for uri in _placed_intrinsics(program))
    if problems:
        raise errors.FormPartError(
            summary,
            problems=problems,
            fix="make it with `@tff.jax.computation` or `@tff.tensorflow.computation`, or of a "
            "federated one with `consolidate_and_extract_local_processing`.",
        )


def _placed_intrinsics(node: ir.Node) -> Iterator[str]:
    for each in traversal.iterate(node):
        if isinstance(each, ir.Intrinsic) and each.definition.kind != "local":
            yield each.uri


def check_length(
    form: str,
    patterns: Mapping[str, str],
    types: Iterable[tuple[str, Type | None, int]],
    cls: type[core_errors.FederatedError] = errors.FormPartError,
) -> None:
    """Raises an error if a type is no structure of a given length.

    Args:
      form: the name of the form.
      patterns: the type of each part, with letters for what the parts agree about.
      types: the label of each type, the type, and the length that is expected.
      cls: the class of the error.
    """
    problems: list[str] = []
    for label, type_signature, length in types:
        if not isinstance(type_signature, StructType) or len(type_signature) != length:
            problems.append(f"{label}: expected a structure of {length}, got {type_signature}")
    if problems:
        raise _misfit(form, patterns, problems, cls)


def elements(type_signature: Type | None) -> list[Type]:
    """The types of the elements of a structure, after `check_length`."""
    assert isinstance(type_signature, StructType)
    return [element for _, element in type_signature.items()]


def check_fits(
    form: str, patterns: Mapping[str, str], fits: Iterable[tuple[str, Type | None, Type | None]]
) -> None:
    """Raises `FormPartError` if what one part takes is not what another gives.

    Args:
      form: the name of the form.
      patterns: the type of each part, with letters for what the parts agree about.
      fits: a label, the type that is taken, and the type that is given.
    """
    problems: list[str] = []
    for label, taken, given in fits:
        if taken is None or given is None:
            if taken is not given:
                problems.append(f"{label}: expected {taken}, got {given}")
        else:
            problems.extend(taken.differences(given, path=label))
    if problems:
        raise _misfit(form, patterns, problems, errors.FormPartError)


def _misfit(
    form: str,
    patterns: Mapping[str, str],
    problems: list[str],
    cls: type[core_errors.FederatedError],
) -> core_errors.FederatedError:
    """The error for parts whose types do not fit; it shows the types of those that it names."""
    text = " ".join(problems)
    named = [f"{label} {pattern}" for label, pattern in patterns.items() if label in text]
    return cls(
        f"the parts of this `{form}` do not fit together.",
        problems=problems,
        signature=", ".join(named),
        fix="let each letter of these types stand for one type.",
    )


def check_at(form: str, parts: Mapping[str, tuple[ConcreteComputation, PlacementLiteral]]) -> None:
    """Raises `FormPartError` if a part has another placement in it than the one it works at."""
    problems: list[str] = []
    for label, (part, placement) in parts.items():
        for other in {placements.SERVER, placements.CLIENTS} - {placement}:
            found = [
                each
                for each in traversal.iterate(part.node)
                if phases.is_at(each.type_signature, other)
            ]
            if found:
                problems.append(
                    f"{label}: expected {placement} alone, got {found[0].type_signature}"
                )
    if problems:
        raise errors.FormPartError(
            f"the parts of a `{form}` work at one place each.",
            problems=problems,
            fix="values change their place in the broadcast and in the aggregation only.",
        )


def summary_lines(parts: Mapping[str, ConcreteComputation], width: int) -> Iterator[str]:
    """One line for each part: its name and its type."""
    for label, part in parts.items():
        yield f"{label:<{width}}: {part.type_signature.compact_representation()}"
