"""What a caller may choose about how an engine works."""

from __future__ import annotations

import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import errors
from tensorflow_federated.execution.settings import Settings

native = tff.backends.native


def test_all_that_cannot_be_is_told_at_once(golden):
    with pytest.raises(errors.ArgumentError) as raised:
        Settings(
            threads=0,
            client_form="fast",  # pyright: ignore[reportArgumentType]
            lanes=1.5,  # pyright: ignore[reportArgumentType]
            mixed_precision=1,  # pyright: ignore[reportArgumentType]
            on_client_failure="skip",  # pyright: ignore[reportArgumentType]
            non_finite=None,  # pyright: ignore[reportArgumentType]
        )
    golden.check("all wrong", str(raised.value))


@pytest.mark.parametrize("threads", [1, 64, None])
def test_any_number_of_threads_will_do(threads):
    assert Settings(threads=threads).threads == threads


@pytest.mark.parametrize("threads", [-1, True, 2.0, "2"])
def test_threads_are_a_positive_integer(threads):
    with pytest.raises(errors.ArgumentError, match=r"threads: +expected an integer"):
        Settings(threads=threads)


@pytest.mark.parametrize(
    "create",
    [
        native.create_sync_local_cpp_execution_context,
        native.create_async_local_cpp_execution_context,
    ],
)
def test_contexts_take_the_same_options(create):
    create(
        threads=2,
        client_form="separate",
        lanes=4,
        mixed_precision=True,
        on_client_failure="drop",
        non_finite="fail",
    )
    with pytest.raises(errors.ArgumentError, match="on_client_failure"):
        create(on_client_failure="ignore")
