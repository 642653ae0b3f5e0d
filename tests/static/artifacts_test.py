#!/usr/bin/env python3
"""tools/pretrain_recipes and tools/ladder with made-up programs: what runs once, what is made again, and the tables."""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.dont_write_bytecode = True
sys.path.insert(0, str(TOOLS))
import artifacts  # noqa: E402

# A program that notes its arguments and does what the tools read of the real one: a folder, the last line.
PROGRAM = """#!/usr/bin/env python3
import hashlib, json, os, sys
words = sys.argv[1:]
option = lambda name, other=None: words[words.index(name) + 1] if name in words else other
with open(os.path.join(os.path.dirname(sys.argv[0]), "calls"), "a") as calls: calls.write(json.dumps([os.path.basename(sys.argv[0]), *words]) + "\\n")
if os.environ.get("FAIL", "no") in words: sys.exit("pretrain: the test's error")
if sys.argv[0].endswith("pretrain"):
    if "--dry-run" in words: print("steps 1000000, about 2000.0 minutes at 10 tokens/s"); sys.exit()
    os.makedirs(option("--out"), exist_ok=True)
    content = json.dumps([w for w in words if "/" not in w]) + option("--from", "")
    for name in ("model.safetensors", "vocab.txt"): open(os.path.join(option("--out"), name), "w").write(content)
    print("valid mlm=4.5000 masked_accuracy=0.2" + (" general mlm=5.2500 masked_accuracy=0.1" if "--general" in words else ""))
elif sys.argv[0].endswith("predict"):
    known = int(open(os.path.join(option("--model"), "known")).read())
    for i in range(10): print(json.dumps({"label": "1" if i < known else "0"}))
else:
    seed, far = int(option("--seed")), 0.1 if "--from-scratch" in words else 0.2
    if option("--out"):
        os.makedirs(option("--out"), exist_ok=True)
        open(os.path.join(option("--out"), "known"), "w").write("5" if "--from-scratch" in words else str(6 + seed))
    print(f"dev accuracy={far + seed / 100:.4f} spearman={far + seed / 100:.4f} f1={far + seed / 100:.4f}")
"""


