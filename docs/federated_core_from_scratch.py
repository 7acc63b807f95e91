"""Federated Core from scratch: the language, built small enough to be read in one sitting.

Run it: `python docs/federated_core_from_scratch.py`. Up to the last section it needs NumPy alone.
"""

# # Federated Core from scratch
#
# In federated learning many clients train one model together, and their data stays with them. A
# program for that is not one program: some of it runs at a server, some at every client, and the
# interesting part is what travels between them. We want to write it as one Python function, and we
# want to know, before anything runs, what every client is sent and what leaves it.
#
# So the function must become a value that can be looked at: a small typed program. In this file we
# build the language of such programs. It needs types that say where a value is, a way to turn
# Python into programs (tracing), a way to run them that is obviously right (an interpreter), and a
# way to cut them into the work of the server and the work of a client (a plan).

import itertools
import operator
from collections import ChainMap, defaultdict, namedtuple
from functools import reduce
from types import SimpleNamespace

import numpy as np

# ## Types: what a value is, and where
#
# Inside one machine there are arrays, and structs of them. A size of None is known only when the
# data is there: one client may have 5 examples, another 500.

Array = namedtuple("Array", "shape")
Struct = namedtuple("Struct", "elements")

# What makes the language federated is one more type. `At(t, "server")` is one value of the type
# `t`, at the server. `At(t, "clients")` is one value for each client. The type does not say how
# many clients there are: programs do not depend on it.

At = namedtuple("At", "member place")
Function = namedtuple("Function", "parameters result")

# Types are printed as TFF prints them. Braces say that each client has a value of its own.


def show(kind):
    match kind:
        case Array(shape):
            sizes = ",".join("?" if size is None else str(size) for size in shape)
            return f"float[{sizes}]" if shape else "float"
        case Struct(elements):
            return f"<{','.join(map(show, elements))}>"
        case At(member, "clients"):
            return f"{{{show(member)}}}@CLIENTS"
        case At(member, _):
            return f"{show(member)}@SERVER"
        case Function(parameters, result):
            return f"({show(Struct(parameters))} -> {show(result)})"


NUMBER, VECTOR = Array(()), Array((3,))
assert show(At(Struct((VECTOR, NUMBER)), "clients")) == "{<float[3],float>}@CLIENTS"

# ## Programs: six kinds of nodes
#
# A program is a tree. Five kinds of nodes are those of any language with functions and tuples: a
# name, a function, a call, a tuple, and an item of a tuple. The sixth, a primitive, is what a
# program does not look into: a NumPy function that is carried out somewhere, or one of the two
# moves between server and clients, which have nothing to run.

Name = namedtuple("Name", "name type")
Lambda = namedtuple("Lambda", "parameters result")
Call = namedtuple("Call", "function arguments")
Tuple = namedtuple("Tuple", "items")
Item = namedtuple("Item", "source index")
Primitive = namedtuple("Primitive", "name type run")


def type_of(node):
    match node:
        case Name(_, kind) | Primitive(_, kind, _):
            return kind
        case Lambda(parameters, result):
            return Function(tuple(map(type_of, parameters)), type_of(result))
        case Call(function, _):
            return type_of(function).result
        case Tuple(items):
            return Struct(tuple(map(type_of, items)))
        case Item(source, index):
            return type_of(source).elements[index]


# ## Tracing: from Python to programs
#
# Nobody wants to write trees. We want to write Python and get the tree. For that we call the Python
# function once, on objects that do nothing but write down what is done with them. Such an object is
# a `Value`. It holds a node, and stands for what the node will be worth.


class Value:
    def __init__(self, node):
        self.node, self.type = node, type_of(node)

    def __getitem__(self, index):
        if isinstance(self.type, At):  # The tuple is somewhere else: it is opened there, not here.
            return federated_map(operator.itemgetter(index), self)
        return Value(Item(self.node, index))

    def __iter__(self):
        elements = (self.type.member if isinstance(self.type, At) else self.type).elements
        return (self[index] for index in range(len(elements)))


def to_node(value):
    return value.node if isinstance(value, Value) else Tuple(tuple(map(to_node, value)))


# A computation is a traced function. Called on values, in the middle of another trace, it adds a
# call to the program that is being traced. Called on data, it runs; how, we shall see.


class Computation:
    def __init__(self, node):
        self.node = node

    def __call__(self, *arguments):
        if all(isinstance(each, Value) for each in arguments):
            return Value(Call(self.node, tuple(map(to_node, arguments))))
        return run_plan(to_plan(self.node), arguments)


fresh = itertools.count()


def federated_computation(*types):
    def trace(function):
        parameters = tuple(Name(f"p{next(fresh)}", kind) for kind in types)
        result = function(*map(Value, parameters))
        return Computation(Lambda(parameters, to_node(result)))

    return trace


# ## Intrinsics: what only a federated language can say
#
# There are three. The server sends one value to every client. The clients, or the server, apply a
# function to what they have. The values of all clients are added up, and the server gets the sum.
#
# Each is a Python function that checks types and adds a call. Here the placements pay: a program
# that would use a client's value at the server has no type, so it is never built.


