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


def test_the_default_context_is_let_go_of_when_the_program_ends(run_python):
    printed = run_python("""
        import atexit, weakref

        # Before the package is imported, so called after whatever that does at the end.
        atexit.register(lambda: print("the context is", reference()))

        import tensorflow_federated as tff

        class Context(tff.framework.SyncContext):
            def invoke(self, comp, arg):
                return None

        reference = weakref.ref(context := Context())
        tff.framework.set_default_context(context)
        del context
    """)
    assert printed == "the context is None\n"
