"""Generated computations mean the same everywhere: as written, after each pass, as bytes."""

from __future__ import annotations

from typing import Any

import hypothesis
import jax
import numpy as np
import pytest

from tensorflow_federated.compiler import compilation, wire
from tensorflow_federated.core import ir, traversal
from tensorflow_federated.core.local_computations import PORTABLE
from tensorflow_federated.execution import local, reference, sequences, serialization, values

from . import programs


class RememberingCodec(serialization.BackendCodec):
    """Writes and reads every function once, so that it is compiled once for all programs."""

    def __init__(self) -> None:
        self._data: dict[Any, bytes] = {}
        self._functions: dict[tuple[Any, ...], Any] = {}
        self._computations: dict[int, ir.Local] = {}

    def encode(self, computation):
        if computation not in self._data:
            self._data[computation] = super().encode(computation)
        return self._data[computation]

    def decode(self, backend, data, type_signature, name, limits):
        key = backend, data, type_signature, name
        if key not in self._functions:
            self._functions[key] = super().decode(backend, data, type_signature, name, limits)
        return self._functions[key]

    def with_known_computations(self, node: ir.Node) -> ir.Node:
        """The program with the computation that was read first for each function."""

        def replace(current: ir.Node) -> ir.Node:
            # Portable ones are made anew each time, and are not compiled.
            if not isinstance(current, ir.Local) or current.computation.backend == PORTABLE:
                return current
            return self._computations.setdefault(id(current.computation.function), current)

        return traversal.transform_postorder(node, replace)


CODEC = RememberingCodec()


def assert_same(actual: Any, expected: Any) -> None:
    if isinstance(expected, sequences.Sequence):
        actual, expected = list(actual.elements()), list(expected.elements())
    if isinstance(expected, (tuple, list)):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, bytes):
        assert actual == expected
    else:
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
        assert np.asarray(actual).dtype == np.asarray(expected).dtype


def check(rules: dict[str, programs.Rule], steps: list[programs.Step], argument: Any) -> None:
    computation = programs.build(rules, steps)
    parameter = computation.type_signature.parameter

    def run(engine: Any, node: Any) -> Any:
        # An engine lets go of what it was given as soon as it can.
        canonical = values.to_canonical(argument, parameter)
        client_count = values.cardinality(canonical, parameter)
        return engine.compile(node).run(canonical, client_count, seed=1, invocation=0)

    node = computation.to_building_block()
    by_reference, by_plan = reference.ReferenceEngine(), local.LocalEngine()
    expected = run(by_reference, node)
    for _, program in compilation.trace_passes(node, check=True):
        assert_same(run(by_reference, program), expected)
    assert_same(run(by_plan, node), expected)
    data = wire.encode(node, "generated", CODEC)
    loaded, _ = wire.decode(data, CODEC)
    assert loaded.type_signature == node.type_signature
    assert str(loaded) == str(node)
    assert wire.encode(loaded, "generated", CODEC) == data
    assert_same(run(by_reference, CODEC.with_known_computations(loaded)), expected)


@hypothesis.given(programs.steps(programs.RULES), programs.arguments())
@hypothesis.settings(max_examples=30)
def test_a_program_means_the_same_everywhere(steps, argument):
    check(programs.RULES, steps, argument)


@pytest.mark.slow
@hypothesis.given(programs.steps(programs.RULES), programs.arguments())
@hypothesis.settings(max_examples=60)
def test_a_program_that_is_not_compiled_by_jax_means_the_same_everywhere(steps, argument):
    # Compiling takes ten times as long as all the rest.
    with jax.disable_jit():
        check(programs.RULES, steps, argument)


@pytest.mark.slow
@hypothesis.given(programs.steps(programs.RULES), programs.arguments())
@hypothesis.settings(max_examples=2000)
def test_two_thousand_programs_mean_the_same_everywhere(steps, argument):
    with jax.disable_jit():
        check(programs.RULES, steps, argument)


@pytest.fixture(scope="module")
def rules_with_tensorflow() -> dict[str, programs.Rule]:
    return {**programs.RULES, **programs.tensorflow_rules()}


@pytest.mark.slow
def test_programs_with_tensorflow_mean_the_same_everywhere(rules_with_tensorflow):
    rules = rules_with_tensorflow

    @hypothesis.given(programs.steps(rules), programs.arguments())
    @hypothesis.settings(max_examples=150)
    def run(steps, argument):
        with jax.disable_jit():
            check(rules, steps, argument)

    run()


@pytest.mark.parametrize("name", programs.RULES)
def test_every_rule_can_be_applied(name):
    argument = [[1], [0.5], ["a"], [[1.0, 2.0]], [(1, (2.0, "b"))], [[1, 2]], 3.0, "server"]
    check(programs.RULES, [(name, 0, 0, 0)], argument)
