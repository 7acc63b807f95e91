"""The type signatures of all builders, as TFF 0.87 prints them: `golden/test_type_signatures.txt`.

The file holds what TFF 0.87 answered; it is not to be rewritten with `--update-golden`.
"""

from __future__ import annotations

import pytest

import tensorflow_federated as tff

algorithms, templates = tff.learning.algorithms, tff.learning.templates
build_sgdm = tff.learning.optimizers.build_sgdm

LEARNING_PROCESS = (
    "initialize",
    "next",
    "get_model_weights",
    "set_model_weights",
    "get_hparams",
    "set_hparams",
)
TRAINING = ("initialize", "next", "get_model_weights", "get_hparams", "set_hparams")
PART = ("initialize", "next", "get_hparams", "set_hparams")


@pytest.fixture(scope="module")
def build(keras_model_fn, variable_model_fn, weights_type):
    """Builds the process of a name."""
    builders = {
        "weighted": lambda: algorithms.build_weighted_fed_avg(keras_model_fn, build_sgdm(0.1)),
        "unweighted": lambda: algorithms.build_unweighted_fed_avg(keras_model_fn, build_sgdm(0.1)),
        "variable": lambda: algorithms.build_weighted_fed_avg(variable_model_fn, build_sgdm(0.1)),
        "momentum": lambda: algorithms.build_weighted_fed_avg(
            keras_model_fn, build_sgdm(0.1, 0.5), build_sgdm(0.7, 0.9)
        ),
        "eval": lambda: algorithms.build_fed_eval(variable_model_fn),
        "prox": lambda: algorithms.build_weighted_fed_prox(keras_model_fn, 0.5, build_sgdm(0.1)),
        "prox unweighted": lambda: algorithms.build_unweighted_fed_prox(
            keras_model_fn, 0.5, build_sgdm(0.1)
        ),
        "sgd": lambda: algorithms.build_fed_sgd(keras_model_fn),
        "mime": lambda: algorithms.build_weighted_mime_lite(keras_model_fn, build_sgdm(0.1, 0.9)),
        "mime unweighted": lambda: algorithms.build_unweighted_mime_lite(
            keras_model_fn, build_sgdm(0.1, 0.9)
        ),
        "mime schedule": lambda: algorithms.build_mime_lite_with_optimizer_schedule(
            keras_model_fn, lambda round_num: 0.1, build_sgdm(0.1, 0.9)
        ),
        "schedule": lambda: algorithms.build_weighted_fed_avg_with_optimizer_schedule(
            keras_model_fn, lambda round_num: 0.1, build_sgdm
        ),
        "client_work": lambda: templates.build_model_delta_client_work(
            keras_model_fn, build_sgdm(0.1), tff.learning.ClientWeighting.NUM_EXAMPLES
        ),
        "finalizer": lambda: templates.build_apply_optimizer_finalizer(
            build_sgdm(0.1, 0.9), weights_type
        ),
        "broadcast": lambda: templates.build_broadcast_process(weights_type),
    }
    return lambda name: builders[name]()


@pytest.mark.parametrize(
    ("name", "computations"),
    [
        ("weighted", LEARNING_PROCESS),
        ("unweighted", LEARNING_PROCESS),
        ("variable", LEARNING_PROCESS),
        ("momentum", LEARNING_PROCESS),
        ("eval", LEARNING_PROCESS),
        ("prox", TRAINING),
        ("prox unweighted", TRAINING),
        ("sgd", TRAINING),
        ("mime", TRAINING),
        ("mime unweighted", TRAINING),
        ("mime schedule", TRAINING),
        ("schedule", TRAINING),
        ("client_work", PART),
        ("finalizer", PART),
        ("broadcast", ("initialize", "next")),
    ],
)
def test_type_signatures_are_those_of_tff(name, computations, build, golden):
    process = build(name)
    for each in computations:
        signature = getattr(process, each).type_signature
        golden.check(f"{name} {each}", signature.compact_representation())
