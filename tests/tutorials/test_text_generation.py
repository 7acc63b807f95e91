"""Federated Learning for Text Generation: a recurrent model of characters is tuned on the plays."""

# The stubs of TensorFlow that pyright brings know less than what TensorFlow takes.

from __future__ import annotations

import string

import numpy as np
import pytest
import tensorflow as tf
from tests import marks

import tensorflow_federated as tff
from tensorflow_federated.learning.metrics import class_accuracies

VOCABULARY = list(string.ascii_letters + string.digits + " \n!\"&'(),-./:;?[]_$%*#@")
SEQUENCE_LENGTH = 20
BATCH_SIZE = 4
BATCHES_OF_CLIENT = 5
CLIENTS = ["OTHELLO_OTHELLO", "AS_YOU_LIKE_IT_CELIA"]
FOOL = "THE_TRAGEDY_OF_KING_LEAR_FOOL"

table = tf.lookup.StaticHashTable(
    tf.lookup.KeyValueTensorInitializer(
        keys=VOCABULARY, values=tf.constant(range(len(VOCABULARY)), dtype=tf.int64)
    ),
    default_value=0,
)
string_lookup = tf.keras.layers.StringLookup(vocabulary=VOCABULARY, num_oov_indices=0)


def to_ids(example):
    text = tf.reshape(example["snippets"], shape=[1])
    return table.lookup(tf.strings.bytes_split(text).values)


def to_ids_by_a_layer(example):
    return string_lookup(tf.strings.bytes_split(example["snippets"]))


def split_input_target(chunk):
    return tf.map_fn(lambda ids: ids[:-1], chunk), tf.map_fn(lambda ids: ids[1:], chunk)


def preprocess(dataset, to_ids=to_ids):
    return (
        dataset.map(to_ids)
        .unbatch()
        .batch(SEQUENCE_LENGTH + 1, drop_remainder=True)
        .shuffle(100, seed=1, reshuffle_each_iteration=False)
        .batch(BATCH_SIZE, drop_remainder=True)
        .map(split_input_target)
    )