def call_primitive(name, result, values, run=None):
    kind = Function(tuple(value.type for value in values), result)
    return Value(Call(Primitive(name, kind, run), tuple(value.node for value in values)))


def check_place(intrinsic, place, *values):
    for value in values:
        if value.type.place != place:
            raise TypeError(f"{intrinsic}: expected values at the {place}, got {show(value.type)}")


def federated_broadcast(value):
    check_place("broadcast", "server", value)
    return call_primitive("broadcast", At(value.type.member, "clients"), [value])


def federated_sum(value):
    check_place("sum", "clients", value)
    return call_primitive("sum", At(value.type.member, "server"), [value])


# A map takes a NumPy function as it is. All that the language has to know is the type of the
# result. There is no need to look inside for that: we call the function once, on arrays of ones,
# and look at what comes out.


def federated_map(function, *values):
    place = values[0].type.place
    check_place("map", place, *values)
    result = infer(function(*[ones(value.type.member) for value in values]))
    name = getattr(function, "__name__", type(function).__name__)
    return call_primitive(name, At(result, place), values, run=function)


def ones(kind):
    if isinstance(kind, Struct):
        return tuple(map(ones, kind.elements))
    return np.ones([size or 1 for size in kind.shape])


def infer(value):
    return Struct(tuple(map(infer, value))) if type(value) is tuple else Array(np.shape(value))


# Everything else is a library. A weighted mean is two sums and a division: an ordinary Python
# function, which leaves its trace in whatever program is traced while it runs.


def federated_mean(value, weight):
    total = federated_sum(federated_map(np.multiply, value, weight))
    return federated_map(np.divide, total, federated_sum(weight))


# The first program: each client has a temperature, and a number that says how much it counts.


@federated_computation(At(NUMBER, "clients"), At(NUMBER, "clients"))
def average(temperature, weight):
    return federated_mean(temperature, weight)


assert show(type_of(average.node)) == "(<{float}@CLIENTS,{float}@CLIENTS> -> float@SERVER)"

# ## The interpreter: what programs mean
#
# To run a program is to walk over its tree. A name is looked up, a function becomes a function of
# Python, a call is a call. Only at the primitives a decision is due, so we leave it to the caller:
# `perform` says what it means to call one. We shall need this walk twice.
#
# One thing asks for care. A value that is used in two places is one node in two places, and must be
# computed once. So the scope, which knows what names stand for, remembers calls as well.


def walk(node, scope, perform):
    match node:
        case Name(name, _):
            return scope[name]
        case Lambda(parameters, result):
            names = [parameter.name for parameter in parameters]
            return lambda *given: walk(result, {**scope, **dict(zip(names, given))}, perform)
        case Call(function, arguments):
            if id(node) not in scope:
                given = [walk(argument, scope, perform) for argument in arguments]
                scope[id(node)] = walk(function, scope, perform)(*given)
            return scope[id(node)]
        case Tuple(items):
            return tuple(walk(item, scope, perform) for item in items)
        case Item(source, index):
            return walk(source, scope, perform)[index]
        case Primitive():
            return lambda *given: perform(node, given)


# What a program means should be beyond doubt, so the first way to perform is the plainest. A value
# at the server is itself; a value at the clients is a list with one value for each. Nothing here is
# fast. Whatever is fast, later, has to agree with it.


def interpret(computation, arguments, clients):
    def perform(primitive, given):
        if primitive.name == "broadcast":
            return [given[0]] * clients
        if primitive.name == "sum":
            return reduce(add, given[0])
        at_clients = primitive.type.result.place == "clients"
        return list(map(primitive.run, *given)) if at_clients else primitive.run(*given)

    return walk(computation.node, {}, perform)(*arguments)


def add(x, y):
    return tuple(map(add, x, y)) if type(x) is tuple else x + y


temperatures, weights = [10.0, 20.0, 40.0], [1.0, 1.0, 2.0]
assert interpret(average, [temperatures, weights], clients=3) == 27.5

# ## Normal form: one flat list of calls
#
# Programs call each other, and calls nest. To see what happens where, we want one flat list:
# `v1 = f(a)`, `v2 = g(v1)`, and so on, in which every `f` is a primitive.
#
# To flatten a program, run it on names. This is the second way to perform a call: give the result a
# name, and write the call down. The functions and tuples of the program vanish on the way, for they
# have done their work when the list is there. (TFF calls the result call-dominant form.)


def flatten(program):
    calls = []

    def perform(primitive, given):
        name = Name(f"v{len(calls) + 1}", primitive.type.result)
        calls.append((name, Call(primitive, given)))
        return name

    result = walk(program, {}, perform)(*program.parameters)
    return calls, result


# ## The plan: who does what, and when
#
# The list says what is computed, and its types say where. What is left is when. A step is some work
# at the server, then some work at every client, then sums. Only a sum brings anything back to the
# server, so only a sum leads to the next step. Everything else is in the step of its last argument.

Plan = namedtuple("Plan", "parameters steps result")


