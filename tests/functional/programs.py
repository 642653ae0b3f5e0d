"""What the tests of programs share: a folder of their own, files in it, and checks of how a program ended."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAMS = Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 else Path("build/release/examples").resolve()
GOOD = "bright clever gentle happy honest lively pleasant warm".split()
BAD = "bitter cruel dreary empty gloomy hollow nasty stale".split()
THINGS = "book film house meal play road song story talk town".split()


def run(program, *arguments, text=None, binary=False):
    return subprocess.run([PROGRAMS / program, *map(str, arguments)], input=text, capture_output=True, timeout=240, check=False, text=not binary)


def sentence(chance, words):
    """A sentence with two of the words, drawn from `chance`."""
    return f"The {chance.choice(THINGS)} was {chance.choice(words)} and the {chance.choice(THINGS)} was {chance.choice(words)}."


class Programs(unittest.TestCase):
    """`folder` lasts as long as the class; a class fills it in prepare()."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.scratch.name)
        cls.prepare()

    @classmethod
    def prepare(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    @classmethod
    def write(cls, name, text):
        path = cls.folder / name
        path.write_text(text, encoding="utf-8")
        return path
