"""What Python's full collections leave out; each in an interpreter of its own."""

import subprocess
import sys
import textwrap

MAKE = """
    import gc, weakref
    from tallymark_server import garbage

    def many():
        return [[] for _ in range(garbage.MANY_OBJECTS)]

    class Circle:
        def __init__(self):
            self.itself = self

    garbage.spare_what_stays()
"""


def prints(code: str) -> str:
    program = textwrap.dedent(MAKE) + textwrap.dedent(code)
    ended = subprocess.run(  # the arguments are ours
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return ended.stdout.strip()


def test_many_objects_that_outlive_a_full_collection_are_spared_the_next() -> None:
    printed = prints("""
        loaded = gc.get_freeze_count()
        streams = many()
        gc.collect()
        print(gc.get_freeze_count() >= loaded + garbage.MANY_OBJECTS)
    """)

    assert printed == "True"


def test_a_few_are_looked_at_again() -> None:
    printed = prints("""
        loaded = gc.get_freeze_count()
        calls = [[] for _ in range(100)]
        gc.collect()
        print(gc.get_freeze_count() <= loaded)
    """)

    assert printed == "True"


def test_of_what_is_spared_a_circle_is_found_in_the_end() -> None:
    printed = prints("""
        garbage.TIMES_SPARED_MAX = 2
        streams, circle = many(), Circle()
        lives = weakref.ref(circle)
        gc.collect()
        del circle
        seen = []
        for _ in range(3):
            streams += many()
            gc.collect()
            seen.append(lives() is not None)
        print(seen)
    """)

    assert printed == "[True, False, False]"