class FlattenedCategoricalAccuracy(tf.keras.metrics.SparseCategoricalAccuracy):
    """The share of the characters that are predicted right."""

    def __init__(self, name="accuracy", dtype=tf.float32):
        super().__init__(name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = tf.reshape(y_true, [-1, 1])
        y_pred = tf.reshape(y_pred, [-1, len(VOCABULARY)])
        return super().update_state(y_true, y_pred, sample_weight)


class AccuracyOfKeras2(tf.keras.metrics.SparseCategoricalAccuracy):
    """The same, in the form in which notebooks have it that were written for Keras 2."""

    def __init__(self, name="accuracy", dtype=tf.float32):
        super().__init__(name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = tf.reshape(y_true, [-1, 1])
        y_pred = tf.reshape(y_pred, [-1, len(VOCABULARY), 1])
        return super().update_state(y_true, y_pred, sample_weight)


def make_keras_model(batch_size: int = BATCH_SIZE) -> tf.keras.Model:
    return tf.keras.Sequential(
        [
            tf.keras.Input(batch_shape=(batch_size, None)),
            tf.keras.layers.Embedding(len(VOCABULARY), 16),
            tf.keras.layers.GRU(32, return_sequences=True, stateful=True),
            tf.keras.layers.Dense(len(VOCABULARY)),
        ]
    )


def loss_fn():
    return tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.fixture(scope="module")
def plays():
    train, test = tff.simulation.datasets.plays.load_data()
    return {"train": train, "test": test}


def batches_of(plays, client_id: str, split: str = "train") -> tf.data.Dataset:
    dataset = plays[split].create_tf_dataset_for_client(client_id)
    return preprocess(dataset).take(BATCHES_OF_CLIENT)


@pytest.fixture(scope="module")
def train_datasets(plays):
    return [batches_of(plays, client_id) for client_id in CLIENTS]


@pytest.fixture(scope="module")
def test_dataset(plays):
    datasets = [batches_of(plays, client_id, "test") for client_id in CLIENTS]
    return tf.data.Dataset.from_tensor_slices(datasets).flat_map(lambda dataset: dataset)


@pytest.fixture(scope="module")
def keras_model():
    """The model that is tuned."""
    tf.keras.utils.set_random_seed(1)
    return make_keras_model()


@pytest.fixture(scope="module")
def weights(keras_model):
    return tff.learning.models.ModelWeights(
        trainable=[v.numpy() for v in keras_model.trainable_weights],
        non_trainable=[v.numpy() for v in keras_model.non_trainable_weights],
    )


def build_fed_avg(keras_model, plays, learning_rate: float, metric):
    input_spec = batches_of(plays, FOOL).element_spec

    def model_fn():
        return tff.learning.models.from_keras_model(
            tf.keras.models.clone_model(keras_model),
            input_spec=input_spec,
            loss=loss_fn(),
            metrics=[metric()],
        )

    return tff.learning.algorithms.build_weighted_fed_avg(
        model_fn=model_fn,
        client_optimizer_fn=tff.learning.optimizers.build_sgdm(learning_rate=learning_rate),
    )


@pytest.fixture(scope="module")
def fed_avg(keras_model, plays):
    return build_fed_avg(keras_model, plays, 1.0, FlattenedCategoricalAccuracy)


@pytest.fixture(scope="module")
def compiled_model():
    keras_model = make_keras_model()
    keras_model.compile(loss=loss_fn(), metrics=[FlattenedCategoricalAccuracy()])
    return keras_model


def keras_evaluate(model_weights, compiled_model, dataset) -> tuple[float, float]:
    model_weights.assign_weights_to(compiled_model)
    compiled_model.layers[1].reset_state()
    # Of datasets that were unbatched the number of batches is not known.
    steps = len(CLIENTS) * BATCHES_OF_CLIENT
    loss, accuracy = compiled_model.evaluate(dataset, steps=steps, verbose=0)
    return loss, accuracy


def train_metrics(result):
    return result.metrics["client_work"]["train"]


def generate_text(model, start: str, count: int) -> str:
    model.layers[1].reset_state()
    ids = tf.constant([[VOCABULARY.index(character) for character in start]])
    generated = []
    for _ in range(count):
        predictions = tf.squeeze(model(ids), 0)
        chosen = tf.random.categorical(predictions, num_samples=1)[-1, 0].numpy()
        generated.append(VOCABULARY[chosen])
        ids = tf.constant([[chosen]])
    return start + "".join(generated)


def text_of(plays, client_id: str) -> str:
    return b"".join(plays["train"].client_examples(client_id)["snippets"].tolist()).decode()


def sequences_of(dataset) -> set[str]:
    found = set()
    for inputs, targets in dataset:
        np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])
        for first, later in zip(inputs[:, 0].numpy(), targets.numpy(), strict=True):
            found.add("".join(VOCABULARY[number] for number in [first, *later]))
    return found


@pytest.mark.parametrize("lookup", [to_ids, to_ids_by_a_layer])
def test_characters_become_sequences_of_numbers(plays, lookup):
    raw = plays["train"].create_tf_dataset_for_client(FOOL)
    dataset = preprocess(raw, lookup)
    spec = tf.TensorSpec([BATCH_SIZE, SEQUENCE_LENGTH], tf.int64)
    assert dataset.element_spec == (spec, spec)
    text, size = text_of(plays, FOOL), SEQUENCE_LENGTH + 1
    pieces = [text[start : start + size] for start in range(0, len(text) - size + 1, size)]
    found = sequences_of(dataset)
    assert found <= set(pieces)
    assert len(found) > len(pieces) - 2 * BATCH_SIZE


def test_client_data_can_be_preprocessed_as_a_whole(plays):
    whole = plays["train"].preprocess(preprocess)
    for client_id in CLIENTS:
        found = sequences_of(whole.create_tf_dataset_for_client(client_id).take(BATCHES_OF_CLIENT))
        assert len(found) == BATCHES_OF_CLIENT * BATCH_SIZE
        assert found == sequences_of(batches_of(plays, client_id))


