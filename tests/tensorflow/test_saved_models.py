"""TensorFlow computations as bytes: a SavedModel in memory."""

from __future__ import annotations

import collections
import inspect
import re

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import tensorflow_federated as tff
from tensorflow_federated.core import byte_format, errors
from tensorflow_federated.core.byte_format import Limits
from tensorflow_federated.tensorflow import operations, saved_models


def travelled(computation):
    return tff.framework.deserialize_computation(tff.framework.serialize_computation(computation))


def assert_same(computation, *arguments):
    loaded = travelled(computation)
    for _ in range(2):
        expected, found = computation(*arguments), loaded(*arguments)
        tf.nest.map_structure(np.testing.assert_array_equal, found, expected)
        assert str(found) == str(expected)


def test_structures_strings_and_dtypes():
    @tff.tensorflow.computation([("a", np.int8), ("b", (np.str_, [None]))], np.bool_)
    def fn(pair, flag):
        joined = tf.strings.reduce_join(pair.b)
        return collections.OrderedDict(joined=joined, a=[pair.a, (flag,)])

    assert_same(fn, {"a": 1, "b": ["x", "y"]}, True)


def test_no_parameter():
    assert_same(tff.tensorflow.computation(lambda: (1, "text", tf.ones([2]))))


def test_sequences_in_and_out():
    @tff.tensorflow.computation(tff.SequenceType((np.int32, [None])))
    def fn(batches):
        mapped = batches.map(lambda batch: batch * 2).filter(lambda batch: tf.size(batch) > 1)
        return mapped.reduce(0, lambda total, batch: total + tf.reduce_sum(batch)), mapped

    batches = [[1, 2], [3], [4, 5, 6]]
    total, mapped = travelled(fn)(batches)
    assert total == 36
    assert [list(batch) for batch in mapped] == [[2, 4], [8, 10, 12]]


def test_variables_start_afresh_at_each_call():
    @tff.tensorflow.computation(tff.SequenceType(np.float32))
    def fn(values):
        total = tf.Variable(1.0)
        for value in values:
            total.assign_add(value)
        return total

    loaded = travelled(fn)
    assert [loaded([1.0, 2.0]), loaded([5.0])] == [4.0, 6.0]


def test_effects_that_no_result_depends_on_are_kept():
    @tff.tensorflow.computation(np.int32)
    def fn(x):
        tf.debugging.assert_positive(x)
        return tf.constant(1)

    loaded = travelled(fn)
    assert loaded(1) == 1
    with pytest.raises(Exception, match="Condition x > 0 did not hold"):
        loaded(-1)


def test_loops_and_branches():
    @tff.tensorflow.computation(np.int32)
    def fn(x):
        total = 0
        while x > 0:
            if x % 2 == 0:
                total += x
            x -= 1
        return total

    assert_same(fn, 10)


def test_nested_computations_and_functions():
    @tff.tensorflow.computation(np.int32)
    def double(x):
        return 2 * x

    @tf.function
    def increment(x):
        return x + 1

    assert_same(tff.tensorflow.computation(lambda x: double(increment(double(x))), np.int32), 3)
    assert_same(tff.tensorflow.computation(travelled(double), np.int32), 3)


def test_tensors_from_outside():
    numbers = tf.range(1000.0)
    assert_same(tff.tensorflow.computation(lambda x: numbers[-1] * x, np.float32), 2.0)


def test_tables_from_outside():
    keys, values = tf.constant(["b", "a"]), tf.constant([1, 2])
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), -1)

    @tf.function
    def look_up(x):
        return table.lookup(x)

    assert_same(tff.tensorflow.computation(look_up, (np.str_, [None])), ["a", "b", "c"])


def test_datasets_from_outside():
    numbers = tf.data.Dataset.range(5).map(lambda x: 2 * x).batch(2)

    @tff.tensorflow.computation(np.int64)
    def fn(x):
        return numbers.reduce(x, lambda total, batch: total + tf.reduce_sum(batch))

    assert_same(fn, 1)


def test_random_numbers_with_a_seed():
    @tff.tensorflow.computation((np.int64, [2]))
    def fn(seed):
        return tf.random.stateless_normal([3], seed)

    assert_same(fn, [1, 2])