def to_plan(program):
    calls, result = flatten(program)
    steps = defaultdict(lambda: SimpleNamespace(server=[], clients=[], sums=[]))
    known_in = {parameter: 0 for parameter in program.parameters}
    for name, call in calls:
        number = max(known_in[argument] for argument in call.arguments)
        known_in[name] = number + (call.function.name == "sum")
        if call.function.name == "sum":
            steps[number].sums.append((name, call))
        elif call.function.name == "broadcast" or name.type.place == "server":
            steps[number].server.append((name, call))
        else:
            steps[number].clients.append((name, call))
    return Plan(program.parameters, [steps[number] for number in sorted(steps)], result)


# A plan can be read before anyone runs it. What leaves a client is what is summed, and no more.


def describe(plan):
    for step in plan.steps:
        for place, calls in vars(step).items():
            for name, (function, arguments) in calls:
                given = ", ".join(argument.name for argument in arguments)
                yield f"{place:7}  {name.name} = {function.name}({given}): {show(name.type)}"


# To run it, the clients are taken one at a time. Each has names of its own and sees those of the
# server, the broadcast values among them. Of a client's work only the sums stay: however many
# clients there are, no list of what they send is ever made.


def run_plan(plan, arguments):
    server, at_clients = {}, {}
    for parameter, argument in zip(plan.parameters, arguments):
        placed = at_clients if parameter.type.place == "clients" else server
        placed[parameter] = argument
    clients = [dict(zip(at_clients, own)) for own in zip(*at_clients.values())]
    for step in plan.steps:
        for name, call in step.server:
            server[name] = perform_at(call, server)
        totals = {}
        for own in clients:
            scope = ChainMap(own, server)
            for name, call in step.clients:
                own[name] = perform_at(call, scope)
            for name, call in step.sums:
                value = perform_at(call, scope)
                totals[name] = add(totals[name], value) if name in totals else value
        server.update(totals)
    return server[plan.result]


def perform_at(call, scope):
    values = [scope[argument] for argument in call.arguments]
    return call.function.run(*values) if call.function.run else values[0]


assert average(temperatures, weights) == 27.5

# ## Federated averaging
#
# Now the program that all this is for. The server has a linear model. Each client has examples, and
# trains the model on them by a few steps of gradient descent. The new model is the mean of theirs,
# each weighted by the number of its examples.

MODEL = At(VECTOR, "server")
EXAMPLES = At(Struct((Array((None, 3)), Array((None,)))), "clients")


def train(model, examples):
    x, y = examples
    for _ in range(5):
        model = model - 0.1 * x.T @ (x @ model - y) / len(y)
    return model, len(y)


@federated_computation(MODEL, EXAMPLES)
def federated_averaging(model, examples):
    trained, count = federated_map(train, federated_broadcast(model), examples)
    return federated_mean(trained, count)


print(*describe(to_plan(federated_averaging.node)), sep="\n")

# By hand, in NumPy, a round is three lines. The interpreter and the plan have to give the same.

generator = np.random.default_rng(0)
truth = np.array([1.0, -2.0, 3.0])
inputs = [generator.normal(size=(size, 3)) for size in (5, 20, 50)]
data = [(x, x @ truth) for x in inputs]
start = np.zeros(3)

trained = [train(start, examples) for examples in data]
count = sum(number for _, number in trained)
by_hand = sum(model * number for model, number in trained) / count
np.testing.assert_allclose(interpret(federated_averaging, [start, data], clients=3), by_hand)
np.testing.assert_allclose(federated_averaging(start, data), by_hand)

# A computation is a value, so it can be a part of another one. Two rounds are one program, and its
# plan has the steps of both.


@federated_computation(MODEL, EXAMPLES)
def two_rounds(model, examples):
    return federated_averaging(federated_averaging(model, examples), examples)


assert len(to_plan(two_rounds.node).steps) == 3
np.testing.assert_allclose(two_rounds(start, data), federated_averaging(by_hand, data))

model = start
for _ in range(30):
    model = federated_averaging(model, data)
np.testing.assert_allclose(model, truth, atol=0.01)

# ## The real one
#
# The same in `tensorflow_federated`. It has what ours has not: types of every dtype, structures
# with names, local computations that are compiled by JAX and TensorFlow, messages that say what to
# write instead, and an engine that minds time and memory. The ideas are the same, the plan is the
# same, and so is the result.

import tensorflow_federated as tff

REAL_MODEL = (np.float32, [3])
REAL_EXAMPLES = [(np.float32, [None, 3]), (np.float32, [None])]
real_train = tff.jax.computation(train, REAL_MODEL, REAL_EXAMPLES)


@tff.federated_computation(
    tff.FederatedType(REAL_MODEL, tff.SERVER), tff.FederatedType(REAL_EXAMPLES, tff.CLIENTS)
)
def real_federated_averaging(model, examples):
    trained, count = tff.federated_map(real_train, (tff.federated_broadcast(model), examples))
    return tff.federated_mean(trained, count)


real = real_federated_averaging(np.float32(start), [list(map(np.float32, each)) for each in data])
np.testing.assert_allclose(real, by_hand, rtol=1e-4)
print(tff.explain(real_federated_averaging).plan)