class Tools(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.programs = self.folder / "programs"
        self.programs.mkdir()
        for name in ("pretrain", "finetune", "predict"):
            (self.programs / name).write_text(PROGRAM)
            (self.programs / name).chmod(0o755)
        data = self.folder / "data"
        rows = lambda *columns: "".join("\t".join(columns) + "\n" for _ in range(1200))
        for name, text in {"wiki-en/train.txt": "a\n\nb\n", "wiki-en/valid.txt": "c\n", "imdb/unlabelled.txt": "good<br />bad\n" * 600,
                           "sst2/train.tsv": "sentence\tlabel\n" + rows("fine", "1"), "sst2/dev.tsv": "sentence\tlabel\n" + "fine\t1\n" * 10,
                           "sst2/test.tsv": "sentence\tlabel\n" + "fine\t1\n" * 10, "mrpc/train.tsv": rows("a", "b"),
                           "mrpc/dev.tsv": "x\n", "stsb/train.tsv": "h\n" + rows("a", "b", "4.5"), "stsb/dev.tsv": "x\n",
                           "wnut17/train.conll": "x\n", "wnut17/dev.conll": "x\n"}.items():
            (data / name).parent.mkdir(parents=True, exist_ok=True)
            (data / name).write_text(text)

    def run_tool(self, tool, *words, status=0, **environment):
        done = subprocess.run([sys.executable, TOOLS / tool, "--data", self.folder / "data", "--programs", self.programs, "--work", self.folder / "work", *words],
                              capture_output=True, text=True, env=os.environ | environment, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status == 0 else done.stderr

    def assert_row(self, row, table):
        """Minutes are of the machine's load."""
        self.assertIn(row, re.sub(r"\| [0-9]+\.[0-9] \|", "| MINUTES |", table))

    def calls(self):
        """The programs' calls since the last question."""
        path = self.programs / "calls"
        calls = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        path.unlink(missing_ok=True)
        return calls

    def test_a_recipe_runs_once_for_its_options_and_inputs_and_again_where_one_changes(self):
        words = ("--steps", "100", "--recipe", "base", "no pairs", "random weights", "--task", "mrpc", "stsb", "--seeds", "1", "2")
        out = self.run_tool("pretrain_recipes", *words)
        calls = self.calls()
        self.assertEqual([c[0] for c in calls].count("pretrain"), 2)
        self.assertEqual([c[0] for c in calls].count("finetune"), 3 * 2 * 2)
        self.assert_row("| base | 100 | MINUTES | 4.50 | 0.215 ± 0.007 | 0.215 ± 0.007 | 0.215 | +0.000 |", out)
        self.assert_row("| random weights | - | - | - | 0.115 ± 0.007 | 0.115 ± 0.007 | 0.115 | -0.100 |", out)
        pretraining = calls[0]
        self.assertEqual(pretraining[pretraining.index("--warmup") + 1], "7")
        table = out[out.index("| recipe"):]
        self.assertEqual(self.run_tool("pretrain_recipes", *words)[-len(table):], table)
        self.assertEqual(self.run_tool("pretrain_recipes", *words, "--table"), table)
        self.assertEqual(self.calls(), [])
        (self.folder / "data/wiki-en/valid.txt").write_text("other\n")  # an input of every pretraining
        self.run_tool("pretrain_recipes", *words)
        self.assertEqual([c[0] for c in self.calls()].count("pretrain"), 2)

    def test_minutes_become_steps_and_a_failed_run_goes_on_with_them(self):
        words = ("--minutes", "0.5", "--recipe", "base", "--task", "mrpc", "--seeds", "1")
        self.assertIn("the test's error", self.run_tool("pretrain_recipes", *words, status=1, FAIL="250"))
        self.assertEqual(["--dry-run" in c for c in self.calls()], [True, False])
        self.assertIn("| base | 250 |", self.run_tool("pretrain_recipes", *words))
        self.assertEqual([c[0] for c in self.calls()], ["pretrain", "finetune"])  # no speed is measured anew
        self.run_tool("pretrain_recipes", *words, "--again")
        self.assertEqual([c[0] for c in self.calls()], ["pretrain", "pretrain", "finetune"])

    def test_a_ladder_shares_the_stages_that_chains_begin_with(self):
        words = ("--steps", "general=50", "domain=20", "task=10", "--chain", "random", "general", "general+domain", "general+domain+task", "domain",
                 "--labels", "1,000 labels", "--seeds", "1", "3")
        out = self.run_tool("ladder", *words)
        calls = [c for c in self.calls() if c[0] == "pretrain"]
        self.assertEqual(len(calls), 4)
        domain = calls[1]
        self.assertIn("--from", domain)
        self.assertNotIn("--arch", domain)
        self.assertNotIn("<br", Path(domain[domain.index("--text") + 1]).read_text())
        self.assertIn("--vocab", calls[3])
        self.assert_row("| general, domain, task | 80 | MINUTES | 4.50 | 5.25 | 0.220 ± 0.014 | 0.800 ± 0.141 | +0.000 (+0.000 to +0.000) |", out)
        self.assertRegex(out, r"\| general \| 50 \| \S+ \| 4.50 \| 4.50 \| 0.220 ± 0.014 \| 0.800 ± 0.141 \| \+0.300 \(\+0.[01]\d\d to \+0.[456]\d\d\) \|")
        self.assertEqual(list((self.folder / "work").glob("*.model")), [])
        self.assertEqual(self.run_tool("ladder", *words, "--table"), out[out.index("| stages"):])
        self.assertEqual(self.calls(), [])

    def test_wrong_words_are_refused_by_name(self):
        for tool, words, named in (("pretrain_recipes", ("--steps", "1", "--recipe", "bass"), "bass"), ("pretrain_recipes", ("--steps", "1", "--task", "x"), "found x"),
                                   ("pretrain_recipes", ("--steps", "1", "--own", "x"), "NAME=OPTIONS"), ("ladder", ("--steps", "general=0"), "general=0"),
                                   ("ladder", ("--steps", "general=1", "--chain", "general+home"), "general+home"),
                                   ("ladder", ("--steps", "general=1", "--chain", "general+task"), "of task")):
            with self.subTest(words=words):
                self.assertIn(named, self.run_tool(tool, *words, status=1))

    def test_a_recipe_is_judged_by_the_sentences_of_dev_and_test(self):
        out = self.run_tool("pretrain_recipes", "--steps", "100", "--recipe", "base", "no pairs", "random weights", "--task", "sst2-1000", "--seeds", "1", "3")
        self.assertRegex(out, r"\| base .* \| 0.800 ± 0.141 \| - \|\n")
        self.assertRegex(out, r"\| no pairs .* \| 0.800 ± 0.141 \| \+0.000 \(\+0.000 to \+0.000\) \|\n")
        self.assertRegex(out, r"\| random weights .* \| 0.500 ± 0.000 \| -0.300 \(-0.[456]\d\d to -0.[01]\d\d\) \|\n")

    def test_a_bootstrap_pairs_examples_and_finds_what_chance_may_have_made(self):
        same, low, high = artifacts.paired_bootstrap(["1100", "1100"], ["1010", "1010"])
        self.assertEqual(same, 0)
        self.assertTrue(-0.8 < low < -0.2 and 0.2 < high < 0.8)
        self.assertEqual(artifacts.paired_bootstrap(["1" * 50], ["0" * 50]), (1, 1, 1))
        d, low, high = artifacts.paired_bootstrap(["1" * 60 + "0" * 40], ["1" * 50 + "0" * 50])
        self.assertAlmostEqual(d, 0.1)
        self.assertTrue(0.03 < low < 0.07 and 0.13 < high < 0.17)  # of a share of 0.1 in 100: 1.96 deviations are 0.059
        with self.assertRaises(ValueError):
            artifacts.paired_bootstrap(["11"], ["1"])

    def test_of_an_option_the_last_value_counts(self):
        self.assertEqual(artifacts.merged(["--a", "1", "--b"], ["--a", "-2"]), {"--a": "-2", "--b": None})
        self.assertEqual(artifacts.words_of({"--a": "-2", "--b": None}), ["--a", "-2", "--b"])


if __name__ == "__main__":
    unittest.main()
