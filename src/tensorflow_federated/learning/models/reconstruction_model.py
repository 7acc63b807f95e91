"""Models of which a part never leaves a client: the interface, and models made of Keras models."""

from __future__ import annotations

import abc
import collections
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from tensorflow_federated.core import containers, errors, trees
from tensorflow_federated.learning.models import frameworks
from tensorflow_federated.learning.models.dataset_splits import DatasetSplit, Part
from tensorflow_federated.learning.models.model_weights import ModelWeights

ReconstructionDatasetSplitFn: TypeAlias = Callable[[Any], tuple[Any, Any]]
"""From the dataset of a client to two: for reconstruction, and for what comes after it.

For a model of TensorFlow both are read in a graph: the function is called once, on a
`tf.data.Dataset` that stands for the data of any client, and returns two datasets made of it. For a
model of JAX it is one that `ReconstructionModel.build_dataset_split_fn` made, or
`ReconstructionModel.simple_dataset_split_fn`.
"""


class ReconstructionBatchOutput(NamedTuple):
    """What the forward pass of a reconstruction model gives for one batch.

    Attributes:
      predictions: what the model predicts; loss and metrics compare them with the labels.
      labels: the labels.
      num_examples: the number of examples in the batch, a scalar integer.

    Examples:
      >>> ReconstructionBatchOutput(predictions=[0.5], labels=[1.0], num_examples=1)
      ReconstructionBatchOutput(predictions=[0.5], labels=[1.0], num_examples=1)
    """

    predictions: Any
    labels: Any
    num_examples: Any


containers.register_container("learning.ReconstructionBatchOutput", ReconstructionBatchOutput)


