"""The names of `tff.learning`, and what a name that does not exist answers."""

from __future__ import annotations

import pytest

import tensorflow_federated as tff

PACKAGES = {
    "tff.learning": tff.learning,
    "tff.learning.algorithms": tff.learning.algorithms,
    "tff.learning.metrics": tff.learning.metrics,
    "tff.learning.models": tff.learning.models,
    "tff.learning.optimizers": tff.learning.optimizers,
    "tff.learning.programs": tff.learning.programs,
    "tff.learning.templates": tff.learning.templates,
}


@pytest.mark.parametrize("package", PACKAGES)
def test_all_names_exist(package):
    for name in PACKAGES[package].__all__:
        assert getattr(PACKAGES[package], name) is not None


@pytest.mark.parametrize(
    ("package", "misspelt", "meant"),
    [
        ("tff.learning", "ClientWeight", "ClientWeighting"),
        ("tff.learning.algorithms", "build_weighted_fedavg", "build_weighted_fed_avg"),
        ("tff.learning.metrics", "NumExampleCounter", "NumExamplesCounter"),
        ("tff.learning.models", "ModelWeight", "ModelWeights"),
        ("tff.learning.optimizers", "build_sgd", "build_sgdm"),
        ("tff.learning.programs", "train_models", "train_model"),
        ("tff.learning.templates", "LearningProces", "LearningProcess"),
    ],
)
def test_a_misspelt_name_answers_with_the_one_that_was_meant(package, misspelt, meant):
    with pytest.raises(AttributeError, match=f"did you mean `{package}.{meant}`"):
        getattr(PACKAGES[package], misspelt)


def test_importing_it_loads_no_tensor_framework(run_python):
    printed = run_python(
        """
        import sys

        import tensorflow_federated as tff

        tff.learning.optimizers.build_sgdm(0.1)
        tff.learning.ClientWeighting.UNIFORM
        print([name for name in ("tensorflow", "keras", "jax") if name in sys.modules])
        """
    )
    assert printed.strip() == "[]"
