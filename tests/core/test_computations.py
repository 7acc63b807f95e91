"""How decorators make computations, and how calls bring their arguments to them."""

from __future__ import annotations

import collections
import copy
import functools

import numpy as np
import pytest

from tensorflow_federated.core import computations, contexts, errors, ir, structure
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import StructType, to_type


class RecordingContext:
    """Gives back what it is asked to invoke."""

    def invoke(self, comp, arg):
        return comp, arg


@pytest.fixture(autouse=True)
def recording():
    with contexts.install(RecordingContext()):
        yield


def type_of(computation: computations.Computation) -> str:
    return computation.type_signature.compact_representation()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: federated_computation(lambda: 10), "( -> int32)"),
        (lambda: federated_computation(lambda x: x, np.int32), "(int32 -> int32)"),
        (
            lambda: federated_computation(lambda x, y: (y, x), np.int32, np.bool_),
            "(<x=int32,y=bool> -> <bool,int32>)",
        ),
        (
            lambda: federated_computation(lambda x, y: y, [np.int32, np.bool_]),
            "(<x=int32,y=bool> -> bool)",
        ),
        (
            lambda: federated_computation(lambda x: x[1], [np.int32, np.bool_]),
            "(<int32,bool> -> bool)",
        ),
        (
            lambda: federated_computation(lambda b, a: a, [("a", np.int32), ("b", np.bool_)]),
            "(<a=int32,b=bool> -> int32)",
        ),
        (lambda: federated_computation(np.int32)(lambda x: x), "(int32 -> int32)"),
        (lambda: federated_computation()(lambda: 1), "( -> int32)"),
        (
            lambda: federated_computation(functools.partial(lambda a, b: b, 1), np.int32),
            "(int32 -> int32)",
        ),
    ],
)
def test_every_form_of_the_decorator_gives_its_type(make, expected):
    assert type_of(make()) == expected


def test_decorator_keeps_name_and_docstring():
    @federated_computation(np.int32)
    def identity(x):
        """Gives back."""
        return x

    assert (identity.__name__, identity.__doc__) == ("identity", "Gives back.")


def test_one_argument_arrives_as_it_is():
    computation = federated_computation(lambda x: x, [np.int32, np.bool_])
    assert computation([1, True])[1] == [1, True]


def test_arguments_by_name_and_position_are_put_in_order():
    computation = federated_computation(lambda x, y: x, np.int32, np.bool_)
    expected = structure.Struct([("x", 1), ("y", True)])
    assert computation(1, y=True)[1] == expected
    assert computation(y=True, x=1)[1] == expected


def test_a_parameter_that_is_no_structure_has_no_name():
    with pytest.raises(errors.ArgumentError, match="expected one, got 1 by name"):
        federated_computation(lambda x: x, np.int32)(x=3)


def test_a_polymorphic_computation_knows_the_names_of_its_parameters():
    with pytest.raises(errors.ArgumentError, match="argument 'z': no parameter has this name"):
        federated_computation(lambda x, y: x)(1, z=2)


def test_none_as_the_type_says_that_there_is_no_parameter():
    assert federated_computation(lambda: 10, None).type_signature.parameter is None


def test_none_as_the_type_does_not_fit_a_function_of_one_parameter():
    with pytest.raises(errors.ArgumentError, match="do not fit the types"):
        federated_computation(lambda x: x, None)


def test_several_types_are_one_structure_for_a_function_of_one_parameter():
    computation = federated_computation(lambda x: x, np.int32, np.bool_)
    assert str(computation.type_signature.parameter) == "<int32,bool>"


def test_a_type_that_names_the_parameters_keeps_its_container():
    spec = collections.OrderedDict(y=np.int32, x=np.bool_)
    parameter = federated_computation(lambda x, y: x, spec).type_signature.parameter
    assert parameter is not None
    assert parameter.is_identical_to(to_type(spec))


