"""What is kept: as long as all that it was made of, up to a number of bytes."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

from tensorflow_federated.execution import kept_values
from tensorflow_federated.execution.kept_values import KeptValues


class Owner:
    """Something that can be referred to weakly."""


def test_a_value_is_found_by_what_it_is_and_its_owners_in_order():
    kept, first, second = KeptValues(most_bytes=100), Owner(), Owner()
    assert kept.put("sum", "the sum", 10, [first, second])
    assert kept.get("sum", [first, second]) == "the sum"
    assert kept.get("sum", [second, first]) is None
    assert kept.get("sum", [first]) is None
    assert kept.get("product", [first, second]) is None


def test_owners_are_told_apart_by_identity():
    kept, first, equal = KeptValues(most_bytes=100), np.zeros(3), np.zeros(3)
    kept.put("sum", "the sum", 10, [first])
    assert kept.get("sum", [equal]) is None


def test_values_may_have_no_owners():
    kept = KeptValues(most_bytes=100)
    kept.put("name", "the value", 10)
    assert kept.get("name") == "the value"


def test_of_the_same_values_the_first_is_kept():
    kept = KeptValues(most_bytes=100)
    assert kept.put("name", "first", 10)
    assert not kept.put("name", "second", 30)
    assert (kept.get("name"), kept.taken) == ("first", 10)


@pytest.mark.parametrize("which", [0, 1])
def test_a_value_goes_with_the_first_of_its_owners(which):
    kept, owners, value = KeptValues(most_bytes=100), [Owner(), Owner()], Owner()
    reference = weakref.ref(value)
    kept.put("sum", value, 10, owners)
    del owners[which], value
    gc.collect()
    assert reference() is None
    assert kept.taken == 0


def test_an_owner_may_be_given_twice():
    kept, owner = KeptValues(most_bytes=100), Owner()
    kept.put("sum", "the sum", 10, [owner, owner])
    assert kept.get("sum", [owner, owner]) == "the sum"
    del owner
    gc.collect()
    assert kept.taken == 0


def test_nothing_is_found_of_an_owner_whose_place_another_has_taken():
    kept = KeptValues(most_bytes=10_000)
    for number in range(500):
        owner = Owner()
        assert kept.get("number", [owner]) is None
        kept.put("number", number, 10, [owner])
        assert kept.get("number", [owner]) == number
        del owner
    gc.collect()
    assert kept.taken == 0
    assert not kept._entries
    assert not kept._gone


def test_all_values_of_an_owner_go_with_it():
    kept, owner = KeptValues(most_bytes=100), Owner()
    kept.put("sum", "the sum", 10, [owner])
    kept.put("product", "the product", 20, [owner])
    assert kept.taken == 30
    del owner
    gc.collect()
    assert kept.taken == 0


def test_a_value_may_own_another_one():
    kept, owner, middle = KeptValues(most_bytes=100), Owner(), Owner()
    kept.put("first", middle, 10, [owner])
    kept.put("second", "end", 20, [middle])
    del middle
    assert kept.taken == 30
    del owner
    gc.collect()
    assert kept.taken == 0


def test_a_value_that_makes_place_takes_what_it_owns_with_it():
    kept, middle = KeptValues(most_bytes=30), Owner()
    kept.put("first", middle, 20)
    kept.put("second", "end", 10, [middle])
    del middle
    kept.put("third", "large", 30)
    assert (kept.get("third"), kept.taken) == ("large", 30)


def test_the_least_recently_used_goes_first():
    kept = KeptValues(most_bytes=25)
    for name in ("first", "second"):
        kept.put(name, name, 10)
    kept.get("first")
    kept.put("third", "third", 10)
    assert [kept.get(name) for name in ("first", "second", "third")] == ["first", None, "third"]
    assert kept.taken == 20


def test_to_be_given_again_is_a_use():
    kept = KeptValues(most_bytes=25)
    for name in ("first", "second", "first", "third"):
        kept.put(name, name, 10)
    assert [kept.get(name) for name in ("first", "second", "third")] == ["first", None, "third"]


def test_what_is_too_large_is_not_kept_and_takes_no_place():
    kept = KeptValues(most_bytes=15)
    kept.put("small", "small", 10)
    assert not kept.put("large", "large", 16)
    assert (kept.get("large"), kept.get("small"), kept.taken) == (None, "small", 10)


def test_a_limit_of_0_keeps_nothing():
    kept = KeptValues(most_bytes=0)
    assert not kept.put("name", "value", 1)
    assert kept.get("name") is None


def test_what_is_too_large_is_made_each_time():
    kept = KeptValues(most_bytes=5)
    for number in range(3):
        assert kept.get_or_make("number", lambda number=number: number, 10) == number
    assert kept.taken == 0


def test_several_threads_make_a_value_once():
    kept, owner, made = KeptValues(most_bytes=100), Owner(), []
    begun, may_end = threading.Event(), threading.Event()

    def make():
        made.append(Owner())
        begun.set()
        may_end.wait(30)
        return made[-1]

    given = []
    threads = [
        threading.Thread(
            target=lambda: given.append(kept.get_or_make("value", make, 10, [owner])), daemon=True
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    assert begun.wait(30)
    may_end.set()
    for thread in threads:
        thread.join(30)
    assert given == made * 4


def test_an_owner_may_go_while_another_thread_makes_a_value():
    kept, owner = KeptValues(most_bytes=100), Owner()
    kept.put("old", "value", 10, [owner])
    begun, may_end, was_let = threading.Event(), threading.Event(), []

    def make():
        begun.set()
        was_let.append(may_end.wait(10))
        return "made"

    thread = threading.Thread(target=kept.get_or_make, args=("new", make, 20), daemon=True)
    thread.start()
    assert begun.wait(30)
    del owner
    gc.collect()
    may_end.set()
    thread.join(30)
    assert was_let == [True]
    assert (kept.get("new"), kept.taken) == ("made", 20)


def test_many_threads_leave_the_right_number_of_bytes():
    kept, shared = KeptValues(most_bytes=200), [Owner() for _ in range(5)]
    failures = []

    def use(seed):
        generator = np.random.default_rng(seed)
        for number in range(300):
            own, name = Owner(), int(generator.integers(20))
            owners = [shared[name % 5], own] if number % 2 else [shared[name % 5]]
            value = kept.get_or_make(name, lambda name=name: (name,), 1 + name, owners)
            if value != (name,):
                failures.append(value)

    threads = [threading.Thread(target=use, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert not failures
    assert kept.taken == sum(entry.size for entry in kept._entries.values()) <= 200
    shared.clear()
    gc.collect()
    assert kept.taken == 0


def test_its_owners_do_not_keep_it():
    kept, owner, value = KeptValues(most_bytes=100), Owner(), Owner()
    kept.put("sum", value, 10, [owner])
    reference = weakref.ref(value)
    gc.disable()
    try:
        del kept, value
        assert reference() is None
    finally:
        gc.enable()
    del owner


def test_texts_count_as_bytes_of_their_array():
    short, long = (np.array([b"x" * size], object) for size in (1, 1001))
    assert kept_values.num_bytes(long) == kept_values.num_bytes(short) + 1000
