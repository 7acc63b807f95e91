"""Lifts variables out of a function that is being traced, so that calling it stays pure.

TensorFlow makes a variable once, when a function is traced, and keeps its value between calls. Here
every variable is given its initial value again inside the graph, at each call, where the Python
code made it.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tensorflow_federated.tensorflow import keras_graphs

# How Keras names the state of a generator of random numbers.
_SEED_STATE = "seed_generator_state"


class VariableLifting:
    """Makes the variables of one function that is being traced.

    Attributes:
      variables: the variables made so far; whoever calls the traced function keeps them alive.
    """

    def __init__(self) -> None:
        self.variables: list[tf.Variable] = []
        self._root: Any = None

    def scope(self) -> Any:
        """The scope to trace in: every variable that is made inside is lifted."""
        return tf.variable_creator_scope(self._create)

    def start(self) -> None:
        """Says that the function's own graph is the current one."""
        self._root = tf.compat.v1.get_default_graph()

    def _create(self, next_creator: Callable[..., tf.Variable], **options: Any) -> tf.Variable:
        # Nothing goes on to `next_creator`: whoever else listens must not make a second variable.
        del next_creator
        if tf.executing_eagerly():
            return self._create_above_graphs(options)
        here = tf.compat.v1.get_default_graph()
        home = self._home_of(here)
        if home is not here:
            try:
                with home.as_default():
                    return self._create_in_graph(options)
            except (TypeError, ValueError):
                # The initial value is made of tensors of an inner graph, which home cannot read.
                pass
        return self._create_in_graph(options)

    def _create_above_graphs(self, options: dict[str, Any]) -> tf.Variable:
        """Keras builds some layers above all graphs, where a variable needs its value at once."""
        variable = _make(_initial_value(options), options)
        with self._root.as_default():
            variable.assign(_initial_value(options))
        self.variables.append(variable)
        return variable

    def _create_in_graph(self, options: dict[str, Any]) -> tf.Variable:
        value = tf.identity(_initial_value(options))
        shape = options.get("shape")
        sizes = [] if value.shape.rank is None else [size or 0 for size in value.shape]
        variable = _make(
            lambda: tf.zeros(sizes, value.dtype),
            {**options, "shape": value.shape if shape is None else shape, "dtype": value.dtype},
        )
        variable.assign(value)
        self.variables.append(variable)
        return variable

    def _home_of(self, graph: Any) -> Any:
        """The graph in which a variable made in `graph` gets its initial value.

        A function that keeps its variables makes them when it is first called and traced, and must
        not start afresh when it is called again: its caller's graph sets them. The body of a loop
        runs its own code at each turn, so it is its own home; but what Keras makes there, it makes
        at the first turn only: the state of an optimizer, the weights of a layer.
        """
        stays_in_loops = not keras_graphs.is_making_variable()
        while graph is not self._root and not (stays_in_loops and _is_loop_body(graph)):
            graph = graph.outer_graph
        return graph


def _initial_value(options: dict[str, Any]) -> tf.Tensor:
    if str(options.get("name")).startswith(_SEED_STATE):
        drawn = keras_graphs.drawn_seed(options.get("dtype"))
        if drawn is not None:
            return drawn
    initial: Any = options["initial_value"]
    value: Any = keras_graphs.initial_value(initial) if callable(initial) else initial
    return tf.convert_to_tensor(value, options.get("dtype"))


def _is_loop_body(graph: Any) -> bool:
    # Neither kind of graph has a public name; a body that is not recognised counts as a function.
    return type(graph).__name__ == "WhileBodyFuncGraph" or graph.name.startswith("Dataset_")


def _make(initial_value: Any, options: dict[str, Any]) -> tf.Variable:
    """Makes a variable eagerly, in another thread, which no graph and no creator scope reaches."""
    names = ("trainable", "name", "dtype", "constraint", "synchronization", "aggregation", "shape")
    given = {name: options[name] for name in names if options.get(name) is not None}
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(lambda: tf.Variable(initial_value, **given)).result()