def test_a_keras_model():
    import keras

    @tff.tensorflow.computation((np.float32, [None, 4]))
    def fn(x):
        layers = [
            keras.layers.Reshape([4, 1]),
            keras.layers.Conv1D(3, 2, kernel_initializer="ones", activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(2, kernel_initializer="ones"),
        ]
        return keras.Sequential(layers)(x)

    assert_same(fn, np.arange(8, dtype=np.float32).reshape(2, 4))


def test_the_same_function_gives_the_same_bytes_wherever_it_is_traced():
    def make():
        @tff.tensorflow.computation(tff.SequenceType(np.int32))
        def fn(values):
            return values.map(lambda x: x + 1).reduce(
                tf.Variable(0).read_value(), lambda x, y: x + y
            )

        return tff.framework.serialize_computation(fn)

    assert make() == make()


def test_the_bytes_are_a_saved_model(tmp_path):
    @tff.tensorflow.computation(np.float32)
    def fn(x):
        total = tf.Variable(x)
        total.assign_add(1.0)
        return total

    data = saved_models.encode(fn.to_building_block().computation)
    (tmp_path / "saved_model.pb").write_bytes(data)
    signature = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    assert signature(**{"0": tf.constant(2.0)})["0"].numpy() == 3.0


@tff.tensorflow.computation(np.str_)
def reads_a_file(name):
    return tf.io.read_file(name)


def test_what_does_more_than_compute_cannot_travel(golden):
    with pytest.raises(errors.WireError) as caught:
        tff.framework.serialize_computation(reads_a_file)
    golden.check("a function that reads a file", str(caught.value))


def simple_saved_model():
    fn = tff.tensorflow.computation(lambda x: x + tf.Variable(1.0), np.float32)
    return saved_model_pb2.SavedModel.FromString(
        saved_models.encode(fn.to_building_block().computation)
    )


def node(graph_def, op, name="added", **attributes):
    added = graph_def.node.add()
    added.op, added.name = op, name
    for key, value in attributes.items():
        added.attr[key].CopyFrom(value)
    return added


def attribute(**fields):
    return tf.compat.v1.AttrValue(**fields)


def add_bomb(graph_def):
    big = tf.make_tensor_proto(0.0)
    big.tensor_shape.dim.add().size = 2**40
    node(graph_def, "Const", value=attribute(tensor=big), dtype=attribute(type=1))


def add_huge_variable(graph_def):
    handle = next(each for each in graph_def.node if each.op == "VarHandleOp")
    handle.attr["shape"].shape.dim.add().size = 2**40


def add_cache_in_a_file(graph_def):
    node(graph_def, "Const", "file", value=attribute(tensor=tf.make_tensor_proto("/tmp/x")))
    node(graph_def, "CacheDatasetV2").input.extend(["x", "file", "y"])


def add_recursion(graph_def):
    function = graph_def.library.function.add()
    function.signature.name = "f9"
    called = function.node_def.add()
    called.op, called.name = "f9", "again"


CHANGES = {
    "reads a file": lambda graph_def: node(graph_def, "ReadFile"),
    "writes a file": lambda graph_def: node(graph_def, "WriteFile"),
    "reads a checkpoint": lambda graph_def: node(graph_def, "RestoreV2"),
    "calls Python": lambda graph_def: node(graph_def, "EagerPyFunc"),
    "reads another graph": lambda graph_def: node(graph_def, "DatasetFromGraph"),
    "an operation that does not exist": lambda graph_def: node(graph_def, "Frobnicate"),
    "prints into a file": lambda graph_def: node(
        graph_def, "PrintV2", output_stream=attribute(s=b"file:///tmp/x")
    ),
    "caches in a file": add_cache_in_a_file,
    "a constant that needs much memory": add_bomb,
    "a variable that needs much memory": add_huge_variable,
    "a function that calls itself": add_recursion,
    "an input of nothing": lambda graph_def: node(graph_def, "Neg").input.append("nothing"),
    "no nodes": lambda graph_def: graph_def.Clear(),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_may_do_more_than_compute_is_refused(name, golden):
    saved = simple_saved_model()
    CHANGES[name](saved.meta_graphs[0].graph_def)
    with pytest.raises(errors.WireError) as caught:
        saved_models.decode(
            saved.SerializeToString(),
            tff.FunctionType(np.float32, np.float32),
            "fn",
            byte_format.DEFAULT_LIMITS,
        )
    golden.check(name, re.sub(r"TensorFlow: .*(?=\n  where)", "TensorFlow: ...", str(caught.value)))


@pytest.mark.parametrize(
    "type_signature",
    [
        tff.FunctionType(np.float32, np.int32),
        tff.FunctionType(np.float32, (np.float32, [2])),
        tff.FunctionType(np.int32, np.float32),
        tff.FunctionType(None, np.float32),
        tff.FunctionType(np.float32, [np.float32, np.float32]),
    ],
    ids=str,
)
def test_a_graph_of_another_type_is_refused(type_signature):
    with pytest.raises(errors.WireError):
        saved_models.decode(
            simple_saved_model().SerializeToString(), type_signature, "fn", Limits()
        )


def test_no_operation_that_is_allowed_takes_the_name_of_a_file():
    names = {"filename", "filenames", "file_pattern", "path", "directory", "address", "token"}
    known = [name for name in operations.ALLOWED if hasattr(tf.raw_ops, name)]
    assert len(known) > 700
    takes = {name: set(inspect.signature(getattr(tf.raw_ops, name)).parameters) for name in known}
    assert {name for name in known if takes[name] & names} == {"CacheDatasetV2"}


@pytest.mark.slow
def test_ragged_and_sparse_tensors_come_back_in_a_fresh_process(tmp_path, run_python):
    @tff.tensorflow.computation(tf.RaggedTensorSpec([None, None], tf.int32))
    def fn(rows):
        return rows * 2, rows.to_sparse()

    path = tmp_path / "fn"
    path.write_bytes(tff.framework.serialize_computation(fn))
    printed = run_python(
        """
        import sys
        import tensorflow_federated as tff
        fn = tff.framework.deserialize_computation(open(sys.argv[1], "rb").read())
        import tensorflow as tf
        ragged, sparse = fn(tf.ragged.constant([[1], [2, 3]], tf.int32))
        print(ragged.to_list(), type(sparse).__name__, tf.sparse.to_dense(sparse).numpy().tolist())
        """,
        str(path),
    )
    assert printed.strip() == "[[2], [4, 6]] SparseTensor [[1, 0], [2, 3]]"
