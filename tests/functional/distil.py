#!/usr/bin/env python3
"""Runs the program `distil` on small input written here, right and wrong, and checks what scripts rely on.

    tests/functional/distil.py build/release/examples
"""

import json
import random
import re
import sys
import unittest

sys.dont_write_bytecode = True
import programs  # noqa: E402
from programs import BAD, GOOD, run, sentence  # noqa: E402


class Distil(programs.Programs):
    @classmethod
    def prepare(cls):
        chance = random.Random(1)
        cls.corpus = cls.write("corpus.txt", "\n\n".join("\n".join(sentence(chance, chance.choice((GOOD, BAD))) for _ in range(6)) for _ in range(60)))
        rows = [(sentence(chance, words), label) for _ in range(40) for words, label in ((GOOD, "fine"), (BAD, "poor"))]
        cls.train = cls.write("train.tsv", "text\tverdict\n" + "".join(f"{t}\t{l}\n" for t, l in rows[:60]))
        cls.dev = cls.write("dev.tsv", "text\tverdict\n" + "".join(f"{t}\t{l}\n" for t, l in rows[60:]))
        cls.model, cls.teacher = cls.folder / "model", cls.folder / "teacher"
        for made in (run("pretrain", "--text", cls.corpus, "--arch", "tiny", "--vocab-size", 200, "--steps", 4, "--batch", 4, "--tokens", 32, "--threads", 2, "--out", cls.model),
                     run("finetune", "--model", cls.model, "--train", cls.train, "--dev", cls.dev, "--epochs", 12, "--batch", 8, "--lr", "1e-3", "--threads", 2, "--out", cls.teacher)):
            assert made.returncode == 0, made.stderr

    def task(self, out, *options, threads=2):
        return run("distil", "--teacher", self.teacher, "--train", self.train, "--dev", self.dev, "--batch", 8, "--threads", threads, "--out", self.folder / out, *options)

    def ok(self, result):
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.splitlines()

    def wrong(self, result, status, *texts):
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        for text in ("distil: ", *texts):
            self.assertIn(text, result.stderr)

    def test_a_classifier_learns_its_teachers_classes_and_says_the_accuracy_of_both(self):
        lines = self.ok(self.task("student", "--arch", "tiny", "--epochs", 12, "--lr", "1e-3", "--hidden", 0.1, "--attention", 0.1, "--relations", 0.1, "--relation-heads", 4))
        teacher = [line for line in lines if line.startswith("teacher ")]
        self.assertRegex(teacher[0], r"in f32, dev accuracy=\d\.\d+ .*loss=")
        last = re.fullmatch(r"dev accuracy=(\d\.\d+) f1=\d\.\d+ loss=\d+\.\d+", lines[-1])
        self.assertGreater(float(last[1]), 0.8)
        step = next(line for line in lines if line.startswith("step "))
        for term in ("hard", "soft", "hidden", "attention", "relations"):
            self.assertIn(f" {term} ", step)
        config = json.loads((self.folder / "student" / "config.json").read_text())
        self.assertEqual(sorted(config["label2id"]), ["fine", "poor"])
        self.assertNotIn(b"distil.projection", (self.folder / "student" / "model.safetensors").read_bytes())
        report = self.ok(run("evaluate", "--model", self.folder / "student", "--tsv", self.dev))
        self.assertIn(last[1][:5], "\n".join(report))

    def test_copied_layers_precisions_and_a_folder_to_start_from(self):
        lines = self.ok(self.task("copied", "--arch", "tiny", "--copy-layers", "--teacher-precision", "int8", "--epochs", 1, "--best"))
        self.assertIn(f"layers copied from {self.teacher}", lines)
        self.assertTrue(any("in int8, dev accuracy=" in line for line in lines))
        self.ok(self.task("from", "--from", self.model, "--teacher-precision", "bf16", "--epochs", 1))
        one = self.ok(self.task("one", "--from", self.teacher, "--epochs", 1, threads=1))
        two = self.ok(self.task("two", "--from", self.teacher, "--epochs", 1))
        self.assertEqual(one[-1], two[-1])
        self.assertEqual((self.folder / "one" / "model.safetensors").read_bytes(), (self.folder / "two" / "model.safetensors").read_bytes())

    def test_a_masked_language_model_learns_its_teachers_pieces_from_text(self):
        lines = self.ok(run("distil", "--teacher", self.model, "--arch", "tiny", "--copy-layers", "--text", self.corpus, "--steps", 6, "--batch", 4, "--max-tokens", 32,
                            "--relations", 1, "--log-every", 3, "--threads", 2, "--out", self.folder / "text"))
        self.assertRegex(lines[-1], r"train mlm=\d+\.\d+ masked_accuracy=\d")
        for term in ("mlm", "soft", "cosine", "relations"):
            self.assertIn(f" {term} ", next(line for line in lines if line.startswith("step 3 ")))
        self.ok(run("fill_mask", "--model", self.folder / "text", "The [MASK] was warm."))

    def test_wrong_settings_are_one_line_on_standard_error(self):
        self.wrong(self.task("x"), 1, "--arch or --from, one of the two", "neither")
        self.wrong(self.task("x", "--arch", "tiny", "--from", self.model), 1, "both")
        self.wrong(self.task("x", "--arch", "huge"), 1, "huge")
        self.wrong(self.task("x", "--arch", "tiny", "--temperature", 0), 2, "--temperature")
        self.wrong(self.task("x", "--arch", "tiny", "--relations", 1, "--relation-heads", 7), 1, "relation heads that divide")
        self.wrong(run("distil", "--teacher", self.model, "--arch", "tiny", "--train", self.train, "--dev", self.dev, "--out", self.folder / "x"), 1, "a classifier, found none")
        self.wrong(run("distil", "--teacher", self.teacher, "--arch", "tiny", "--text", self.corpus, "--out", self.folder / "x"), 1, "a masked language model, found none")
        self.wrong(run("distil", "--teacher", self.teacher, "--arch", "tiny", "--out", self.folder / "x"), 1, "--train and --dev, or --text")
        self.assertFalse((self.folder / "x").exists())


if __name__ == "__main__":
    unittest.main()