@pytest.mark.parametrize(
    ("args", "kwargs", "problem"),
    [
        ((1, True, 3), {}, "arguments: expected 2, got 3"),
        ((1,), {"z": 2}, "argument 'z': no parameter has this name"),
        ((1,), {"x": 2}, "argument 'x': given twice"),
        ((), {"x": 2}, "missing: y"),
        ((), {}, "missing: x, y"),
    ],
)
def test_wrong_arguments_are_named(args, kwargs, problem):
    computation = federated_computation(lambda x, y: x, np.int32, np.bool_)
    with pytest.raises(errors.ArgumentError) as caught:
        computation(*args, **kwargs)
    assert problem in str(caught.value)
    assert "signature:   (<x=int32,y=bool> -> int32)" in str(caught.value)


def test_an_argument_for_no_parameter_is_refused():
    with pytest.raises(errors.ArgumentError, match="expected none, got 1"):
        federated_computation(lambda: 1)(2)


def test_polymorphic_computation_is_traced_once_per_type():
    traced = []

    @federated_computation
    def identity(x):
        traced.append(str(x.type_signature))
        return x

    for value in (1, 2, 2.0, collections.OrderedDict(a=1)):
        identity(value)
    assert traced == ["int32", "float32", "<a=int32>"]


def test_polymorphic_computation_of_several_arguments():
    computation, argument = federated_computation(lambda x, y: y)(1, True)
    assert type_of(computation) == "(<x=int32,y=bool> -> bool)"
    assert argument == structure.Struct([("x", 1), ("y", True)])


def test_types_that_do_not_fit_the_function_are_refused():
    with pytest.raises(errors.ArgumentError, match="do not fit the types"):
        federated_computation(lambda x, y: x, np.int32)


def test_the_function_comes_before_the_types():
    with pytest.raises(errors.ArgumentError, match="takes the function first"):
        federated_computation(np.int32, lambda x: x)


def test_only_functions_can_be_decorated():
    with pytest.raises(errors.ArgumentError, match="of Python functions"):
        federated_computation(np.int32)(3)


def test_building_block_is_the_program():
    node = federated_computation(lambda x: x, np.int32).to_building_block()
    assert isinstance(node, ir.Lambda)
    assert str(node) == "(arg0 -> arg0)"


def test_packing_names_the_elements_of_unnamed_parameters_by_position():
    packed = computations.pack_arguments(
        federated_computation(lambda x: x, StructType([np.int32, np.bool_])).type_signature,
        (1, True),
        {},
        "f",
    )
    assert packed == structure.Struct([(None, 1), (None, True)])


def test_one_argument_that_cannot_be_the_whole_parameter_is_one_of_several():
    computation = federated_computation(lambda x, y: x, np.int32, np.bool_)
    with pytest.raises(errors.ArgumentError, match="missing: y"):
        computation(1)


def test_types_by_name_are_refused_with_the_way_to_give_them():
    with pytest.raises(errors.ArgumentError, match="takes types by position") as caught:
        federated_computation(x=np.int32)
    assert "argument 'x'" in caught.value.problems[0]


async def asynchronous(x):
    return x


def generator(x):
    yield x


@pytest.mark.parametrize("fn", [asynchronous, generator])
def test_a_function_that_gives_its_result_later_is_refused(fn):
    with pytest.raises(errors.TracingError, match="returns its result when it is called") as caught:
        federated_computation(fn, np.int32)
    assert caught.value.where is not None
    assert fn.__name__ in caught.value.where


def test_a_method_is_told_about_self():
    class Model:
        def step(self, x):
            return x

    with pytest.raises(errors.ArgumentError) as caught:
        federated_computation(Model.step, np.int32)
    assert "`self` is a parameter too" in str(caught.value.fix)
    assert type_of(federated_computation(Model().step, np.int32)) == "(int32 -> int32)"


def test_a_copy_of_a_computation_is_the_computation():
    computation = federated_computation(lambda x: x, np.int32)
    assert copy.copy(computation) is computation
    assert copy.deepcopy({"a": computation})["a"] is computation
