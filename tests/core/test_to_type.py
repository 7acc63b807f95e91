"""Which objects are type specs, and what types they mean."""

from __future__ import annotations

import collections
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tensorflow_federated.core import errors, structure, types
from tensorflow_federated.core.types import StructType, StructWithPythonType, TensorType, to_type

from .example_containers import Attrs, Data, Point

INT, FLOAT, BOOL = np.int32, np.float32, np.bool_


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (INT, "int32"),
        (np.dtype("int32"), "int32"),
        (np.str_, "str"),
        (np.bytes_, "str"),
        (jnp.bfloat16, "bfloat16"),
        (bool, "bool"),
        (int, "int32"),
        (float, "float32"),
        (str, "str"),
        ((INT, [2]), "int32[2]"),
        ((INT, (2, None)), "int32[2,?]"),
        ((INT, []), "int32"),
        ((INT, None), "'int32'(shape=None)"),
        ((INT, BOOL), "<int32,bool>"),
        ((INT, (BOOL,)), "<int32,<bool>>"),
        ([INT, BOOL], "<int32,bool>"),
        ([INT, (FLOAT, [3])], "<int32,float32[3]>"),
        ([], "<>"),
        ([("a", INT), ("b", BOOL)], "<a=int32,b=bool>"),
        ([("a", (INT, [2])), BOOL], "<a=int32[2],bool>"),
        ((("a", INT), ("b", BOOL)), "<a=int32,b=bool>"),
        (("a", INT), "<a=int32>"),
        ({"b": INT, "a": [FLOAT, BOOL]}, "<b=int32,a=<float32,bool>>"),
        (Point(FLOAT, INT), "<x=float32,y=int32>"),
        (Point(INT, [2]), None),
        (Attrs(FLOAT, INT), "<x=float32,y=int32>"),
        (Data(FLOAT, [INT]), "<x=float32,y=<int32>>"),
        (structure.Struct.named(a=INT), "<a=int32>"),
        (jax.ShapeDtypeStruct((2, 3), jnp.float32), "float32[2,3]"),
    ],
    ids=repr,
)
def test_spec_is_read(spec: object, expected: str | None):
    if expected is None:
        with pytest.raises(errors.ToTypeError):
            to_type(spec)
    else:
        assert str(to_type(spec)) == expected


@pytest.mark.parametrize(
    ("spec", "container"),
    [
        ([INT], list),
        ((INT, BOOL), tuple),
        ({"a": INT}, dict),
        (collections.OrderedDict(a=INT), collections.OrderedDict),
        (collections.defaultdict(None, a=INT), collections.defaultdict),
        (Point(INT, INT), Point),
        (Attrs(INT, INT), Attrs),
        (Data(INT, INT), Data),
        ([("a", INT)], None),
        (structure.Struct.named(a=INT), None),
    ],
)
def test_container_is_kept(spec: object, container: type[Any] | None):
    read = to_type(spec)
    assert isinstance(read, StructType)
    assert read.python_container is container
    assert isinstance(read, StructWithPythonType) == (container is not None)


def test_a_type_is_itself():
    tensor = TensorType(INT)
    assert to_type(tensor) is tensor


@pytest.mark.parametrize(
    "spec",
    [
        None,
        pytest.param(object(), id="an object"),
        3,
        "int32",
        type,
        Attrs,
        np.object_,
        np.array([1, 2]),
        jnp.array([1, 2]),
        [None],
        [INT, [2]],
        (INT, 2),
        {1: INT},
        [(1, INT)],
        ("a",),
    ],
    ids=repr,
)
def test_other_objects_are_refused(spec: object):
    with pytest.raises(errors.ToTypeError):
        to_type(spec)


@pytest.mark.parametrize("shape", [[-1], ["a"], 3, [True]], ids=repr)
def test_shape_must_be_a_shape(shape: object):
    with pytest.raises(errors.ToTypeError, match=r"shape|size"):
        TensorType(INT, shape)


def test_message_says_what_was_given():
    with pytest.raises(errors.ToTypeError) as caught:
        to_type(3)
    assert caught.value.summary == "An object of type int is not a type spec."
    assert caught.value.problems == ("got: 3",)


def test_reading_specs_loads_no_tensor_framework():
    program = (
        "import sys, numpy as np\n"
        "from tensorflow_federated.core import types\n"
        "types.to_type({'a': (np.float32, [2]), 'b': [int, str]})\n"
        "loaded = {'tensorflow', 'jax', 'keras'} & set(sys.modules)\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module", name="tf")
def tensorflow_module() -> Any:
    """TensorFlow, imported when the first test needs it."""
    import tensorflow

    return tensorflow


def test_tensorflow_dtypes(tf: Any):
    names = [str(to_type(d)) for d in (tf.int32, tf.string, tf.bfloat16, tf.bool)]
    assert names == ["int32", "str", "bfloat16", "bool"]


def test_tensorflow_dtype_and_shape(tf: Any):
    assert str(to_type((tf.int32, [2]))) == "int32[2]"
    assert str(to_type((tf.int32, tf.TensorShape([None, 2])))) == "int32[?,2]"
    assert to_type((tf.int32, tf.TensorShape(None))) == TensorType(INT, None)


def test_tensorflow_tensor_spec(tf: Any):
    assert str(to_type(tf.TensorSpec([None, 2], tf.float32))) == "float32[?,2]"
    assert to_type(tf.TensorSpec(None, tf.int32)) == TensorType(INT, None)


def test_tensorflow_structure_of_specs(tf: Any):
    spec = collections.OrderedDict(
        x=tf.TensorSpec([None, 784], tf.float32), y=tf.TensorSpec([None, 1], tf.int32)
    )
    assert str(to_type(spec)) == "<x=float32[?,784],y=int32[?,1]>"


def test_tensorflow_dataset_spec(tf: Any):
    spec = tf.data.DatasetSpec({"a": tf.TensorSpec([2], tf.int32)})
    assert to_type(spec) == types.SequenceType({"a": (INT, [2])})


def test_tensorflow_element_spec_of_a_dataset(tf: Any):
    dataset = tf.data.Dataset.range(5).map(lambda i: (i, tf.cast(i, tf.float32))).batch(2)
    assert to_type(dataset.element_spec) == to_type(((np.int64, [None]), (FLOAT, [None])))


def test_tensorflow_specs_without_a_type_are_refused(tf: Any):
    for spec in (tf.TensorArraySpec([2], tf.int32), tf.OptionalSpec(tf.TensorSpec([], tf.int32))):
        with pytest.raises(errors.ToTypeError, match="dense tensors"):
            to_type(spec)


def test_tensorflow_values_and_unknown_dtypes_are_refused(tf: Any):
    for wrong in (tf.constant(1), tf.resource, tf.TensorShape([2])):
        with pytest.raises(errors.ToTypeError):
            to_type(wrong)
