#!/usr/bin/env python3
"""Runs the example programs on folders and files as they occur in practice, one test for each kind of fault.

    tests/functional/folders.py build/release/examples

The folders are made here: random weights of the architecture `tiny`, a vocabulary of some forty pieces.
"""

import array
import json
import math
import random
import re
import struct
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
from programs import run  # noqa: E402

HIDDEN, LAYERS, INNER, POSITIONS = 128, 2, 512, 512
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz", "the", "cat", "sat", "good", "bad", "Cat", ".", "query", ":"]
CONFIG = {"model_type": "bert", "vocab_size": len(PIECES), "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": 2,
          "intermediate_size": INNER, "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu"}


def tensors(labels=0, rows=len(PIECES)):
    """Names and shapes of a BertModel, or with labels of a BertForSequenceClassification."""
    shapes = {"embeddings.word_embeddings.weight": [rows, HIDDEN], "embeddings.position_embeddings.weight": [POSITIONS, HIDDEN],
              "embeddings.token_type_embeddings.weight": [2, HIDDEN]}
    norms = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        block = f"encoder.layer.{layer}."
        linear = {f"attention.self.{x}": (HIDDEN, HIDDEN) for x in ("query", "key", "value")}
        linear |= {"attention.output.dense": (HIDDEN, HIDDEN), "intermediate.dense": (INNER, HIDDEN), "output.dense": (HIDDEN, INNER)}
        for name, (out, inner) in linear.items():
            shapes |= {f"{block}{name}.weight": [out, inner], f"{block}{name}.bias": [out]}
        norms += [block + "attention.output.LayerNorm", block + "output.LayerNorm"]
    shapes |= {"pooler.dense.weight": [HIDDEN, HIDDEN], "pooler.dense.bias": [HIDDEN]}
    shapes |= {f"{norm}.{part}": [HIDDEN] for norm in norms for part in ("weight", "bias")}
    if labels:
        shapes = {"bert." + name: shape for name, shape in shapes.items()} | {"classifier.weight": [labels, HIDDEN], "classifier.bias": [labels]}
    return shapes