class ReconstructionModel(abc.ABC):
    """A model with global variables, which the server averages, and local ones, which stay.

    A client has its local variables for one round: they start as the model makes them, are
    reconstructed, that is, trained on a part of the client's data with the global ones fixed, and
    are forgotten. A model for `tff.learning.algorithms.build_fed_recon` has no loss and no metrics;
    these are arguments there.

    Make one of a Keras model with `from_keras_model_and_layers` or
    `from_keras_model_and_variables`; or write a subclass with `tf.Variable`s, which are made in the
    constructor, and nowhere else. A variable is in exactly one of the four lists.

    Examples:
      Ratings of items by a user: the vectors of the items are global, that of the user is local.

      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> class Ratings(tff.learning.models.ReconstructionModel):
      ...     def __init__(self):
      ...         self._items = tf.Variable(tf.ones([10, 2]))
      ...         self._user = tf.Variable(tf.zeros([1, 2]))
      ...
      ...     global_trainable_variables = property(lambda self: [self._items])
      ...     global_non_trainable_variables = property(lambda self: [])
      ...     local_trainable_variables = property(lambda self: [self._user])
      ...     local_non_trainable_variables = property(lambda self: [])
      ...     input_spec = property(
      ...         lambda self: (tf.TensorSpec([None], tf.int32), tf.TensorSpec([None]))
      ...     )
      ...
      ...     def forward_pass(self, batch_input, training=True):
      ...         items, ratings = batch_input
      ...         vectors = tf.gather(self._items, items)
      ...         predictions = tf.reduce_sum(vectors * self._user, axis=1)
      ...         return tff.learning.models.ReconstructionBatchOutput(
      ...             predictions, ratings, tf.shape(items)[0]
      ...         )
      >>> tff.learning.models.ReconstructionModel.has_only_global_variables(Ratings())
      False
    """

    @property
    @abc.abstractmethod
    def global_trainable_variables(self) -> Any:
        """The variables that clients train and the server averages, a list."""

    @property
    @abc.abstractmethod
    def global_non_trainable_variables(self) -> Any:
        """The variables that the server sends and nobody trains, a list."""

    @property
    @abc.abstractmethod
    def local_trainable_variables(self) -> Any:
        """The variables that a client reconstructs, a list."""

    @property
    @abc.abstractmethod
    def local_non_trainable_variables(self) -> Any:
        """The other variables that stay at a client, a list."""

    @property
    @abc.abstractmethod
    def input_spec(self) -> Any:
        """The form of a batch: a structure of `tf.TensorSpec`s, or a type of this package."""

    @abc.abstractmethod
    def forward_pass(self, batch_input: Any, training: bool = True) -> Any:
        """Predicts for a batch, without changing what predictions depend on.

        Args:
          batch_input: a batch, in the form of `input_spec`.
          training: whether it is for training; False while metrics are computed in an evaluation.

        Returns:
          A `ReconstructionBatchOutput`, or anything with its attributes.
        """

    @classmethod
    def get_global_variables(cls, model: ReconstructionModel) -> ModelWeights:
        """Collects the global variables of a model.

        Args:
          model: the model.

        Returns:
          The variables themselves, not copies.
        """
        return ModelWeights(
            trainable=model.global_trainable_variables,
            non_trainable=model.global_non_trainable_variables,
        )

    @classmethod
    def get_local_variables(cls, model: ReconstructionModel) -> ModelWeights:
        """Collects the local variables of a model.

        Args:
          model: the model.

        Returns:
          The variables themselves, not copies.
        """
        return ModelWeights(
            trainable=model.local_trainable_variables,
            non_trainable=model.local_non_trainable_variables,
        )

    @classmethod
    def has_only_global_variables(cls, model: ReconstructionModel) -> bool:
        """Whether a model has no local variables, so that there is nothing to reconstruct.

        Args:
          model: the model.

        Returns:
          Whether both lists of local variables are empty.
        """
        return not trees.leaves(tuple(cls.get_local_variables(model)))

    @classmethod
    def simple_dataset_split_fn(cls, client_dataset: Any) -> tuple[Any, Any]:
        """Uses all data twice: for reconstruction, and after it. A `ReconstructionDatasetSplitFn`.

        Args:
          client_dataset: the dataset of a client.

        Returns:
          The dataset, twice.

        Examples:
          >>> ReconstructionModel.simple_dataset_split_fn([1, 2])
          ([1, 2], [1, 2])
        """
        return client_dataset, client_dataset

    @classmethod
    @errors.boundary
    def build_dataset_split_fn(
        cls,
        recon_epochs: int = 1,
        recon_steps_max: int | None = None,
        post_recon_epochs: int = 1,
        post_recon_steps_max: int | None = None,
        split_dataset: bool = False,
    ) -> ReconstructionDatasetSplitFn:
        """Builds a function that says which batches are for reconstruction, and which for later.

        "Later" is the training of the global variables, or the computation of metrics in an
        evaluation.

        Args:
          recon_epochs: how often the data are gone through in reconstruction.
          recon_steps_max: the largest number of batches of all these epochs; no bound if None.
          post_recon_epochs: how often the data are gone through later.
          post_recon_steps_max: the largest number of batches of all these epochs.
          split_dataset: whether the batches with even numbers, from 0, are for reconstruction, and
            those with odd numbers for later; if False, all batches are for both.

        Returns:
          The function.

        Raises:
          ModelError: if a number is none.

        Examples:
          >>> import tensorflow as tf
          >>> split = ReconstructionModel.build_dataset_split_fn(
          ...     recon_epochs=2, recon_steps_max=3, split_dataset=True
          ... )
          >>> first, second = split(tf.data.Dataset.range(4))
          >>> list(first.as_numpy_iterator()), list(second.as_numpy_iterator())
          ([np.int64(0), np.int64(2), np.int64(0)], [np.int64(1), np.int64(3)])
        """
        _check_numbers(
            recon_epochs=recon_epochs,
            recon_steps_max=recon_steps_max,
            post_recon_epochs=post_recon_epochs,
            post_recon_steps_max=post_recon_steps_max,
        )

        return DatasetSplit(
            Part(0 if split_dataset else None, recon_epochs, recon_steps_max),
            Part(1 if split_dataset else None, post_recon_epochs, post_recon_steps_max),
        )

    @classmethod
    @errors.boundary
    def read_metric_variables(
        cls, metrics: Sequence[Any]
    ) -> collections.OrderedDict[str, list[Any]]:
        """Reads the values of the variables of Keras metrics: what a client reports.

        Args:
          metrics: `keras.metrics.Metric`s.

        Returns:
          For each metric, by its name, the values of its variables: tensors.

        Raises:
          ModelValueError: if two metrics have one name.

        Examples:
          >>> import keras
          >>> mean = keras.metrics.Mean(name="loss")
          >>> mean.update_state([1.0, 3.0])
          >>> values = ReconstructionModel.read_metric_variables([mean])
          >>> [float(value) for value in values["loss"]]
          [4.0, 2.0]
        """
        import tensorflow as tf

        check_names([metric.name for metric in metrics])
        return collections.OrderedDict(
            (
                metric.name,
                [
                    tf.convert_to_tensor(frameworks.to_framework_variable(variable))
                    for variable in metric.variables
                ],
            )
            for metric in metrics
        )

    @classmethod
    @errors.boundary
    def from_keras_model_and_layers(
        cls,
        keras_model: Any,
        *,
        global_layers: Iterable[Any],
        local_layers: Iterable[Any],
        input_spec: Any,
    ) -> ReconstructionModel:
        """Makes a model of a Keras model, each of whose layers is global or local.

        Call it inside the function that an algorithm is given, together with the code that makes
        the Keras model.

        Args:
          keras_model: a Keras 3 model on TensorFlow, not compiled. If its variables are not made
            yet, they are made from `input_spec`.
          global_layers: the layers whose variables are global.
          local_layers: the layers whose variables are local.
          input_spec: the form of a batch, as `dataset.element_spec` gives it: a pair of the
            features and the labels, or a mapping with the names `x` and `y`.

        Returns:
          The model.

        Raises:
          ModelError: if an argument is not of the kind that is needed.
          ModelValueError: if the model is compiled, if `input_spec` has other elements, or if a
            variable of the model is in no list, or in two.

        Examples:
          >>> import tensorflow as tf
          >>> body, head = tf.keras.layers.Dense(4), tf.keras.layers.Dense(1)
          >>> model = ReconstructionModel.from_keras_model_and_layers(
          ...     tf.keras.Sequential([tf.keras.Input((3,)), body, head]),
          ...     global_layers=[body],
          ...     local_layers=[head],
          ...     input_spec=(tf.TensorSpec([None, 3]), tf.TensorSpec([None, 1])),
          ... )
          >>> [variable.shape.as_list() for variable in model.local_trainable_variables]
          [[4, 1], [1]]
        """
        from tensorflow_federated.learning.models import keras_reconstruction

        return keras_reconstruction.from_layers(
            keras_model, list(global_layers), list(local_layers), input_spec
        )

    @classmethod
    @errors.boundary
    def from_keras_model_and_variables(
        cls,
        keras_model: Any,
        *,
        global_trainable_variables: Iterable[Any],
        global_non_trainable_variables: Iterable[Any],
        local_trainable_variables: Iterable[Any],
        local_non_trainable_variables: Iterable[Any],
        input_spec: Any,
    ) -> ReconstructionModel:
        """Makes a model of a Keras model, each of whose variables is global or local.

        Args:
          keras_model: a Keras 3 model on TensorFlow, not compiled, whose variables are made.
          global_trainable_variables: the variables that clients train and the server averages.
          global_non_trainable_variables: the variables that the server sends and nobody trains.
          local_trainable_variables: the variables that a client reconstructs.
          local_non_trainable_variables: the other variables that stay at a client.
          input_spec: the form of a batch, as of `from_keras_model_and_layers`.

        Returns:
          The model.

        Raises:
          ModelError: if an argument is not of the kind that is needed.
          ModelValueError: if the model is compiled or not built, if `input_spec` has other
            elements, or if a variable of the model is in no list, or in two.

        Examples:
          >>> import tensorflow as tf
          >>> keras_model = tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(1)])
          >>> kernel, bias = keras_model.trainable_variables
          >>> model = ReconstructionModel.from_keras_model_and_variables(
          ...     keras_model,
          ...     global_trainable_variables=[kernel],
          ...     global_non_trainable_variables=[],
          ...     local_trainable_variables=[bias],
          ...     local_non_trainable_variables=[],
          ...     input_spec=(tf.TensorSpec([None, 3]), tf.TensorSpec([None, 1])),
          ... )
          >>> ReconstructionModel.get_global_variables(model).trainable[0].shape.as_list()
          [3, 1]
        """
        from tensorflow_federated.learning.models import keras_reconstruction

        return keras_reconstruction.from_variables(
            keras_model,
            {
                "global_trainable_variables": list(global_trainable_variables),
                "global_non_trainable_variables": list(global_non_trainable_variables),
                "local_trainable_variables": list(local_trainable_variables),
                "local_non_trainable_variables": list(local_non_trainable_variables),
            },
            input_spec,
        )


def check_names(names: Sequence[str]) -> None:
    """Checks that metrics have names of their own.

    Args:
      names: the names of the metrics, that of the loss among them.

    Raises:
      ModelValueError: if one is there twice.
    """
    twice = sorted(name for name, count in collections.Counter(names).items() if count > 1)
    if twice:
        raise errors.ModelValueError(
            "each metric needs a name of its own.",
            problems=[f"{name!r}: the name of {names.count(name)} metrics" for name in twice],
            fix="give them other names with `name=`; `loss` is the name of the loss.",
        )


def _check_numbers(**numbers: Any) -> None:
    problems = [
        f"{name}: expected an integer, got {number!r:.60}"
        for name, number in numbers.items()
        if number is not None and not hasattr(number, "__index__")
    ]
    if problems:
        raise errors.ModelError(
            "`build_dataset_split_fn` takes numbers of epochs and of batches.",
            problems=problems,
            fix="write for example `build_dataset_split_fn(recon_epochs=2, recon_steps_max=10)`.",
        )
