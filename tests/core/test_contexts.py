"""The stack of contexts decides what a call means."""

from __future__ import annotations

import threading

import pytest

from tensorflow_federated.core import contexts
from tensorflow_federated.core.tracing import federated_computation


class Named:
    def __init__(self, name):
        self.name = name

    def invoke(self, comp, arg):
        return self.name


CALL = federated_computation(lambda: 1)


def test_the_innermost_context_is_called():
    with contexts.install(Named("outer")):
        with contexts.install(Named("inner")):
            assert CALL() == "inner"
        assert CALL() == "outer"


def test_a_context_ends_with_its_block_even_by_an_error():
    with contexts.install(Named("outer")):
        with pytest.raises(ZeroDivisionError), contexts.install(Named("inner")):
            raise ZeroDivisionError
        assert CALL() == "outer"


def test_threads_do_not_see_each_others_contexts():
    seen = []
    with contexts.install(Named("outer")):
        thread = threading.Thread(target=lambda: seen.append(contexts.current_or_none()))
        thread.start()
        thread.join()
    assert seen == [None]
