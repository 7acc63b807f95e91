"""Rewrites traced JAX functions: operations by name, also inside of loops and other functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import jax
from jax.extend import core

# Calls of functions, whose operations may as well stand where they are called: the derivative that
# some of them bring is of no use any more.
_CALLS = frozenset(
    {
        "closed_call",
        "core_call",
        "custom_jvp_call",
        "custom_vjp_call",
        "custom_vjp_call_jaxpr",
        "jit",
        "pjit",
    }
)

_FUNCTIONS = (core.ClosedJaxpr, core.Jaxpr)

Rule = Callable[[core.JaxprEqn, Sequence[Any]], Any]
"""Applies an operation in another way: from the equation and its operands to its result."""


def rewritten(closed: core.ClosedJaxpr, rules: Mapping[str, Rule]) -> core.ClosedJaxpr:
    """The same function with some of its operations applied in another way.

    To be called where JAX keeps 64 bits. The result is to be run, not to be differentiated.

    Args:
      closed: the function.
      rules: for the name of an operation of one result how it is applied.

    Returns:
      The function, with the same parameters and results; the same object if nothing is to be done.

    Examples:
      >>> import jax.numpy as jnp
      >>> function = jax.make_jaxpr(lambda x: jax.lax.map(jnp.sin, x))(jnp.zeros(3))
      >>> swapped = rewritten(function, {"sin": lambda equation, operands: jnp.cos(*operands)})
      >>> contains(swapped, ["sin"]), contains(swapped, ["cos"])
      (False, True)
    """
    if not contains(closed, rules):
        return closed
    specs = [
        jax.ShapeDtypeStruct(each.aval.shape, each.aval.dtype, weak_type=each.aval.weak_type)
        for each in closed.jaxpr.invars
    ]
    return jax.make_jaxpr(lambda *arguments: evaluate(closed, arguments, rules))(*specs)


def evaluate(
    closed: core.ClosedJaxpr, arguments: Sequence[Any], rules: Mapping[str, Rule]
) -> list[Any]:
    """Applies a function, operation by operation, to arrays or to the tracers of another trace.

    Args:
      closed: the function.
      arguments: its arguments.
      rules: for the name of an operation of one result how it is applied.

    Returns:
      Its results.
    """
    jaxpr = closed.jaxpr
    values: dict[core.Var, Any] = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    values.update(zip(jaxpr.invars, arguments, strict=True))

    def read(variable: core.Var | core.Literal) -> Any:
        return variable.val if isinstance(variable, core.Literal) else values[variable]

    for equation in jaxpr.eqns:
        operands = [read(each) for each in equation.invars]
        rule = rules.get(equation.primitive.name)
        if rule is None:
            results = _applied(equation, operands, rules)
        else:
            results = [rule(equation, operands)]
        values.update(zip(equation.outvars, results, strict=True))
    return [read(each) for each in jaxpr.outvars]


def contains(jaxpr: core.ClosedJaxpr | core.Jaxpr, names: Collection[str]) -> bool:
    """Whether a function, or one inside of it, has an operation of one of these names."""
    return any(equation.primitive.name in names for equation in equations(jaxpr))


def equations(jaxpr: core.ClosedJaxpr | core.Jaxpr) -> Iterator[core.JaxprEqn]:
    """All equations of a function and of the functions inside of it."""
    for equation in (jaxpr.jaxpr if isinstance(jaxpr, core.ClosedJaxpr) else jaxpr).eqns:
        yield equation
        for value in equation.params.values():
            for inner in value if _are_functions(value) else (value,):
                if isinstance(inner, _FUNCTIONS):
                    yield from equations(inner)


def called(equation: core.JaxprEqn) -> core.ClosedJaxpr | None:
    """The function that an operation does no more than call; None if it is another operation."""
    if equation.primitive.name not in _CALLS:
        return None
    params = equation.params
    function = params["jaxpr"] if "jaxpr" in params else params["call_jaxpr"]
    return function if isinstance(function, core.ClosedJaxpr) else core.ClosedJaxpr(function, ())


def _applied(
    equation: core.JaxprEqn, operands: Sequence[Any], rules: Mapping[str, Rule]
) -> Sequence[Any]:
    """The results of an operation that is kept; functions inside of it are rewritten."""
    primitive = equation.primitive
    function = called(equation)
    if function is not None:
        return evaluate(function, operands, rules)
    params = {name: _rewritten_param(value, rules) for name, value in equation.params.items()}
    with equation.ctx.manager:
        results = primitive.bind(*operands, **params)
    return results if primitive.multiple_results else [results]


def _rewritten_param(value: Any, rules: Mapping[str, Rule]) -> Any:
    if isinstance(value, core.ClosedJaxpr):
        return rewritten(value, rules)
    if isinstance(value, core.Jaxpr):
        # The rules make no constants, so the function stays one without.
        return rewritten(core.ClosedJaxpr(value, ()), rules).jaxpr
    if _are_functions(value):
        return tuple(_rewritten_param(each, rules) for each in value)
    return value


def _are_functions(value: Any) -> bool:
    """Whether this is the several functions of an operation, such as the branches of a choice."""
    return isinstance(value, tuple) and any(isinstance(each, _FUNCTIONS) for each in value)
