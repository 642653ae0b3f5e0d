#!/usr/bin/env python3
"""Runs the example programs for Windows by an emulator (wine64), in a folder whose name is Chinese.

    tests/functional/windows.py build/windows/examples /usr/lib/wine/wine64

Arguments, paths, standard input and output are UTF-8, lines end in "\\n", and a folder that was saved opens again.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAMS = Path(sys.argv.pop(1)).resolve()
EMULATOR = sys.argv.pop(1)
GOOD = "bright clever gentle happy honest lively pleasant warm".split()
BAD = "bitter cruel dreary empty gloomy hollow nasty stale".split()
THINGS = "book film house meal play road song story talk town".split()


def run(program, *arguments, text=""):
    return subprocess.run([EMULATOR, PROGRAMS / f"{program}.exe", *map(str, arguments)], input=text.encode(), capture_output=True, timeout=600,
                          check=False, env=os.environ | {"LC_ALL": "C.UTF-8", "WINEDEBUG": "-all"})


class Windows(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.scratch.name) / "中文 文件夹"
        cls.folder.mkdir()
        chance = random.Random(1)
        sentence = lambda words: f"The {chance.choice(THINGS)} was {chance.choice(words)}, 很 {chance.choice(words)}."
        cls.corpus = cls.write("语料.txt", "\n\n".join("\n".join(sentence(chance.choice((GOOD, BAD))) for _ in range(6)) for _ in range(40)))
        rows = "".join(f"{sentence(words)}\t{label}\n" for _ in range(20) for words, label in ((GOOD, "好"), (BAD, "坏")))
        cls.train = cls.write("训练.tsv", rows)
        cls.model = cls.folder / "模型"
        cls.pretrained = run("pretrain", "--text", cls.corpus, "--arch", "tiny", "--vocab-size", 200, "--steps", 3, "--batch", 4, "--tokens", 32,
                             "--threads", 2, "--out", cls.model)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    @classmethod
    def write(cls, name, text):
        (cls.folder / name).write_bytes(text.encode())
        return cls.folder / name

    def ok(self, result):
        self.assertEqual(result.returncode, 0, result.stderr.decode(errors="replace"))
        self.assertNotIn(b"\r", result.stdout)
        return result.stdout.decode()

    def test_pretrain_saves_a_folder(self):
        self.assertIn("模型", self.ok(self.pretrained))
        self.assertEqual({"config.json", "model.safetensors", "vocab.txt"} - {path.name for path in self.model.iterdir()}, set())
        self.assertFalse([path for path in self.folder.rglob("*") if path.suffix in (".part", ".bert-old")])

    def test_tokenize_reads_and_writes_utf8(self):
        vocabulary = self.model / "vocab.txt"
        text = self.write("文本.txt", "很 book\r\n很\n")
        lines = self.ok(run("tokenize", "--vocab", vocabulary, text)).splitlines()
        self.assertEqual(lines[1], "很")
        self.assertEqual(self.ok(run("tokenize", "--vocab", vocabulary, text="很\n")), "很\n")
        wrong = run("tokenize", "--vocab", self.folder / "没有.txt", text="")
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("没有.txt", wrong.stderr.decode())

    def test_finetune_resumes_and_predict_reads_standard_input(self):
        out, state = self.folder / "分类", self.folder / "状态"
        fit = ("finetune", "--model", self.model, "--train", self.train, "--dev", self.train, "--batch", 8, "--lr", "1e-3", "--threads", 2, "--out", out)
        self.ok(run(*fit, "--epochs", 2, "--keep", state))
        self.ok(run(*fit, "--epochs", 2, "--keep", state))  # replaces the folder
        lines = self.ok(run("predict", "--model", out, text="The book was warm, 很 happy.\n")).splitlines()
        self.assertEqual(len(lines), 1)
        self.assertIn(json.loads(lines[0])["label"], ("好", "坏"))
        self.assertEqual(self.ok(run("predict", "--model", out, self.write("行.txt", "The book was warm, 很 happy.\n"))).splitlines(), lines)
        self.assertIn("分类", self.ok(run("inspect", out)))
        self.assertFalse([path for path in self.folder.rglob("*") if path.suffix in (".part", ".bert-old")])


if __name__ == "__main__":
    unittest.main(verbosity=1)