def write_weights(path, shapes, prefix=""):
    chance, header, data = random.Random(1), {}, bytearray()
    noise = [chance.gauss(0, 0.1) for _ in range(10_007)]  # a prime, so that rows differ
    at = 0
    for name, shape in sorted(shapes.items()):
        count = math.prod(shape)
        values = array.array("f", (noise[(at + i) % len(noise)] + (1 if name.endswith("LayerNorm.weight") else 0) for i in range(count)))
        at += count
        header[prefix + name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * count]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class Folders(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.root = Path(cls.scratch.name)
        write_weights(cls.root / "encoder", tensors())
        write_weights(cls.root / "classifier", tensors(labels=2))

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def folder(self, name, labels=0, **config):
        path = self.root / name
        path.mkdir()
        (path / "config.json").write_text(json.dumps(CONFIG | config))
        (path / "vocab.txt").write_text("\n".join(PIECES) + "\n")
        (path / "model.safetensors").symlink_to(self.root / ("classifier" if labels else "encoder"))
        return path

    def pooled(self, path, mode, *more):
        kinds = [("Transformer", ""), ("Pooling", "1_Pooling"), *more]
        (path / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models." + k, "path": p} for k, p in kinds]))
        (path / "1_Pooling").mkdir()
        modes = {f"pooling_mode_{m}": m == mode for m in ("cls_token", "mean_tokens", "max_tokens")}
        (path / "1_Pooling/config.json").write_text(json.dumps({"word_embedding_dimension": HIDDEN} | modes))
        return path

    def file(self, name, data):
        path = self.root / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def vectors(self, path, *options, text="the cat sat .\n"):
        result = run("embed_sentences", "--model", path, "--threads", 1, *options, text=text)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def refused(self, result, *parts):
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        for part in parts:
            self.assertRegex(result.stderr, part)

    def test_a_settings_of_a_folder_are_followed_or_refused_by_name(self):
        plain = self.folder("plain")
        first = self.pooled(self.folder("first"), "cls_token")
        self.assertEqual(self.vectors(first), self.vectors(plain, "--pooling", "cls"))
        self.assertNotEqual(self.vectors(first), self.vectors(first, "--as-folder"))
        self.assertNotEqual(self.vectors(first), self.vectors(plain))
        dense = self.pooled(self.folder("dense"), "mean_tokens", ("Dense", "2_Dense"))
        self.refused(run("embed_sentences", "--model", dense, text="the\n"), r"2_Dense/config\.json")
        (dense / "2_Dense").mkdir()
        (dense / "2_Dense/config.json").write_text(json.dumps({"in_features": HIDDEN, "out_features": 3}))
        write_weights(dense / "2_Dense/model.safetensors", {"linear.weight": [3, HIDDEN], "linear.bias": [3]})
        row = [float(x) for x in self.vectors(dense).split()]
        self.assertEqual(len(row), 3)
        self.assertTrue(all(-1 <= x <= 1 for x in row))
        target = self.root / "rows.npy"
        self.assertEqual(self.vectors(dense, "--out", target, text="the cat sat .\nthe\n"), "")
        data = target.read_bytes()
        self.assertIn(b"'shape': (2, 3)", data)
        for a, b in zip(struct.unpack("<3f", data[-24:-12]), row):
            self.assertAlmostEqual(a, b, places=6)
        layers = self.pooled(self.folder("layers"), "mean_tokens", ("LayerNorm", "2_LayerNorm"))
        self.refused(run("embed_sentences", "--model", layers, text="the\n"), r"modules\.json", "LayerNorm")
        prompt = self.folder("prompt")
        (prompt / "config_sentence_transformers.json").write_text(json.dumps({"prompts": {"q": "query : "}, "default_prompt_name": "q"}))
        self.assertEqual(self.vectors(prompt), self.vectors(plain, text="query : the cat sat .\n"))
        self.assertEqual(self.vectors(prompt, "--no-prompt"), self.vectors(plain))
        self.assertEqual(self.vectors(prompt, "--prompt", "q"), self.vectors(prompt))
        self.refused(run("embed_sentences", "--model", prompt, "--prompt", "passage", text="the\n"), "a prompt of the name passage, found q")
        many = self.folder("many", labels=2, architectures=["BertForSequenceClassification"], problem_type="multi_label_classification")
        # Several labels may apply, so its scores are no softmax over classes.
        result = run("evaluate", "--model", many, "--tsv", self.file("many.tsv", "the\tLABEL_0\nthe cat\tLABEL_0,LABEL_1\n"))
        self.assertRegex(result.stdout, r"^f32 micro_f1=", result.stderr)

    def test_inspect_tells_what_a_folder_is_and_the_type_that_opens_it(self):
        told = lambda path: dict(line.split(None, 1) for line in self.inspected(path).splitlines())
        found = told(self.folder("inspected", labels=2, architectures=["BertForSequenceClassification"], id2label={"0": "bad", "1": "good"}))
        self.assertEqual(found["model"], "bert, BertForSequenceClassification")
        self.assertEqual(found["labels"], "bad, good")
        self.assertIn("41 tensors", found["weights"])
        self.assertIn(f"{len(PIECES)} pieces, lower case", found["tokenizer"])
        self.assertIn("bert::model<bert::open_vocabulary<bert::arch::tiny>, bert::heads::classify<bert::labels::dynamic_set>>", found["open"])
        dense = self.pooled(self.folder("inspected-dense", num_attention_heads=4), "mean_tokens", ("Dense", "2_Dense"))
        (dense / "2_Dense").mkdir()
        (dense / "2_Dense/config.json").write_text(json.dumps({"in_features": HIDDEN, "out_features": 3}))
        found = told(dense)
        self.assertIn("pooling mean, Dense, 128 to 3, tanh", found["sentences"])
        self.assertIn(".heads = 4, .intermediate = 512", found["type"])
        self.assertEqual(found["open"], "bert::embedder<mine, bert::pooling::from_folder>::open(folder)")
        (dense / "vocab.txt").unlink()
        result = run("inspect", dense)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stdout, r"(?m)^tokenizer +cannot be opened: ")
        other = self.folder("inspected-other", model_type="mpnet")
        self.refused(run("inspect", other), "mpnet", "bias by distance")

    def inspected(self, path):
        result = run("inspect", path)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def test_b_guesses_about_data_are_noted_can_be_switched_off_and_no_row_is_lost(self):
        model = self.folder("guess")
        rows = "good\tx\nbad\ty\n" * 4
        tune = lambda path, *more: run("finetune", "--model", model, "--train", path, "--dev", path, "--epochs", 1, "--batch", 4, "--threads", 1, *more)
        odd = self.file("odd.tsv", "the cat\todd\n" + rows)
        told = tune(odd)
        self.assertRegex(told.stdout, r"note: .*odd\.tsv, line 1: first row taken as header: the cat \| odd")
        self.assertRegex(told.stdout, r"(?m)^train 8 examples")
        self.assertRegex(tune(odd, "--header", "no").stdout, r'(?m)^train 9 examples.*"odd", "x", "y"')
        self.refused(tune(self.file("wide.tsv", rows + "a\tb\tx\n")), r"wide\.tsv, line 9", "2 columns")
        self.refused(tune(self.file("sixteen.tsv", ("\ufeff" + rows).encode("utf-16-le"))), r"sixteen\.tsv", "UTF-16")
        self.refused(tune(self.file("scores.tsv", "good\t0.5\nbad\t3.0\n" * 3)), r"scores\.tsv", "scores")
        self.assertRegex(tune(self.file("comma.csv", rows.replace("\t", ","))).stdout, r"(?m)^train 8 examples")
        cut = run("embed_sentences", "--model", model, "--max-tokens", 4, text="the\nthe cat sat\n")
        self.assertIn("note: 1 of 2 lines cut to 4 tokens", cut.stderr)

    def test_c_a_state_of_another_corpus_batch_or_masking_is_refused_by_name(self):
        corpus = self.file("one.txt", "The cat sat.\nA good cat.\n\nThe bad cat sat.\nThe cat.\n" * 8)
        other = self.file("two.txt", "The cat sat.\nA good cat.\n\nThe bad cat sat.\nA bad cat.\n" * 8)
        vocabulary = self.file("pieces.txt", "\n".join(PIECES) + "\n")
        state = self.root / "run.state"

        def resume(text=corpus, *more, batch=4):
            return run("pretrain", "--text", text, "--vocab", vocabulary, "--arch", "tiny", "--steps", 2, "--batch", batch, "--tokens", 16,
                       "--threads", 1, "--out", self.root / "resumed", "--keep", state, *more)

        self.assertEqual(resume().returncode, 0)
        self.assertIn("resumed at step 2", resume().stdout)
        self.refused(resume(batch=8), r"run\.state: expected batch 8, as this run has, found batch 4, as")
        self.refused(resume(other), r"run\.state: expected corpus [0-9a-f]+, as this run has, found corpus [0-9a-f]+, as")
        self.refused(resume(corpus, "--masking", "whole_word"), "expected masking whole_word, as this run has, found masking token, as")

    def test_d_a_trained_classifier_is_reused_unless_labels_differ_or_a_new_head_is_asked_for(self):
        model = self.folder("head", labels=2, id2label={"0": "no", "1": "yes"})
        rows = self.file("head.tsv", "good\tyes\nbad\tno\n" * 4)
        figures = lambda out: re.search(r"loss=([0-9.]+)", out.splitlines()[-1]).group(1)
        tune = lambda *more: run("finetune", "--model", model, "--train", rows, "--dev", rows, "--epochs", 1, "--lr", "1e-12", "--threads", 1, *more).stdout
        before = run("evaluate", "--model", model, "--tsv", rows, "--precision", "f32").stdout
        self.assertIn("classifier from", tune())
        self.assertEqual(figures(tune()), figures(before))
        self.assertIn("classifier new, as --new-head asks for one", tune("--new-head"))
        self.assertNotEqual(figures(tune("--new-head")), figures(before))
        rows = self.file("others.tsv", "good\tfine\nbad\tpoor\n" * 4)
        self.assertRegex(tune(), 'classifier new, as that of .* is for the labels "no", "yes"')

    def test_e_pairs_that_are_all_random_are_refused_at_the_start(self):
        apart = self.file("apart.txt", "The cat sat.\n\nA good cat.\n\n" * 20)
        train = lambda *more: run("pretrain", "--text", apart, "--vocab-size", 120, "--arch", "tiny", "--steps", 1, "--batch", 4, "--tokens", 16,
                                  "--threads", 1, "--out", self.root / "apart", *more)
        self.refused(train(), r"apart\.txt", "one sentence in each", "random")
        self.assertEqual(train("--no-nsp").returncode, 0)

    def test_f_a_save_leaves_no_stale_tokenizer(self):
        out = self.folder("stale")
        (out / "model.safetensors").unlink()
        (out / "tokenizer.json").write_text("{}")
        made = run("pretrain", "--text", self.file("save.txt", "The cat sat.\nA good cat.\n\nThe cat.\nA cat.\n" * 8), "--vocab-size", 120, "--arch",
                   "tiny", "--steps", 1, "--batch", 4, "--tokens", 16, "--threads", 1, "--out", out)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertFalse((out / "tokenizer.json").exists())
        self.vectors(out)

    def test_g_what_transformers_opens_opens(self):
        right = self.vectors(self.folder("right"))
        for name, config in {"from_one": {"id2label": {"1": "no", "2": "yes"}}, "count": {"num_labels": 3}, "twice": {"id2label": {"0": "x", "1": "x"}}}.items():
            self.assertEqual(self.vectors(self.folder(name, **config)), right)
        wrapped = self.folder("wrapped")
        (wrapped / "model.safetensors").unlink()
        write_weights(wrapped / "model.safetensors", tensors() | {"log_vars": [2]}, prefix="module.")
        self.assertEqual(len(self.vectors(wrapped).split()), HIDDEN)
        nested = self.root / "nested"
        nested.mkdir()
        self.folder("nested/0_Transformer")
        modules = [{"type": "sentence_transformers.models.Transformer", "path": "0_Transformer"},
                   {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]
        (nested / "modules.json").write_text(json.dumps(modules))
        (nested / "1_Pooling").mkdir()
        (nested / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
        self.assertEqual(self.vectors(nested), right)
        longer, unit = ([float(x) for x in text.split()] for text in (self.vectors(nested, "--as-folder"), right))
        for x, y in zip(longer, unit, strict=True):
            self.assertAlmostEqual(x * unit[0], y * longer[0], places=5)
        self.assertGreater(abs(longer[0]), 2 * abs(unit[0]))

    def test_h_messages_name_file_key_and_values_and_only_options_of_the_program(self):
        eps = self.folder("eps", layer_norm_eps=1e-5)
        self.refused(run("embed_sentences", "--model", eps, text="the\n"), r"config\.json", '"layer_norm_eps" 1e-05 in place of 1e-12')
        pointer = self.folder("pointer")
        (pointer / "vocab.txt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
        lacking = run("embed_sentences", "--model", pointer, text="the\n")
        self.refused(lacking, r"vocab\.txt", "Git LFS pointer")
        self.assertNotIn("options", lacking.stderr)
        self.refused(run("fill_mask", "--model", pointer, "[MASK]"), r"vocab\.txt")
        score = self.folder("score", labels=2, id2label={"0": "LABEL_0"})
        self.refused(run("evaluate", "--model", score, "--tsv", self.file("score.tsv", "the\t0.5\n")), r"classifier\.weight", r"\[1, 128\], found \[2, 128\]", r"id2label.* in config\.json")
        names = self.folder("names", labels=2, id2label={"0": "x", "1": "x"})
        self.refused(run("evaluate", "--model", names, "--tsv", self.file("names.tsv", "the\t0\n")), r"config\.json", "id2label")


if __name__ == "__main__":
    unittest.main()
