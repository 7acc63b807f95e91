"""Modules of StableHLO as text: without the author's code, and checked before they are compiled.

The text is read by MLIR's parser, which tells what is wrong with a text of unknown origin. Its
reader of bytecode does not: it may bring the process down.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from jax.extend import mlir
from jax.extend.mlir import ir
from jax.extend.mlir.dialects import stablehlo
from jax.interpreters import mlir as lowering

_DIALECTS = ("builtin", "chlo", "func", "sdy", "stablehlo")
_DEEPEST_NESTING = 100
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKET = re.compile(r"[][(){}<>]")

# What XLA itself, its random numbers and its linear algebra bring along. Calls of Python are custom
# calls too, and are not among these.
_CUSTOM_CALLS = frozenset(
    {
        "ApproxTopK",
        "Eigh",
        "LuDecomposition",
        "ProductOfElementaryHouseholderReflectors",
        "Qr",
        "Sharding",
        "cu_threefry2x32_ffi",
        "hip_threefry2x32_ffi",
        "shape_assertion",
        "stablehlo.dynamic_approx_top_k",
        "stablehlo.dynamic_reduce_window",
        "stablehlo.dynamic_rng_bit_generator",
        "stablehlo.dynamic_top_k",
    }
)
_LINEAR_ALGEBRA = re.compile(r"(lapack|cusolver|cublas|hipsolver|hipblas)_[a-z0-9_]+_ffi\Z")


class ModuleError(Exception):
    """A text is no module that may be used; says why."""


def to_text(module: bytes) -> str:
    """The text of a serialized module; it does not tell where its operations come from.

    The same function gives the same text, wherever it was written.
    """
    with lowering.make_ir_context() as context:
        parsed = mlir.deserialize_portable_artifact(module, context)
        return parsed.operation.get_asm(enable_debug_info=False)


def from_text(text: str, main_type: str) -> bytes:
    """The serialized module of a text.

    Args:
      text: the text, which is not trusted.
      main_type: the type of its function `main`; see `main_type_of`.

    Returns:
      The module.

    Raises:
      ModuleError: if the text is no module, or one that may do more than compute.
    """
    _check_nesting(text)
    with lowering.make_ir_context() as context:
        # What the parser has to say is in the error that it raises.
        context.attach_diagnostic_handler(lambda diagnostic: True)
        try:
            parsed = ir.Module.parse(text)
        except (ir.MLIRError, ValueError) as error:
            raise ModuleError(f"it is no module of StableHLO: {error!s:.300}") from None
        problem = next(_forbidden(parsed.operation), None)
        if problem is None and _main_type(parsed) != main_type:
            problem = f"it is of the type {_main_type(parsed)!s:.200}, not {main_type:.200}"
        if problem is not None:
            raise ModuleError(problem)
        return _serialized(parsed)


def main_type_of(module: bytes) -> str:
    """The type of the function `main` of a serialized module."""
    with lowering.make_ir_context() as context:
        return str(_main_type(mlir.deserialize_portable_artifact(module, context)))


def _serialized(module: ir.Module) -> bytes:
    requirement = stablehlo.StablehloCompatibilityRequirement.WEEK_12
    version = stablehlo.get_version_from_compatibility_requirement(requirement)
    try:
        # The last argument allows the dialects beside StableHLO that describe placements.
        return mlir.serialize_portable_artifact(module, version, True)
    except (RuntimeError, ValueError) as error:
        raise ModuleError(f"it cannot be compiled: {error!s:.300}") from None


def _main_type(module: ir.Module) -> str | None:
    for operation in module.body.operations:
        attributes = operation.operation.attributes
        is_function = operation.operation.name == "func.func" and "sym_name" in attributes
        if is_function and ir.StringAttr(attributes["sym_name"]).value == "main":
            return str(attributes["function_type"])
    return None


def _check_nesting(text: str) -> None:
    """Refuses what would take the parser, which descends recursively, too deep."""
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text).replace("->", "")):
        depth += 1 if bracket in "[({<" else -1
        if depth > _DEEPEST_NESTING:
            raise ModuleError(f"it is nested more than {_DEEPEST_NESTING} deep")


def _forbidden(operation: Any) -> Iterator[str]:
    waiting = [operation]
    while waiting:
        current = waiting.pop()
        name = str(current.name)
        if name.partition(".")[0] not in _DIALECTS:
            yield f"it has the operation `{name:.80}`, which is none of StableHLO"
        if name == "stablehlo.custom_call":
            target = ir.StringAttr(current.attributes["call_target_name"]).value
            if target not in _CUSTOM_CALLS and not _LINEAR_ALGEBRA.match(target):
                yield f"it calls `{target:.80}`, which may do more than compute"
        for region in current.regions:
            for block in region.blocks:
                waiting.extend(each.operation for each in block.operations)