def test_types(fed_avg):
    of_clients = "{<int64[4,20],int64[4,20]>*}@CLIENTS"
    assert str(fed_avg.next.type_signature.parameter[1]) == of_clients
    # The state of the recurrent layer is no weight of the model.
    assert str(fed_avg.initialize.type_signature.result.member["global_model_weights"]) == (
        "<trainable=<float32[85,16],float32[16,96],float32[32,96],float32[2,96],float32[32,85],"
        "float32[85]>,non_trainable=<>>"
    )


@marks.SLOW_ON_REFERENCE
@pytest.mark.usefixtures("engine")
def test_it_learns(fed_avg, weights, train_datasets, test_dataset, compiled_model):
    state = fed_avg.set_model_weights(fed_avg.initialize(), weights)
    first_loss, _ = keras_evaluate(weights, compiled_model, test_dataset)
    losses = []
    for _ in range(3):
        result = fed_avg.next(state, train_datasets)
        state = result.state
        losses.append(train_metrics(result)["loss"])
    assert first_loss == pytest.approx(np.log(len(VOCABULARY)), abs=0.1)
    assert losses[-1] < losses[0] - 0.3
    tuned = fed_avg.get_model_weights(state)
    last_loss, accuracy = keras_evaluate(tuned, compiled_model, test_dataset)
    assert last_loss < first_loss - 0.5
    assert accuracy > 0.1
    generating = make_keras_model(batch_size=1)
    tuned.assign_weights_to(generating)
    text = generate_text(generating, "What of it, you ask? ", 30)
    assert text.startswith("What of it, you ask? ")
    assert len(text) == 51


@pytest.fixture(scope="module")
def standing_still(keras_model, plays):
    """A process that reports metrics and learns nothing; its metric is of the form of Keras 2."""
    with pytest.warns(class_accuracies.MetricShapeWarning, match="AccuracyOfKeras2"):
        return build_fed_avg(keras_model, plays, 0.0, AccuracyOfKeras2)


@pytest.mark.slow
def test_each_client_starts_without_a_memory_and_keeps_it_over_its_batches(
    standing_still, keras_model, weights, train_datasets
):
    expected = []
    for dataset in train_datasets:
        keras_model.layers[1].reset_state()
        expected.append([loss_fn()(y, keras_model(x)).numpy() for x, y in dataset])
    state = standing_still.set_model_weights(standing_still.initialize(), weights)
    for order in ([0, 1], [1, 0]):
        result = standing_still.next(state, [train_datasets[index] for index in order])
        mean = np.mean([expected[index] for index in order])
        assert train_metrics(result)["loss"] == pytest.approx(mean, rel=1e-5)


@pytest.mark.slow
def test_an_accuracy_of_the_form_of_keras_2_means_what_it_meant(
    standing_still, weights, train_datasets
):
    draw = np.random.default_rng(2)
    drawn = [draw.normal(size=array.shape).astype(np.float32) for array in weights.trainable]
    keras_model = make_keras_model()
    keras_model.set_weights(drawn)
    is_right = []
    for dataset in train_datasets:
        keras_model.layers[1].reset_state()
        is_right += [keras_model(x).numpy().argmax(-1) == y.numpy() for x, y in dataset]
    state = standing_still.set_model_weights(
        standing_still.initialize(), tff.learning.models.ModelWeights(drawn, [])
    )
    result = standing_still.next(state, train_datasets)
    assert train_metrics(result)["accuracy"] == pytest.approx(np.mean(is_right), rel=1e-5)


def test_an_accuracy_of_the_form_of_keras_2_is_an_error_where_warnings_are(keras_model, plays):
    class StrictAccuracy(AccuracyOfKeras2):
        pass

    with pytest.raises(ValueError, match="cannot compute its loss"):
        build_fed_avg(keras_model, plays, 0.0, StrictAccuracy)
