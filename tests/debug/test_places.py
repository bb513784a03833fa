"""A place in the code is told without the directory that the program lies in."""

import asyncio.events

from sidecar.debug import places
from sidecar.debug.places import function, place, short


def test_a_path_begins_with_its_package() -> None:
    assert short(places.__file__) == "sidecar/debug/places.py"
    assert short(asyncio.events.__file__) == "asyncio/events.py"


def test_a_path_of_nowhere_stays_as_it_is() -> None:
    assert short("<frozen importlib._bootstrap>") == "<frozen importlib._bootstrap>"
    assert short("/nowhere/at/all.py") == "/nowhere/at/all.py"


def test_a_line_of_a_stack_names_file_line_and_function() -> None:
    code = short.__wrapped__.__code__
    assert place(code, 7) == "sidecar/debug/places.py:7 short"
    assert place(code, None) == f"sidecar/debug/places.py:{code.co_firstlineno} short"


def test_a_function_is_a_word_that_folded_stacks_may_hold() -> None:
    code = compile("def f(): pass", "odd;name\n.py", "exec")
    assert function(code) == "odd,name .py:<module>"
