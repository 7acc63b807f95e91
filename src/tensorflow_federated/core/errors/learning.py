"""Errors about models, optimizers and data sets."""

from __future__ import annotations

from tensorflow_federated.core.errors.root import FederatedError


class ModelError(FederatedError, TypeError, known_as="TypeError"):
    """A model function, a model, a loss or a metric is not of the kind that is needed.

    Fails: `tff.learning.algorithms.build_weighted_fed_avg(keras_model, ...)`.
    Mended: give a function without arguments that builds and returns a new `tff.learning` model.
    """


class ModelValueError(FederatedError, ValueError, known_as="ValueError"):
    """A model is of the right kind, but cannot be used as it is.

    Fails: `from_keras_model(keras_model, loss, input_spec=spec)` where `spec` has one element.
    Mended: give the spec of a batch: the features and the labels.
    """


class KerasFunctionalModelError(ModelValueError):
    """A Keras model cannot be a function of its trainable weights alone.

    Fails: `functional_model_from_keras(keras_model, ...)` of a model with batch normalization.
    Mended: use `keras.layers.GroupNormalization`, or `tff.learning.models.from_keras_model`.
    """


class CallableNotTensorFlowFunctionError(ModelError):
    """A function that has to be a `tf.function`, or made by `jax.jit`, is a plain one.

    Fails: `tff.learning.models.FunctionalModel(predict_on_batch_fn=predict, ...)`.
    Mended: decorate `predict` with `@tf.function`, or with `@jax.jit`.
    """


class ValueMustNotBeTFError(ModelError):
    """A weight is a tensor or a variable of TensorFlow, where an array is needed.

    Fails: `tff.learning.models.FunctionalModel(initial_weights=([tf.zeros([3])], []), ...)`.
    Mended: `initial_weights=([np.zeros([3], np.float32)], [])`.
    """


class OptimizerError(FederatedError, ValueError, known_as="ValueError"):
    """An optimizer was given a hyperparameter, weights or gradients that it cannot use.

    Fails: `tff.learning.optimizers.build_sgdm(learning_rate=-1.0)`.
    Mended: `tff.learning.optimizers.build_sgdm(learning_rate=0.1)`.
    """


class DatasetError(FederatedError, ValueError, known_as="ValueError"):
    """Data of clients cannot be used: no such client, a wrong element, a damaged file.

    Fails: `client_data.create_tf_dataset_for_client('nobody')`.
    Mended: use one of `client_data.client_ids`.
    """


class DownloadError(FederatedError, OSError):
    """A file could not be fetched, or what came is not what was asked for; nothing is left behind.

    Fails: `tff.simulation.datasets.emnist.load_data()` without a network.
    Mended: put the file where the message says.
    """


class SavedFileError(FederatedError, OSError, ValueError):
    """A saved model or state is not there, is damaged, or is something else.

    Fails: `tff.learning.models.load(path)` of a folder in which a file was cut off.
    Mended: save it again, with `tff.learning.models.save(model, path)`.
    """
