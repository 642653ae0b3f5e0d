#!/usr/bin/env python3
"""Runs the example programs on small input written here, right and wrong, and checks what scripts rely on.

    tests/functional/examples.py build/release/examples

Right input: exit status 0, the promised last line, the promised files. Wrong usage: 2. Failed work: 1. Both with one line on
standard error, which names the program.
"""

import json
import math
import random
import re
import signal
import struct
import subprocess
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
import programs  # noqa: E402
from programs import BAD, GOOD, PROGRAMS, THINGS, run, sentence  # noqa: E402


class Examples(programs.Programs):
    @classmethod
    def prepare(cls):
        chance = random.Random(1)
        documents = [[sentence(chance, chance.choice((GOOD, BAD))) for _ in range(6)] for _ in range(60)]
        cls.corpus = cls.write("corpus.txt", "\n\n".join("\n".join(d) for d in documents))
        rows = [(sentence(chance, words), label) for _ in range(40) for words, label in ((GOOD, "fine"), (BAD, "poor"))]
        cls.train = cls.write("train.tsv", "text\tverdict\n" + "".join(f"{t}\t{l}\n" for t, l in rows[:60]))
        cls.dev = cls.write("dev.tsv", "text\tverdict\n" + "".join(f"{t}\t{l}\n" for t, l in rows[60:]))
        cls.pairs = cls.write("pairs.tsv", "".join(f"{int(a[1] == b[1])}\t{a[0]}\t{b[0]}\n" for a, b in zip(rows, chance.sample(rows, len(rows)))))
        tagged = lambda words, name: [("The", "O"), (chance.choice(THINGS), "B-THING"), ("of", "O"), (name, "B-NAME"), ("Smith", "I-NAME"), ("was", "O"), (chance.choice(words), "O"), (".", "O")]
        sentences = [tagged(words, name) for _ in range(20) for words in (GOOD, BAD) for name in ("Ada", "Bob")]
        cls.conll = cls.write("tags.conll", "".join("".join(f"{w}\t{t}\n" for w, t in s) + "\n" for s in sentences))
        numbers = [(sentence(chance, words), value) for _ in range(20) for words, value in ((GOOD, 0.75), (BAD, -1.5))]
        cls.numbers = cls.write("numbers.tsv", "".join(f"{t}\t{v}\n" for t, v in numbers))
        passages = []
        for i in range(24):
            facts = [(chance.choice(THINGS), chance.choice(GOOD + BAD)) for _ in range(3)]
            context = " ".join(f"The {thing} was {word}." for thing, word in facts)
            thing, word = facts[0]
            passages.append({"context": context, "qas": [{"id": f"q{i}", "question": f"What was the {thing}?", "answers": [{"text": word, "answer_start": context.index(word)}]}]})
        cls.squad = cls.write("questions.json", json.dumps({"version": "1.1", "data": [{"title": "Things", "paragraphs": passages}]}))
        scored = [(a, b, 5 if words is other else 0) for words, other in ((GOOD, GOOD), (BAD, BAD), (GOOD, BAD), (BAD, GOOD)) for a, b in ((sentence(chance, words), sentence(chance, other)) for _ in range(12))]
        cls.scored = cls.write("scored.tsv", "".join(f"{a}\t{b}\t{v}\n" for a, b, v in scored))
        cls.many = cls.write("many.tsv", "text\tlabels\n" + "".join(f"{t}\t{'fine,spoken' if l == 'fine' else 'poor' if i % 3 else ''}\n" for i, (t, l) in enumerate(rows)))
        cls.choices = cls.write("choices.jsonl", "".join(json.dumps({"question": t, "choices": ["It was good.", "It was bad."], "answer": int(l == "poor")}) + "\n" for t, l in rows))
        ranked = [(f"What was {kind}, number {i}?", [(sentence(chance, words), int(words is right)) for words in (GOOD, BAD, BAD)])
                  for i in range(10) for kind, right in (("happy", GOOD), ("cruel", BAD))]
        cls.ranked = cls.write("ranked.tsv", "".join(f"{query}\t{text}\t{label}\n" for query, texts in ranked for text, label in texts))
        cls.ranked_lines = cls.write("ranked.jsonl", "".join(json.dumps({"query": query, "texts": [t for t, _ in texts], "scores": [l for _, l in texts]}) + "\n" for query, texts in ranked))
        cls.model = cls.folder / "model"
        cls.pretraining = run("pretrain", "--text", cls.corpus, "--valid", cls.corpus, "--arch", "tiny", "--vocab-size", 200, "--steps", 6,
                              "--batch", 4, "--tokens", 32, "--lr", "1e-3", "--warmup", 2, "--seed", 3, "--threads", 2, "--out", cls.model)

    def ok(self, result):
        """Standard output; standard error may have only notes of guesses."""
        self.assertEqual(result.returncode, 0, result.stderr)
        errors = result.stderr if isinstance(result.stderr, str) else result.stderr.decode()
        self.assertEqual([line for line in errors.splitlines() if not line.startswith("note: ")], [], errors)
        return result.stdout

    def wrong(self, result, status, *named):
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertRegex(result.stderr, r"^[a-z_]+: ")
        for name in named:
            self.assertIn(str(name), result.stderr)

    def finetune(self, *more, out="classifier", train=None, dev=None, model=None):
        usual = {"--epochs": 2, "--batch": 8, "--lr": "1e-3", "--seed": 5}
        return run("finetune", "--model", model or self.model, "--train", train or self.train, "--dev", dev or self.dev, "--out", self.folder / out,
                   *(x for pair in usual.items() if pair[0] not in more for x in pair), *more)

    def test_help_is_no_error(self):
        for program in ("pretrain", "finetune", "predict", "fill_mask", "embed_sentences", "evaluate", "inspect", "tokenize", "demo", "augment"):
            with self.subTest(program):
                text = self.ok(run(program, "--help"))
                self.assertIn(program, text)
                self.assertGreater(len(text), 200)

    def test_wrong_usage_is_status_2(self):
        self.wrong(run("pretrain", "--text", self.corpus), 2, "--out")
        self.wrong(run("finetune", "--modle", self.model), 2)
        self.wrong(run("fill_mask", "--model", self.model), 2, "TEXT")
        self.wrong(run("embed_sentences", "--model", self.model, "--pooling", "median"), 2, "median")
        self.wrong(run("embed_sentences", "--model", self.model, "--json", "--binary"), 2)
        self.wrong(run("evaluate", "--model", self.model), 2, "--tsv", "--conll", "--squad", "--choices", "--rankings", "--pairs", "--sentences")
        self.wrong(run("evaluate", "--model", self.model, "--tsv", self.dev, "--precision", "int9"), 2, "int9")
        self.wrong(run("tokenize", "--no-such-option"), 2)
        self.wrong(run("demo", "--threads", "many"), 2)
        self.wrong(self.finetune("--epochs", "-1"), 2)

    def test_pretrain_reports_and_saves(self):
        lines = self.ok(self.pretraining).splitlines()
        number = r"-?[0-9.]+(e-?[0-9]+)?"
        self.assertRegex(lines[-1], rf"^valid mlm={number} masked_accuracy={number} nsp_accuracy={number}$")
        self.assertTrue(any(re.match(rf"step 6 loss {number} mlm {number} nsp {number} lr {number} tokens/s [0-9]+$", l) for l in lines), lines)
        for name in ("config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"):
            self.assertTrue((self.model / name).exists(), name)

    def pretrain(self, out, *more, **options):
        return run("pretrain", "--text", self.corpus, "--steps", 6, "--batch", 5, "--tokens", 32, "--lr", "1e-3", "--warmup", 2, "--seed", 3,
                   "--threads", 2, *(() if out is None else ("--out", self.folder / out)), *more, **options)

    def test_pretrain_goes_on_from_a_folder(self):
        general = self.write("general.txt", "\n\n".join("The lake was deep.\nThe boat was slow.\nNobody saw the shore." for _ in range(30)))
        number = r"-?[0-9.]+(e-?[0-9]+)?"
        figures = rf"mlm={number} masked_accuracy={number} nsp_accuracy={number}"
        replay = ("--from", self.model, "--general", general, "--valid", self.corpus, "--replay", general, "--replay-share", "0.4", "--evaluate-every", 3)
        lines = self.ok(self.pretrain("goes-on", *replay)).splitlines()
        self.assertIn(f"from {self.model}", "\n".join(lines))
        self.assertTrue(any("2 of 5 sequences of a batch" in l for l in lines), lines)
        for step in ("step 0 ", "step 3 ", ""):
            self.assertTrue(any(re.match(rf"{step}valid {figures} general {figures}$", l) for l in lines), lines)
        before = float(re.search(r"step 0 valid mlm=([0-9.]+)", "\n".join(lines)).group(1))
        self.assertLess(float(re.match(r"valid mlm=([0-9.]+)", lines[-1]).group(1)), before)
        self.assertEqual((self.folder / "goes-on" / "vocab.txt").read_bytes(), (self.model / "vocab.txt").read_bytes())
        # Resumed from a state of step 3, the same bytes; from another folder or another list, refused.
        state = ("--keep", self.folder / "goes-on.state", "--every", 3)
        self.ok(self.pretrain("kept", *replay, *state))
        child = [PROGRAMS / "pretrain", "--text", self.corpus, "--steps", "6", "--batch", "5", "--tokens", "32", "--lr", "1e-3", "--warmup", "2", "--seed", "3",
                 "--threads", "2", "--log-every", "1", "--out", self.folder / "cut", *map(str, replay), "--keep", self.folder / "cut.state", "--every", "1"]
        process = subprocess.Popen(child, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in process.stdout:
            if line.startswith("step 2 "):
                process.send_signal(signal.SIGTERM)
                break
        process.communicate(timeout=120)
        self.assertIn("resumed at step", self.ok(subprocess.run(child, capture_output=True, text=True, timeout=240, check=False)))
        weights = lambda name: (self.folder / name / "model.safetensors").read_bytes()
        self.assertEqual(weights("cut"), weights("goes-on"))
        self.assertEqual(weights("kept"), weights("goes-on"))
        other = replay[2:]
        self.wrong(self.pretrain("cut", "--from", self.folder / "goes-on", *other, *state), 1, "goes-on.state", "initial weights")
        self.wrong(self.pretrain("cut", *replay[:6], *state), 1, "goes-on.state", "batch")

    def test_pretrain_from_a_folder_without_heads_says_what_is_new_and_refuses_another_architecture(self):
        self.ok(self.finetune(out="headless"))
        out = self.ok(self.pretrain("heads", "--from", self.folder / "headless"))
        self.assertIn('has no tensor "cls.predictions.bias"; it is initialized, with the seed 3', out)
        self.assertEqual(json.loads((self.folder / "heads" / "config.json").read_text())["architectures"], ["BertForPreTraining"])
        out = self.ok(self.pretrain("one-head", "--from", self.model, "--pairs", "none", "--documents", "line"))
        self.assertIn("is not trained without pairs, and left out", out)
        self.assertEqual(json.loads((self.folder / "one-head" / "config.json").read_text())["architectures"], ["BertForMaskedLM"])
        self.assertIn("cls.seq_relationship.weight", self.ok(self.pretrain("sop", "--from", self.folder / "one-head", "--pairs", "sentence_order")))
        self.wrong(self.pretrain("x", "--from", self.model, "--arch", "huge"), 1, "huge")
        self.wrong(self.pretrain("x", "--from", self.folder / "nowhere"), 1, "nowhere")
        self.wrong(self.pretrain("x", "--from", self.model, "--vocab-size", 300), 2, "--vocab-size", "--from")
        odd = self.folder / "odd"
        odd.mkdir()
        config = json.loads((self.model / "config.json").read_text())
        (odd / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
        self.wrong(self.pretrain("x", "--from", odd, "--arch", "tiny"), 1, "--arch", "tiny", '"num_hidden_layers" 3 in place of 2')
        self.assertFalse((self.folder / "x").exists())

    def test_pretrain_tells_replaced_tokens_and_the_folder_fine_tunes_as_a_bert(self):
        number = r"-?[0-9.]+(e-?[0-9]+)?"
        electra = ("--arch", "tiny", "--vocab-size", 200, "--objective", "replaced_token", "--valid", self.corpus)
        state = ("--keep", self.folder / "electra.state", "--every", 4)
        lines = self.ok(self.pretrain("electra", *electra, *state)).splitlines()
        self.assertIn("generator 128 hidden, 1 of 2 layers", lines)
        self.assertTrue(any(re.match(rf"step 6 loss {number} mlm {number} replaced {number} lr", l) for l in lines), lines)
        self.assertRegex(lines[-1], rf"^valid mlm={number} masked_accuracy={number} replaced_accuracy={number}$")
        self.assertEqual(json.loads((self.folder / "electra" / "config.json").read_text())["architectures"], ["BertModel"])
        self.ok(self.finetune(out="electra-tuned", model=self.folder / "electra"))
        self.wrong(self.pretrain("electra", *electra, "--replaced-weight", 20, *state), 1, "electra.state", "weight 20")
        self.assertIn("masked-LM head", self.ok(self.pretrain("electra-on", "--from", self.model, *electra[4:])))
        self.ok(self.pretrain("electra-further", "--from", self.folder / "electra", *electra[4:], "--precision", "bf16", "--recompute"))
        self.wrong(self.pretrain("x", *electra, "--pairs", "next_sentence"), 2, "--pairs", "none")
        self.wrong(self.pretrain("x", *electra[:4], "--replaced-weight", 20), 2, "--replaced-weight")

    def test_pretrain_masks_by_lists_and_shows_samples(self):
        words = self.write("words.txt", "the " + "\nthe ".join(THINGS) + "\n")
        synonyms = self.write("synonyms.tsv", "".join(f"{a}\t{b}\n" for a in GOOD for b in GOOD if a != b))
        base = ("--from", self.model)
        shown = self.ok(self.pretrain(None, *base, "--show", 3, "--masking", "lexicon", "--lexicon", words, "--draws", "unit"))
        self.assertEqual(len(re.findall(r"(?m)^sample [123]: batch 1, epoch 1, label [01]: B ", shown)), 3)
        self.assertEqual(len(re.findall(r"(?m)^  targets .* \([0-9]+ of [0-9]+ tokens\)$", shown)), 3)
        for line in re.findall(r"(?m)^  input   (.*)$", shown):
            self.assertTrue(line.startswith("[CLS] ") and line.endswith(" [SEP]"), line)
        self.assertEqual(shown, self.ok(self.pretrain(None, *base, "--show", 3, "--masking", "lexicon", "--lexicon", words, "--draws", "unit")))
        similar = ("--masking", "similar_word", "--synonyms", synonyms)
        self.assertNotIn("[MASK]", self.ok(self.pretrain(None, *base, "--show", 4, *similar, "--pairs", "none")))
        self.ok(self.pretrain("similar", *base, *similar))
        for masking in ("ngram", "span"):
            self.ok(self.pretrain("masked", *base, "--masking", masking, "--masks", "fixed", "--mask-rate", "0.2"))
        self.wrong(self.pretrain("x", *base, "--masking", "lexicon"), 2, "--lexicon")
        self.wrong(self.pretrain("x", *base, "--synonyms", synonyms), 2, "--synonyms", "token")
        self.wrong(self.pretrain("x", *base, "--draws", "unit"), 2, "--draws")
        self.wrong(self.pretrain("x", *base, "--masking", "lexicon", "--lexicon", self.write("bad.txt", "the book\n\tbook\n")), 1, "bad.txt, line 2")
        self.wrong(self.pretrain("x", *base, "--masking", "similar_word", "--synonyms", self.write("bad.tsv", "good\tfine\ngood\n")), 1, "bad.tsv, line 2")
        self.wrong(self.pretrain("x", *base, "--replay", self.corpus, "--replay-share", "0.01"), 1, "a batch of 5 sequences")
        self.assertFalse((self.folder / "x").exists())

    def test_pretrain_adds_pieces_that_the_tokenizer_and_the_model_then_have(self):
        long = self.write("long.txt", "\n\n".join("The gentleness was good.\nThe book was about gentleness.\nIt was happy." for _ in range(20)))
        result = run("pretrain", "--from", self.model, "--text", long, "--extend", 2, "--steps", 2, "--batch", 4, "--tokens", 64, "--out", self.folder / "wider")
        self.assertRegex(self.ok(result), r"vocabulary [0-9]+ pieces, 2 of them new, 0 in rows \[unused…\]; they spare [0-9]+ tokens of the text: gentleness")
        pieces = (self.folder / "wider" / "vocab.txt").read_text(encoding="utf-8").splitlines()
        self.assertIn("gentleness", pieces)
        self.assertEqual(json.loads((self.folder / "wider" / "config.json").read_text())["vocab_size"], len(pieces))
        self.ok(run("fill_mask", "--model", self.folder / "wider", "The [MASK] was happy."))

    def test_finetune_ends_with_the_line_for_scripts(self):
        for more in ((), ("--from-scratch",), ("--text-column", "text", "--label-column", "verdict"), ("--text-column", 1, "--label-column", 2)):
            with self.subTest(more):
                last = self.ok(self.finetune(*more)).splitlines()[-1]
                self.assertRegex(last, r"^dev accuracy=[01]\.[0-9]{4} f1=[01]\.[0-9]{4} loss=[0-9]+\.[0-9]{4}$")
        config = json.loads((self.folder / "classifier" / "config.json").read_text())
        self.assertEqual(config["id2label"], {"0": "fine", "1": "poor"})
        self.assertEqual(config["architectures"], ["BertForSequenceClassification"])

    def test_finetune_takes_pairs_and_its_own_output(self):
        columns = ("--pair", "--text-column", 2, "--label-column", 1)
        self.ok(self.finetune(*columns, train=self.pairs, dev=self.pairs, out="pairs"))
        self.ok(self.finetune(*columns, train=self.pairs, dev=self.pairs, out="pairs-again", model=self.folder / "pairs"))

    LINES = {"classify": r"accuracy=[01]\.[0-9]{4} f1=[01]\.[0-9]{4} loss=[0-9]+\.[0-9]{4}",
             "regress": r"spearman=-?[01]\.[0-9]{4} pearson=-?[01]\.[0-9]{4} mse=[0-9]+\.[0-9]{4}",
             "multilabel": r"micro_f1=[01]\.[0-9]{4} macro_f1=[01]\.[0-9]{4} loss=[0-9]+\.[0-9]{4}",
             "rerank": r"mrr@10=[01]\.[0-9]{4} ndcg@10=[01]\.[0-9]{4} loss=[0-9]+\.[0-9]{4}",
             "choice": r"accuracy=[01]\.[0-9]{4} loss=[0-9]+\.[0-9]{4}",
             "span": r"exact=[01]\.[0-9]{4} f1=[01]\.[0-9]{4} loss=[0-9]+\.[0-9]{4}",
             "embed": r"spearman=-?[01]\.[0-9]{4} pearson=-?[01]\.[0-9]{4}",
             "tag": r"precision=[01]\.[0-9]{4} recall=[01]\.[0-9]{4} f1=[01]\.[0-9]{4} accuracy=[01]\.[0-9]{4} loss=[0-9]+\.[0-9]{4}"}

    def test_each_task_trains_evaluates_and_predicts(self):
        files = {"classify": (self.train, self.dev), "regress": (self.numbers, self.numbers), "tag": (self.conll, self.conll), "span": (self.squad, self.squad),
                 "multilabel": (self.many, self.many), "choice": (self.choices, self.choices), "rerank": (self.ranked, self.ranked)}
        told = {"classify": {"label", "score", "probabilities"}, "regress": {"value"}, "tag": {"entities"},
                "span": {"answer", "score", "bytes", "code_points", "utf16", "n_best"},
                "multilabel": {"labels", "probabilities"}, "choice": {"choice", "text", "score", "probabilities"}, "rerank": {"score", "rank"}}
        for task, *options in (("classify",), ("regress",), ("tag",), ("tag", "--crf"), ("span",), ("multilabel", "--class-weights", "balanced"), ("choice",),
                               ("rerank", "--loss", "list_softmax")):
            train, dev = files[task]
            with self.subTest(task, options=options):
                folder = self.folder / f"task-{task}{''.join(options)}"
                output = self.ok(self.finetune("--task", task, *options, "--epochs", 4, train=train, dev=dev, out=folder.name)).splitlines()
                last = output[-1]
                self.assertRegex(last, "^dev " + self.LINES[task] + "$")
                option = {"tag": "--conll", "span": "--squad", "choice": "--choices", "rerank": "--rankings"}.get(task, "--tsv")
                lines = dict(line.split(" ", 1) for line in self.ok(run("evaluate", "--model", folder, option, dev)).splitlines())
                self.assertEqual(list(lines), ["f32", "bf16", "int8"])
                tuned = [line.split(": ", 1)[1] for line in output if ", kept with the model: " in line]
                self.assertEqual(lines["f32"].partition(" calibration_error=")[0], tuned[0] if task == "multilabel" else last.removeprefix("dev "))
                for line in lines.values():
                    self.assertRegex(line, "^" + self.LINES[task] + ("( calibration_error=[01]\\.[0-9]{4})?$" if task == "classify" else "$"))
                again = self.finetune("--task", task, *options, "--lr", "1e-9", "--epochs", 1, train=train, dev=dev, out="task-again", model=folder)
                self.assertRegex(self.ok(again), rf"\n[a-z ]+ from {re.escape(str(folder))}")
                ask = "What was it?\t" if task in ("span", "rerank") else ""
                more = "\tIt was good.\tIt was bad." if task == "choice" else ""
                result = run("predict", "--model", folder, text=f"{ask}The book of Ada Smith was happy.{more}\n\n{ask}The town of Bob Smith was stale.{more}\n")
                self.assertEqual((result.returncode, result.stderr.count("\n")), (0, 1), result.stderr)
                self.assertIn("1 line is empty", result.stderr)
                objects = [json.loads(line) for line in result.stdout.splitlines()]
                self.assertEqual([o if o is None else set(o) for o in objects], [told[task], None, told[task]])

    def test_finetune_reranks_by_each_loss(self):
        for loss in (None, "list_softmax", "margin_mse", "mean_squared_error"):
            for data in (self.ranked, self.ranked_lines):
                with self.subTest(loss, data=data.name):
                    last = self.ok(self.finetune("--task", "rerank", *(("--loss", loss) if loss else ()), "--epochs", 12, "--best", "mrr@10", train=data, dev=data,
                                                 out="reranker")).splitlines()[-1]
                    self.assertRegex(last, "^dev " + self.LINES["rerank"] + "$")
        folder = self.folder / "reranker"
        config = json.loads((folder / "config.json").read_text())
        self.assertEqual((config["bert"], config["id2label"]), ({"task": "rerank"}, {"0": "LABEL_0"}))
        # More texts of a query than are read at once, between those of two others.
        texts = ["The book was happy.", "The town was stale."] * 50
        lines = "".join(f"{query}\t{text}\n" for query, some in (("Why?", texts[:3]), ("What was cruel?", texts), ("Who?", texts[:1])) for text in some)
        found = [json.loads(line) for line in self.ok(run("predict", "--model", folder, text=lines)).splitlines()]
        self.assertEqual(sorted(o["rank"] for o in found[3:103]), list(range(1, 101)))
        self.assertEqual((sorted(o["rank"] for o in found[:3]), found[103]["rank"]), ([1, 2, 3], 1))
        by_rank = sorted(found[3:103], key=lambda o: o["rank"])
        self.assertEqual(by_rank, sorted(by_rank, key=lambda o: -o["score"]))
        table = self.write("candidates.tsv", "query\ttext\n" + lines)
        self.assertEqual(self.ok(run("predict", "--model", folder, "--tsv", table, "--header", "yes")).splitlines(),
                         [json.dumps(o, separators=(",", ":")) for o in found])
        values = [json.loads(line)["value"] for line in self.ok(run("predict", "--model", folder, "--pair", text=lines)).splitlines()]
        self.assertEqual(values, [o["score"] for o in found])
        self.wrong(run("predict", "--model", folder, text="no query\n"), 1, "line 1", "two texts")
        self.wrong(run("predict", "--model", self.model, "--rerank", text="a\tb\n"), 1, "--rerank", "BertForSequenceClassification")
        rerank = lambda *more, **files: self.finetune("--task", "rerank", *more, **{"train": self.ranked, "dev": self.ranked, "out": "none", **files})
        self.wrong(rerank("--loss", "lists"), 2, "binary_cross_entropy, list_softmax, margin_mse, mean_squared_error", "lists")
        self.wrong(rerank(train=self.write("grades.tsv", "q\ta\t3\nq\tb\t0\n")), 1, "grades.tsv", "0 to 1", "--score-range")
        self.wrong(rerank("--loss", "margin_mse", train=self.write("single.tsv", "q\ta\t1\n")), 1, "single.tsv", "two texts or more")
        self.wrong(rerank(train=self.write("short.jsonl", '{"query": "q", "texts": ["a"], "scores": []}\n')), 1, "short.jsonl, line 1", "scores")
        self.assertFalse((self.folder / "none").exists())

    def test_a_classifier_of_two_labels_reranks_by_its_second(self):
        self.ok(self.finetune("--pair", "--epochs", 4, train=self.ranked, dev=self.ranked, out="two"))
        folder = self.folder / "two"
        config = json.loads((folder / "config.json").read_text())
        self.assertEqual(config["id2label"], {"0": "0", "1": "1"})
        lines = "".join(f"What was happy?\t{text}\n" for text in ("The book was happy.", "The town was stale.", "The road was cruel and the story was warm."))
        result = run("predict", "--model", folder, "--rerank", text=lines)
        self.assertIn('names two labels; a text\'s score is the logit of "1"', result.stderr)
        found = [json.loads(line) for line in self.ok(result).splitlines()]
        classes = [json.loads(line)["probabilities"] for line in self.ok(run("predict", "--model", folder, "--pair", text=lines)).splitlines()]
        for answer, p in zip(found, classes):
            self.assertAlmostEqual(answer["score"], math.log(p["1"] / p["0"]), places=3)
        by_score = sorted(range(3), key=lambda i: -found[i]["score"])
        self.assertEqual([found[i]["rank"] for i in by_score], [1, 2, 3])
        evaluated = self.ok(run("evaluate", "--model", folder, "--rankings", self.ranked)).splitlines()
        self.assertEqual([line.split()[0] for line in evaluated], ["f32", "bf16", "int8"])
        # A reranker of one score begins as the classifier ranks.
        output = self.ok(self.finetune("--task", "rerank", "--lr", "1e-12", "--epochs", 1, train=self.ranked, dev=self.ranked, model=folder, out="one"))
        self.assertIn(f'a text\'s score begins as the logit of "1" less that of "0", the two labels of {folder}', output)
        figures = lambda line: re.search(r"mrr@10=\S+ ndcg@10=\S+", line)[0]
        self.assertEqual(figures(output.splitlines()[-1]), figures(evaluated[0]))
        ones = [json.loads(line) for line in self.ok(run("predict", "--model", self.folder / "one", text=lines)).splitlines()]
        for one, two in zip(ones, found):
            self.assertAlmostEqual(one["score"], two["score"], places=3)
        three = self.write("three.tsv", "".join(f"{l}\tx\n" if i % 3 else f"{l}\ty\n" if i % 2 else f"{l}\tz\n" for i, l in enumerate(f"word {i}" for i in range(24))))
        self.ok(self.finetune(train=three, dev=three, out="three"))
        self.wrong(run("predict", "--model", self.folder / "three", "--rerank", text="a\tb\n"), 1, "--rerank", "two labels", "3 labels")
        self.wrong(run("evaluate", "--model", self.folder / "three", "--rankings", self.ranked), 1, "--rankings", "3 labels")

    def test_a_classifier_reads_pooler_first_token_or_mean(self):
        lasts = {}
        for pooling, name in (("pooler", None), ("cls", "cls"), ("mean", "mean")):
            folder = self.folder / f"reads-{pooling}"
            lasts[pooling] = self.ok(self.finetune("--pooling", pooling, out=folder.name)).splitlines()[-1]
            self.assertEqual(json.loads((folder / "config.json").read_text()).get("classifier_pooling"), name)
            evaluated = self.ok(run("evaluate", "--model", folder, "--tsv", self.dev, "--precision", "f32"))
            self.assertTrue(evaluated.startswith("f32 " + lasts[pooling][4:]), evaluated)
            self.assertIn(json.loads(self.ok(run("predict", "--model", folder, text="The book was happy.\n")))["label"], ("fine", "poor"))
            again = self.ok(self.finetune("--lr", "1e-9", "--epochs", 1, model=folder, out="reads-again"))
            self.assertIn(f"classifier from {folder}", again)
            self.assertEqual(json.loads((self.folder / "reads-again" / "config.json").read_text()).get("classifier_pooling"), name)
        self.assertEqual(len(set(lasts.values())), 3)
        self.assertIn("classifier new", self.ok(self.finetune("--pooling", "cls", model=self.folder / "reads-mean", out="reads-again")))
        state = self.folder / "reads.state"
        self.ok(self.finetune("--pooling", "cls", "--keep", state, out="reads-again"))
        self.wrong(self.finetune("--pooling", "mean", "--keep", state, out="reads-again"), 1, "head reads mean", "head reads cls")
        self.wrong(self.finetune("--pooling", "max"), 2, "--pooling", "pooler, cls or mean")
        self.wrong(self.finetune("--task", "tag", "--pooling", "cls", train=self.conll, dev=self.conll), 2, "--pooling", "--task tag")

    def test_finetune_regresses_by_each_loss(self):
        lasts = {loss: self.ok(self.finetune("--task", "regress", "--loss", loss, train=self.numbers, dev=self.numbers)).splitlines()[-1]
                 for loss in ("mean_squared_error", "mean_absolute_error", "huber")}
        for last in lasts.values():
            self.assertRegex(last, "^dev " + self.LINES["regress"] + "$")
        self.assertEqual(len(set(lasts.values())), 3)
        self.wrong(self.finetune("--task", "regress", "--loss", "cosent", train=self.numbers, dev=self.numbers), 2, "mean_squared_error, mean_absolute_error, huber")
        self.wrong(self.finetune("--loss", "huber"), 2, "--task classify has one loss")

    def test_thresholds_are_kept_with_the_folder(self):
        self.ok(self.finetune("--task", "multilabel", train=self.many, dev=self.many, out="tuned"))
        folder, text = self.folder / "tuned", "The book was happy.\n"
        config = json.loads((folder / "config.json").read_text())
        self.assertEqual(len(config["bert"]["thresholds"]), 3)
        labels = lambda *more: json.loads(self.ok(run("predict", "--model", folder, *more, text=text)))
        probabilities = labels()["probabilities"]
        kept = dict(zip((config["id2label"][str(i)] for i in range(3)), config["bert"]["thresholds"]))
        self.assertEqual(set(labels()["labels"]), {l for l, p in probabilities.items() if p >= kept[l]})
        self.assertEqual(set(labels("--threshold", 0)["labels"]), set(probabilities))
        config["bert"]["thresholds"] = [0, 1, 1]
        (folder / "config.json").write_text(json.dumps(config))
        self.assertEqual(labels()["labels"], [config["id2label"]["0"]])
        tuned = run("evaluate", "--model", folder, "--tsv", self.many, "--tune", "--precision", "f32")
        self.assertIn("each label has a threshold of its own", self.ok(tuned) + tuned.stderr)
        self.assertNotEqual(json.loads((folder / "config.json").read_text())["bert"]["thresholds"], [0, 1, 1])
        self.assertEqual(run("evaluate", "--model", folder, "--tsv", self.many, "--precision", "f32").stdout, tuned.stdout)
        self.wrong(run("evaluate", "--model", folder, "--conll", self.conll, "--tune"), 1, "--tune")

        data = json.loads(self.squad.read_text())
        for paragraph in data["data"][0]["paragraphs"][::2]:
            paragraph["qas"][0] |= {"question": "Who?", "answers": [], "is_impossible": True}
        questions = self.write("impossible.json", json.dumps(data))
        output = self.ok(self.finetune("--task", "span", "--epochs", 4, train=questions, dev=questions, out="doubter"))
        folder = self.folder / "doubter"
        kept = json.loads((folder / "config.json").read_text())["bert"]["no_answer"]
        self.assertIn("threshold for no answer", output)
        answers = json.loads(self.ok(run("predict", "--model", folder, "--squad", questions)))
        lines = dict(part.split("=") for part in output.splitlines()[-1].removeprefix("dev ").split())
        found = self.ok(run("evaluate", "--model", folder, "--squad", questions, "--precision", "f32"))
        self.assertIn(f" f1={lines['best_f1']} ", found)
        everything = json.loads(self.ok(run("predict", "--model", folder, "--no-answer", -1e6, "--squad", questions)))
        self.assertEqual(set(everything.values()), {""})
        line = "What was the book?\tThe book was happy.\n"
        self.assertEqual(json.loads(self.ok(run("predict", "--model", folder, "--no-answer", -1e6, text=line)))["answer"], "")
        self.assertNotEqual(json.loads(self.ok(run("predict", "--model", folder, "--no-answer", 1e6, text=line)))["answer"], "")

    def test_predict_finds_places_of_entities_and_tags_words(self):
        self.ok(self.finetune("--task", "tag", "--epochs", 12, train=self.conll, dev=self.conll, out="tagger"))
        text = "The  town of Ada Smith was bitter ."
        entities = json.loads(self.ok(run("predict", "--model", self.folder / "tagger", "--words", text=text + "\n")))
        for entity in entities["entities"]:
            first, last = entity["bytes"]
            self.assertEqual(text[first:last], entity["text"])
        self.assertEqual([w["text"] for w in entities["words"]], text.split())
        self.assertIn(("Ada Smith", "NAME"), [(e["text"], e["type"]) for e in entities["entities"]])
        words = self.write("words.txt", "The\ntown\nof\nAda\nSmith\n\nwas\nnot-a-word\n")
        rows = self.ok(run("predict", "--model", self.folder / "tagger", "--conll", words)).splitlines()
        self.assertEqual([r.split("\t")[0] for r in rows], ["The", "town", "of", "Ada", "Smith", "", "was", "not-a-word", ""])
        self.assertEqual(rows[3:5], ["Ada\tB-NAME", "Smith\tI-NAME"])
        # The same words with tags beside them have the same answers as without.
        self.assertEqual(self.ok(run("predict", "--model", self.folder / "tagger", "--conll", self.conll)), self.ok(run(
            "predict", "--model", self.folder / "tagger", "--conll", self.write("plain.txt", re.sub(r"\t.*", "", self.conll.read_text())))))

    def test_predict_answers_the_questions_of_a_file(self):
        self.ok(self.finetune("--task", "span", "--epochs", 3, train=self.squad, dev=self.squad, out="reader"))
        answers = json.loads(self.ok(run("predict", "--model", self.folder / "reader", "--squad", self.squad)))
        self.assertEqual(set(answers), {f"q{i}" for i in range(24)})
        for paragraph in json.loads(self.squad.read_text())["data"][0]["paragraphs"]:
            self.assertIn(answers[paragraph["qas"][0]["id"]], paragraph["context"])
        context = "Ünder the 中 roof the book was happy."
        answer = json.loads(self.ok(run("predict", "--model", self.folder / "reader", "--top", 3, text=f"What was the book?\t{context}\n")))
        first, last = answer["code_points"]
        self.assertEqual(context[first:last], answer["answer"])
        first, last = answer["bytes"]
        self.assertEqual(context.encode()[first:last].decode(), answer["answer"])
        self.assertLessEqual(len(answer["n_best"]), 3)

    def test_finetune_embeds_pairs_triplets_and_scored_pairs(self):
        pairs = self.write("pairs-alike.tsv", "".join(l.rsplit("\t", 1)[0] + "\n" for l in self.scored.read_text().splitlines()[:24]))
        triplets = self.write("triplets.tsv", "".join(l.rsplit("\t", 1)[0] + "\tThe road was cruel.\n" for l in self.scored.read_text().splitlines()[:12]))
        for loss, train, *more in (("multiple-negatives", pairs), ("triplet", triplets, "--negative-column", 3), ("cosent", self.scored), ("cosine", self.scored)):
            for pooling in ("mean", "cls"):
                with self.subTest(loss, pooling=pooling):
                    last = self.ok(self.finetune("--task", "embed", "--loss", loss, "--pooling", pooling, "--score-range", 5, *more, train=train, dev=self.scored,
                                                 out="vectors")).splitlines()[-1]
                    self.assertRegex(last, "^dev " + self.LINES["embed"] + "$")
                    folder = self.folder / "vectors"
                    self.assertEqual(json.loads((folder / "1_Pooling" / "config.json").read_text())[f"pooling_mode_{'cls_token' if pooling == 'cls' else 'mean_tokens'}"], True)
                    vectors = self.ok(run("embed_sentences", "--model", folder, "--json", text="The book was happy.\n"))
                    self.assertAlmostEqual(sum(x * x for x in json.loads(vectors)), 1, places=4)
                    line = self.ok(run("evaluate", "--model", folder, "--pairs", self.scored, "--score-range", 5, "--precision", "f32")).strip()
                    self.assertEqual(line, "f32 " + last[4:])
        better = [float(re.search(r"spearman=(\S+)", l)[1]) for l in
                  self.ok(self.finetune("--task", "embed", "--loss", "cosent", "--epochs", 8, train=self.scored, dev=self.scored, out="vectors")).splitlines() if l.startswith("epoch ")]
        self.assertGreater(better[-1], 0.7)
        self.wrong(self.finetune("--task", "embed", "--loss", "cosine", train=pairs, dev=self.scored), 1, "pairs-alike.tsv")

    def test_a_dense_layer_is_trained_saved_and_gone_on_with(self):
        dense = lambda *more, **files: self.finetune("--task", "embed", "--loss", "cosent", "--score-range", 5, *more, **{"train": self.scored, "dev": self.scored, "out": "dense", **files})
        folder = self.folder / "dense"
        for option, activation in (("128", "Tanh"), ("256:identity", "Identity")):
            for pooling in ("mean", "cls"):
                with self.subTest(option, pooling=pooling):
                    output = self.ok(dense("--dense", option, "--pooling", pooling))
                    last = output.splitlines()[-1]
                    self.assertRegex(last, "^dev " + self.LINES["embed"] + "$")
                    self.assertIn("dense layer new", output)
                    config = json.loads((folder / "2_Dense" / "config.json").read_text())
                    self.assertEqual(config["out_features"], int(option.split(":")[0]))
                    self.assertTrue(config["activation_function"].endswith(activation), config)
                    vector = json.loads(self.ok(run("embed_sentences", "--model", folder, "--json", text="The book was happy.\n")))
                    self.assertEqual(len(vector), config["out_features"])
                    self.assertAlmostEqual(sum(x * x for x in vector), 1, places=4)
                    line = self.ok(run("evaluate", "--model", folder, "--pairs", self.scored, "--score-range", 5, "--precision", "f32")).strip()
                    self.assertEqual(line, "f32 " + last[4:])
        again = self.ok(dense("--lr", "1e-12", "--epochs", 1, model=folder, out="dense-again"))
        self.assertIn(f"dense layer from {folder}", again)
        self.assertEqual(again.splitlines()[-1], last)
        other = self.ok(dense("--dense", 128, "--pooling", "cls", "--epochs", 1, model=folder, out="dense-again"))
        self.assertRegex(other, "dense layer new, as that of .* is Dense")
        better = [float(re.search(r"spearman=(\S+)", l)[1]) for l in self.ok(dense("--dense", 128, "--epochs", 8)).splitlines() if l.startswith("epoch ")]
        self.assertGreater(better[-1], 0.7)
        self.wrong(dense("--dense", 63, out="none"), 1, "--dense", "128, 256, 512", "63")
        self.wrong(dense("--dense", "128:relu", out="none"), 1, "--dense", "tanh or identity", "relu")
        self.wrong(dense("--dense", "128", "--pooling", "max", out="none"), 1, "--dense", "mean or cls", "max")
        self.wrong(dense("--dense", "128", "--recompute", out="none"), 1, "--dense", "--recompute")
        self.wrong(self.finetune("--dense", 128, out="none"), 2, "--dense", "--task classify")
        self.assertFalse((self.folder / "none").exists())

    def test_a_tagger_reads_pieces_as_asked_and_refuses_text_without_tags(self):
        ends = {pieces: self.ok(self.finetune("--task", "tag", "--pieces", pieces, "--epochs", 4, train=self.conll, dev=self.conll, out=f"tagger-{pieces}")).splitlines()[-1]
                for pieces in ("first", "mean", "all")}
        self.assertEqual(len(set(ends.values())), 3, ends)
        folder, text = self.folder / "tagger-all", "The unheardofthing of Ada Smith was happily read .\n"
        words = {how: json.loads(self.ok(run("predict", "--model", folder, "--words", "--aggregation", how, text=text)))["words"] for how in ("first", "average", "max")}
        self.assertEqual(len({tuple(w["text"] for w in some) for some in words.values()}), 1)
        scores = {how: [w["score"] for w in some] for how, some in words.items()}
        self.assertNotEqual(scores["first"], scores["average"])
        for first, most in zip(scores["first"], scores["max"]):
            self.assertGreaterEqual(most, first)
        self.ok(self.finetune("--task", "tag", "--crf", "--epochs", 1, train=self.conll, dev=self.conll, out="tagger-crf"))
        self.wrong(run("predict", "--model", self.folder / "tagger-crf", "--aggregation", "max", text=text), 1, "CRF", "max")
        self.wrong(self.finetune("--task", "tag", "--crf", "--pieces", "all", train=self.conll, dev=self.conll), 2, "--pieces")
        self.wrong(self.finetune("--task", "tag", train=self.corpus, dev=self.corpus, out="none"), 1, "corpus.txt", "lines that end as sentences do")

    def test_predict_reads_pairs_tables_and_files_and_refuses_what_it_cannot_answer(self):
        columns = ("--pair", "--text-column", 2, "--label-column", 1)
        self.ok(self.finetune(*columns, train=self.pairs, dev=self.pairs, out="pair-classes"))
        folder = self.folder / "pair-classes"
        table = [json.loads(l) for l in self.ok(run("predict", "--model", folder, "--tsv", self.pairs, "--text-column", 2, "--second-column", 3)).splitlines()]
        lines = self.write("pair-lines.txt", "".join(l.split("\t", 1)[1] for l in self.pairs.read_text().splitlines(True)))
        self.assertEqual(table, [json.loads(l) for l in self.ok(run("predict", "--model", folder, "--pair", lines)).splitlines()])
        self.assertEqual(len(table), 80)
        for answer in table:
            self.assertAlmostEqual(sum(answer["probabilities"].values()), 1, places=5)
            self.assertEqual(answer["score"], max(answer["probabilities"].values()))
        self.wrong(run("predict", "--model", folder, "--pair", text="one text\n"), 1, "standard input, line 1", "TAB")
        self.assertIn("note: 1 line was cut to 8 tokens", run("predict", "--model", folder, "--pair", "--max-tokens", 8, text=f"a\tb\n{'a ' * 20}\tb\n").stderr)
        bad = self.folder / "latin1.txt"
        bad.write_bytes(b"fine\ncaf\xe9\n")
        self.wrong(run("predict", "--model", folder, bad), 1, "latin1.txt, line 2", "UTF-8")
        self.wrong(run("predict", "--model", folder, "--conll", lines), 1, "BertForTokenClassification")
        self.wrong(run("predict", "--model", folder, self.folder / "absent.txt"), 1, "absent.txt")
        blanks = json.loads(self.ok(run("predict", "--model", self.model, "--top", 2, text="The [MASK] was [MASK].\n")))
        self.assertEqual([len(m) for m in blanks["masks"]], [2, 2])

    def test_embedding_by_cls_warns_where_the_folder_was_not_trained_to_embed(self):
        warned = lambda folder, *more: "says little about meaning" in run("embed_sentences", "--model", folder, *more, text="A town.\n").stderr
        self.assertTrue(warned(self.model, "--pooling", "cls"))
        self.assertFalse(warned(self.model))
        self.ok(self.finetune("--task", "embed", "--loss", "cosent", "--pooling", "cls", train=self.scored, dev=self.scored, out="vectors-cls"))
        self.assertFalse(warned(self.folder / "vectors-cls"))

    def test_the_best_epoch_is_saved_and_a_stopped_finetune_goes_on(self):
        for names in ((), ("--task", "tag")):
            train, dev = (self.conll, self.conll) if names else (self.train, self.dev)
            with self.subTest(names):
                common = (*names, "--epochs", 5, "--lr", "3e-3", "--best", "loss", "--seed", 9)
                log = self.folder / "best.csv"
                output = self.ok(self.finetune(*common, "--log", log, train=train, dev=dev, out="best")).splitlines()
                losses = [float(re.search(r"loss=([0-9.]+)", l)[1]) for l in output if l.startswith("epoch ")]
                self.assertEqual(len(losses), 5)
                self.assertAlmostEqual(float(re.search(r"loss=([0-9.]+)", output[-1])[1]), min(losses), places=4)
                rows = log.read_text().splitlines()
                self.assertEqual(rows[0].split(",")[:5], ["step", "epoch", "loss", "learning_rate", "tokens_per_second"])
                self.assertEqual(len(rows), 6)
                state = self.folder / "best.state"
                for file in (state, Path(str(state) + ".best")):
                    file.unlink(missing_ok=True)
                child = subprocess.Popen([PROGRAMS / "finetune", "--model", self.model, "--train", train, "--dev", dev, "--batch", "8", *map(str, common),
                                          "--keep", state, "--every", "3", "--out", self.folder / "resumed"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                for line in child.stdout:
                    if line.startswith("epoch 2 "):
                        child.send_signal(signal.SIGTERM)
                        break
                child.stdout.read()
                self.assertEqual(child.wait(), 128 + signal.SIGTERM)
                self.assertIn("the same command goes on from it", child.stderr.read())
                child.stdout.close()
                child.stderr.close()
                again = self.ok(self.finetune(*common, "--keep", state, "--every", 3, train=train, dev=dev, out="resumed")).splitlines()
                self.assertEqual(again[-1], output[-1])
                self.assertEqual((self.folder / "best" / "model.safetensors").read_bytes(), (self.folder / "resumed" / "model.safetensors").read_bytes())
        self.wrong(self.finetune("--best", "f2"), 1, "--best", "accuracy, f1, loss")
        self.wrong(self.finetune("--patience", 2), 2, "--best")
        stopped = self.ok(self.finetune("--best", "loss", "--patience", 1, "--epochs", 9, "--lr", "5e-2"))
        self.assertIn("stopped early, as loss did not get better", stopped)

    def test_finetune_writes_a_page_and_tells_the_cost_before(self):
        for task, train, dev, parts in (("classify", self.train, self.dev, ("Confusion", "Calibration", "Worst examples")),
                                        ("regress", self.numbers, self.numbers, ("Predictions",)), ("tag", self.conll, self.conll, ("Entities", "Worst sentences")),
                                        ("span", self.squad, self.squad, ("Worst answers",)), ("embed", self.scored, self.scored, ("Cosines",)),
                                        ("multilabel", self.many, self.many, ("Labels",)), ("choice", self.choices, self.choices, ()),
                                        ("rerank", self.ranked, self.ranked, ("Scores",))):
            page = self.folder / f"{task}.html"
            self.ok(self.finetune("--task", task, "--report", page, train=train, dev=dev, out="paged"))
            text = page.read_text()
            for part in ("<!doctype html>", "Loss", "Learning rate", "--report", *parts):
                self.assertIn(part, text)
            self.assertNotRegex(text, r"(src|href)=|<script|nan|inf,")
        tried = self.ok(self.finetune("--dry-run", out="tried"))
        self.assertRegex(tried.splitlines()[-1], r"^steps 16, about [0-9.]+ minutes at [0-9]+ tokens/s, .*memory [0-9]+ MB; nothing was saved")
        self.assertFalse((self.folder / "tried").exists())
        tried = self.ok(run("pretrain", "--dry-run", "--text", self.corpus, "--arch", "tiny", "--vocab-size", 200, "--steps", 1000, "--batch", 4, "--tokens", 32,
                            "--out", self.folder / "tried"))
        self.assertRegex(tried.splitlines()[-1], r"^steps 1000, about [0-9.]+ minutes at [0-9]+ tokens/s, .*memory [0-9]+ MB; nothing was saved")
        self.assertFalse((self.folder / "tried").exists())

    def test_evaluate_measures_every_precision(self):
        dev_line = self.ok(self.finetune(out="evaluated")).splitlines()[-1]
        folder = self.folder / "evaluated"
        lines = dict(line.split(" ", 1) for line in self.ok(run("evaluate", "--model", folder, "--tsv", self.dev)).splitlines())
        self.assertEqual(list(lines), ["f32", "bf16", "int8"])
        self.assertTrue(("dev " + lines["f32"]).startswith(dev_line), lines)
        for line in lines.values():
            self.assertRegex(line, r"^accuracy=[01]\.[0-9]{4} f1=[01]\.[0-9]{4} loss=[0-9]+\.[0-9]{4} calibration_error=[01]\.[0-9]{4}$")
        sentences = self.write("sentences.txt", "The book was happy.\nA town.\n\nThe film was stale.\n")
        cosines = self.ok(run("evaluate", "--model", folder, "--sentences", sentences, "--precision", "f32", "int8")).splitlines()
        self.assertRegex(cosines[0], r"^f32 cosine to f32: mean (1|1\.0000.*|0\.99999.*) least (1|0\.99999.*|1\.0000.*) of 3 sentences$")
        least = float(re.search(r"^int8 .* least ([0-9.e-]+) of 3", cosines[1]).group(1))
        self.assertTrue(0.99 < least < 1, cosines)
        self.wrong(run("evaluate", "--model", folder, "--sentences", self.write("none.txt", "\n")), 1, "none.txt")

    def test_the_number_of_threads_does_not_change_a_byte(self):
        for threads in (1, 2):
            self.ok(self.finetune("--threads", threads, out=f"threads-{threads}"))
        one, two = ((self.folder / f"threads-{n}" / "model.safetensors").read_bytes() for n in (1, 2))
        self.assertEqual(one, two)

    def weights(self, folder):
        return (self.folder / folder / "model.safetensors").read_bytes()

    def test_every_optimizer_and_schedule_trains_in_its_own_way(self):
        seen = {}
        for option, names in (("--optimizer", "adamw adamw-google lamb adafactor lion sgd nesterov"), ("--schedule", "cosine constant inverse-sqrt one-cycle")):
            for name in names.split():
                with self.subTest(name):
                    last = self.ok(self.finetune(option, name, "--threads", 2, out="optimized")).splitlines()[-1]
                    self.assertRegex(last, r"^dev accuracy=[01]")
                    self.assertNotIn(self.weights("optimized"), seen.values(), seen.keys())
                    seen[name] = self.weights("optimized")
        self.wrong(self.finetune("--optimizer", "adam"), 2, "adamw", "lion")
        self.wrong(self.finetune("--schedule", "step"), 2, "one-cycle")

    REGULARIZERS = (("--rdrop", 1), ("--fgm", 1), ("--freelb", 2), ("--mixup", 0.4), ("--mixout", 0.5), ("--reinit", 1), ("--ema", 0.9), ("--swa",), ("--sda", 3), ("--sdv", 2), ("--unfreeze",))

    def test_every_regularizer_changes_the_training_and_its_state_leads_to_the_same_bytes(self):
        self.ok(self.finetune(out="regular"))
        seen = {"none": self.weights("regular")}
        for option in self.REGULARIZERS:
            with self.subTest(option[0]):
                last = self.ok(self.finetune(*option, "--threads", 1, out="regular")).splitlines()[-1]
                self.assertRegex(last, r"^dev accuracy=[01]")
                self.assertNotIn(self.weights("regular"), seen.values(), seen.keys())
                seen[option[0]] = self.weights("regular")
                state = self.folder / f"{option[0][2:]}.state"
                self.ok(self.finetune(*option, "--keep", state, "--every", 5, "--threads", 2, out="regular"))  # 16 steps
                self.assertEqual(self.weights("regular"), seen[option[0]])
                self.ok(self.finetune(*option, "--keep", state, "--every", 5, out="again"))  # the last state has all steps
                self.assertEqual(self.weights("again"), seen[option[0]])

    def test_regularizers_of_other_tasks_and_what_does_not_go_together(self):
        for option in (("--rdrop", 1), ("--fgm", 1), ("--sda", 2), ("--ema", 0.9), ("--mixout", 0.5)):
            with self.subTest(option[0]):
                self.ok(self.finetune("--task", "tag", *option, train=self.conll, dev=self.conll, out="regular-tags"))
        for task, file in (("multilabel", self.many), ("regress", self.numbers)):
            self.ok(self.finetune("--task", task, "--sda", 2, train=file, dev=file, out="regular-task"))
            self.wrong(self.finetune("--task", task, "--rdrop", 1, train=file, dev=file), 1, "--rdrop", "--fgm")
        self.ok(self.finetune("--task", "choice", "--freelb", 1, train=self.choices, dev=self.choices, out="regular-task"))
        self.ok(self.finetune("--task", "span", "--fgm", 1, train=self.squad, dev=self.squad, out="regular-task"))
        self.ok(self.finetune("--task", "embed", "--loss", "cosent", "--fgm", 1, "--ema", 0.9, train=self.scored, dev=self.scored, out="regular-task"))
        self.wrong(self.finetune("--task", "tag", "--crf", "--rdrop", 1, train=self.conll, dev=self.conll), 1, "--rdrop")
        self.wrong(self.finetune("--task", "span", "--sda", 2, train=self.squad, dev=self.squad), 1, "--sda")
        self.wrong(self.finetune("--rdrop", 1, "--fgm", 1), 1, "one of them")
        self.wrong(self.finetune("--mixup", 1, "--fgm", 1), 1, "--mixup", "one of them")
        self.wrong(self.finetune("--task", "tag", "--mixup", 1, train=self.conll, dev=self.conll), 1, "--mixup", "classify")
        self.wrong(self.finetune("--ema", 0.9, "--swa"), 1, "one of them")
        self.wrong(self.finetune("--reinit", 3), 1, "0 to 2 layers")
        self.assertIn("--reinit", self.ok(self.finetune("--reinit", 1, "--dry-run", out="tried")))

    SYNONYMS = "bright|clever|smart\nbitter|cruel|harsh\nfilm|movie|motion picture\nhouse|home\n"

    def test_augment_writes_the_same_copies_again_and_keeps_labels_and_tags(self):
        synonyms = self.write("synonyms.txt", self.SYNONYMS)
        for out in ("more.tsv", "same.tsv"):
            last = self.ok(run("augment", "--tsv", self.train, "--out", self.folder / out, "--copies", 3, "--synonyms", synonyms)).splitlines()[-1]
        self.assertEqual(last, f"read 60 examples, wrote 240 to {self.folder / 'same.tsv'}")
        text = (self.folder / "more.tsv").read_text()
        self.assertEqual(text, (self.folder / "same.tsv").read_text())
        before = [line.split("\t") for line in self.train.read_text().splitlines()[1:]]
        after = [line.split("\t") for line in text.splitlines()]
        self.assertEqual(after[0], ["sentence", "label"])
        self.assertEqual(after[1::4], before)
        self.assertEqual([label for _, label in after[1:]], [label for _, label in before for _ in range(4)])
        self.assertTrue(all(sentence.strip() for sentence, _ in after))
        self.assertGreater(len({tuple(row) for row in after}), 150)
        self.ok(run("augment", "--conll", self.conll, "--out", self.folder / "more.conll", "--copies", 2, "--alpha", 0.3, "--synonyms", synonyms))
        sentences = [[line.split("\t") for line in s.splitlines()] for s in (self.folder / "more.conll").read_text().strip().split("\n\n")]
        self.assertEqual(len(sentences), 240)
        for sentence in sentences:
            self.assertEqual([tag for _, tag in sentence if tag != "O"], ["B-THING", "B-NAME", "I-NAME"])
            self.assertTrue(all(word in ("Ada", "Bob") for word, tag in sentence if tag == "B-NAME"))
            self.assertTrue(all(word in THINGS for word, tag in sentence if tag == "B-THING"))
        self.ok(self.finetune(train=self.folder / "more.tsv", out="from-file"))
        self.ok(self.finetune("--task", "tag", train=self.folder / "more.conll", dev=self.conll, out="from-file"))
        for file, out in (("--tsv", "written.tsv"), ("--conll", "written.conll")):
            source = self.train if file == "--tsv" else self.conll
            self.ok(run("augment", file, source, "--out", self.folder / out, "--copies", 1, "--alpha", 0.5, "--rewrite", self.model))
            made = (self.folder / out).read_text()
            self.ok(run("augment", file, source, "--out", self.folder / out, "--copies", 1, "--alpha", 0.5, "--rewrite", self.model))
            self.assertEqual((self.folder / out).read_text(), made)
            self.assertNotIn("[MASK]", made)
        written = [line.split("\t") for line in (self.folder / "written.tsv").read_text().splitlines()[1:]]
        self.assertEqual([len(a[0].split()) for a in written[::2]], [len(b[0].split()) for b in written[1::2]])
        self.assertGreater(sum(a != b for a, b in zip(written[::2], written[1::2])), 50)
        self.wrong(run("augment", "--tsv", self.train, "--out", self.folder / "o"), 1, "--synonyms or --rewrite")
        self.wrong(run("augment", "--out", "o", "--synonyms", synonyms), 1, "--tsv or --conll")
        self.wrong(run("augment", "--tsv", self.train, "--out", self.folder / "o", "--synonyms", self.folder / "none"), 1, "none")
        self.wrong(run("augment", "--tsv", self.train, "--out", self.folder / "o", "--synonyms", f"wordnet:{self.folder}"), 1, "data.noun")

    def test_finetune_augments_in_every_epoch(self):
        synonyms = self.write("synonyms.txt", self.SYNONYMS)
        more = ("--augment", "eda:alpha=0.2,copies=2", "--synonyms", synonyms)
        output = self.ok(self.finetune(*more, out="augmented"))
        self.assertIn("augmented to 180 examples", output)
        self.assertIn("step 46 of 46", output)
        first = self.weights("augmented")
        self.ok(self.finetune(*more, "--threads", 1, out="augmented"))
        self.assertEqual(self.weights("augmented"), first)
        for task, file in (("tag", self.conll), ("multilabel", self.many), ("regress", self.numbers)):
            with self.subTest(task):
                self.assertIn("augmented to", self.ok(self.finetune("--task", task, *more, train=file, dev=file, out="augmented-task")))
        self.wrong(self.finetune("--task", "span", *more, train=self.squad, dev=self.squad), 1, "--augment")
        self.wrong(self.finetune("--augment", "eda:beta=1", "--synonyms", synonyms), 1, "eda:alpha=A,copies=N")
        self.wrong(self.finetune("--augment", "eda"), 2, "--synonyms")

    def test_training_takes_a_precision_and_recomputes_to_the_same_bytes(self):
        weights = lambda folder: (self.folder / folder / "model.safetensors").read_bytes()
        self.ok(self.finetune(out="kept"))
        self.ok(self.finetune("--recompute", out="recomputed"))
        self.assertEqual(weights("kept"), weights("recomputed"))
        self.ok(self.finetune("--precision", "bf16", out="rounded"))
        self.assertNotEqual(weights("kept"), weights("rounded"))
        self.wrong(self.finetune("--precision", "int8"), 2, "int8")
        pretrain = lambda out, *more: self.ok(run("pretrain", "--text", self.corpus, "--arch", "tiny", "--vocab-size", 200, "--steps", 3, "--batch", 4,
                                                  "--tokens", 32, "--out", self.folder / out, *more))
        pretrain("pre-kept")
        pretrain("pre-recomputed", "--recompute")
        pretrain("pre-rounded", "--precision", "bf16")
        self.assertEqual(weights("pre-kept"), weights("pre-recomputed"))
        self.assertNotEqual(weights("pre-kept"), weights("pre-rounded"))

    def test_fill_mask_gives_probabilities_in_falling_order(self):
        out = self.ok(run("fill_mask", "--model", self.model, "--top", 7, "The [MASK] was happy.", "The book was [MASK]."))
        numbers = [float(line.split()[0]) for line in out.splitlines() if line.startswith("  ")]
        self.assertEqual(len(numbers), 14)
        self.assertEqual(numbers[:7], sorted(numbers[:7], reverse=True))
        self.assertTrue(all(0 <= n <= 1 for n in numbers))

    def test_embed_sentences_gives_the_same_rows_in_three_formats(self):
        text = "The book was happy.\nA town.\n\nThe film was stale."
        plain = [[float(x) for x in line.split()] for line in self.ok(run("embed_sentences", "--model", self.model, text=text)).splitlines()]
        self.assertEqual([len(row) for row in plain], [128] * 4)
        for row in plain:
            self.assertAlmostEqual(math.fsum(x * x for x in row), 1, places=5)
        rows = [json.loads(line) for line in self.ok(run("embed_sentences", "--model", self.model, "--json", text=text)).splitlines()]
        self.assertEqual(rows, plain)
        data = self.ok(run("embed_sentences", "--model", self.model, "--binary", text=text.encode(), binary=True))
        numbers = struct.unpack(f"<{4 * 128}f", data)
        for a, b in zip(numbers, (x for row in plain for x in row)):
            self.assertAlmostEqual(a, b, places=6)
        for pooling in ("cls", "max"):
            other = self.ok(run("embed_sentences", "--model", self.model, "--pooling", pooling, text=text)).splitlines()
            self.assertEqual(len(other), 4)
            self.assertNotEqual([float(x) for x in other[0].split()], plain[0])
        self.assertEqual(self.ok(run("embed_sentences", "--model", self.model, text="")), "")

    def test_bf16_rows_are_near_those_of_f32_and_not_the_same(self):
        text = "The book was happy.\nA town.\n\nThe film was stale."
        rows = {}
        for precision in ("f32", "bf16"):
            out = self.ok(run("embed_sentences", "--model", self.model, "--precision", precision, text=text))
            rows[precision] = [[float(x) for x in line.split()] for line in out.splitlines()]
        for a, b in zip(rows["f32"], rows["bf16"], strict=True):
            self.assertNotEqual(a, b)
            self.assertGreater(math.fsum(x * y for x, y in zip(a, b, strict=True)), 0.999)
        self.wrong(run("embed_sentences", "--model", self.model, "--precision", "f8", text=text), 2, "f8")
        probabilities = {}
        for precision in ("f32", "bf16"):
            out = self.ok(run("fill_mask", "--model", self.model, "--precision", precision, "The [MASK] was happy."))
            probabilities[precision] = {line.split()[1]: float(line.split()[0]) for line in out.splitlines() if line.startswith("  ")}
        for piece in probabilities["f32"].keys() & probabilities["bf16"].keys():
            self.assertAlmostEqual(probabilities["f32"][piece], probabilities["bf16"][piece], places=2)

    def test_failed_work_is_status_1_and_says_what_and_where(self):
        empty = self.write("empty.txt", "")
        self.wrong(run("pretrain", "--text", empty, "--arch", "tiny", "--out", self.folder / "x"), 1, empty)
        self.wrong(run("pretrain", "--text", self.folder / "absent.txt", "--arch", "tiny", "--out", self.folder / "x"), 1, "absent.txt")
        self.wrong(self.finetune(train=empty), 1, empty)
        self.wrong(self.finetune(model=self.folder / "nowhere"), 1, "nowhere")
        self.wrong(self.finetune("--label-column", 7), 1, "train.tsv")
        self.wrong(self.finetune("--label-column", 0), 1, "--label-column")
        self.wrong(self.finetune("--task", "tag", train=self.write("plain.conll", "Ada\nsmiled\n"), dev=self.conll), 1, "plain.conll, line 1", "tag")
        self.wrong(self.finetune("--task", "tags"), 2, "classify", "tag")
        self.wrong(self.finetune("--task", "regress"), 1, "train.tsv, line")
        other = self.write("other.conll", "Ada\tB-PLACE\n")
        self.wrong(self.finetune("--task", "tag", train=self.conll, dev=other), 1, "other.conll, line 1", "B-PLACE")
        odd = self.write("odd.tsv", self.dev.read_text() + "The road was warm.\tmiddling\n")
        self.wrong(self.finetune(dev=odd), 1, odd, "line 22", "middling")
        self.wrong(run("fill_mask", "--model", self.model, "Nothing is missing here."), 1, "[MASK]")
        self.wrong(run("demo", "--text", empty, "--out", self.folder / "demo"), 1, empty)

    NEEDED = {"pretrain": ("--text", "t", "--out", "o"), "finetune": ("--model", "m", "--train", "t", "--dev", "d"),
              "predict": ("--model", "m"), "fill_mask": ("--model", "m", "text"), "embed_sentences": ("--model", "m"), "evaluate": ("--model", "m", "--tsv", "t"),
              "tokenize": ("--vocab", "v"), "demo": (), "augment": ("--out", "o", "--synonyms", "s")}

    ANY_NUMBER = {"--no-answer", "--relevant"}  # thresholds of scores

    def test_every_numeric_option_of_every_program_refuses_values_that_are_no_number_or_out_of_range(self):
        found = {}
        for program, needed in self.NEEDED.items():
            options = re.findall(r"^\s+(--[a-z0-9-]+) (?:U?INT|FLOAT)", self.ok(run(program, "--help")), re.M)
            found[program] = len(options)
            for option in options:
                for bad in ("nan", "inf", "-1", "1e400", "-1e400", "1x", "x", "", " 1", "0x10", "1,5", "9999999999999999999999999999999999999999999999999", "1 2"):
                    if option in self.ANY_NUMBER and re.fullmatch(r"-?\d+", bad):
                        continue
                    with self.subTest(f"{program} {option} {bad}"):
                        result = run(program, *needed, f"{option}={bad}")
                        self.wrong(result, 2, option, "must be" if bad else "missing")  # CLI11 reports an empty value
        self.assertTrue(found["pretrain"] >= 13 and found["finetune"] >= 14 and found["predict"] >= 4 and sum(found.values()) >= 44, found)

    def test_outputs_that_cannot_be_written_and_unknown_architectures_are_found_before_any_work_and_nothing_is_left(self):
        blocked = self.write("blocked", "a file")
        pretrain = lambda *more: run("pretrain", "--text", self.corpus, "--arch", "tiny", "--vocab-size", 200, "--steps", 2, "--batch", 4,
                                     "--tokens", 32, *more)
        for out in (blocked, blocked / "deeper"):
            result = pretrain("--out", out)
            self.wrong(result, 1, out)
            self.assertEqual(result.stdout, "")
        result = pretrain("--out", self.folder / "never", "--keep", self.folder / "absent" / "state")
        self.wrong(result, 1, "absent")
        self.assertEqual(result.stdout, "")
        self.assertFalse((self.folder / "never").exists())
        self.wrong(pretrain("--out", self.folder / "never", "--keep", self.folder), 1, "a folder")
        self.wrong(run("pretrain", "--text", self.folder / "absent.txt", "--arch", "tiny", "--out", self.folder / "deep" / "never"), 1)
        self.assertFalse((self.folder / "deep").exists())
        for option, value in (("--arch", "huge"), ("--tokens", 4000)):
            settings = {"--arch": "tiny", "--tokens": 32, option: value}
            result = run("pretrain", "--text", self.corpus, "--out", self.folder / "never", *(x for pair in settings.items() for x in pair))
            self.wrong(result, 1, value)
            self.assertEqual(result.stdout, "")
        self.wrong(self.finetune(out="blocked"), 1, "blocked")
        self.wrong(self.finetune("--report", self.folder / "absent" / "report"), 1, "absent")

    def test_a_diverging_rate_is_an_error_that_names_the_loss_and_saves_nothing(self):
        result = run("finetune", "--model", self.model, "--train", self.train, "--dev", self.dev, "--epochs", 2, "--batch", 8, "--lr", "1e30",
                     "--warmup", 0, "--out", self.folder / "diverged")
        self.wrong(result, 1, "a finite loss")
        self.assertFalse((self.folder / "diverged").exists())

    def test_a_corpus_may_come_through_a_pipe_and_gives_the_same_model(self):
        pretrain = lambda text, out, **more: subprocess.run(
            [PROGRAMS / "pretrain", "--text", text, "--arch", "tiny", "--vocab-size", "200", "--steps", "2", "--batch", "4", "--tokens", "32", "--out",
             self.folder / out], capture_output=True, text=True, timeout=240, check=False, **more)
        self.ok(pretrain(self.corpus, "from-file"))
        self.ok(pretrain("/dev/stdin", "from-pipe", input=self.corpus.read_text()))
        one, two = ((self.folder / name / "model.safetensors").read_bytes() for name in ("from-file", "from-pipe"))
        self.assertEqual(one, two)
        self.wrong(pretrain("/dev/zero", "never"), 1, "/dev/zero", "a device")

    def test_after_a_signal_the_step_ends_with_the_state_written_and_the_same_command_resumes(self):
        command = lambda out, state: [PROGRAMS / "pretrain", "--text", self.corpus, "--arch", "tiny", "--vocab-size", "200", "--steps", "60", "--batch", "4",
                                      "--tokens", "32", "--log-every", "1", "--every", "1000", "--keep", self.folder / state, "--out", self.folder / out]
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                state = f"{number.name}.state"
                child = subprocess.Popen(command(number.name, state), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                for line in child.stdout:
                    if line.startswith("step 3 "):
                        child.send_signal(number)
                        break
                rest, said = child.communicate(timeout=120)
                self.assertEqual(child.returncode, 128 + number, rest + said)
                self.assertRegex(said, rf"^pretrain: stopped by {number.name} after step [0-9]+; the state is in .*{state}, the same command goes on")
                self.assertFalse((self.folder / number.name).exists())
                out = self.ok(subprocess.run(command(number.name, state), capture_output=True, text=True, timeout=240, check=False))
                self.assertRegex(out, r"(?m)^resumed at step [0-9]+$")
        self.ok(subprocess.run(command("whole", "whole.state"), capture_output=True, text=True, timeout=240, check=False))
        whole = (self.folder / "whole" / "model.safetensors").read_bytes()
        self.assertEqual((self.folder / "SIGTERM" / "model.safetensors").read_bytes(), whole)
        self.assertEqual((self.folder / "SIGINT" / "model.safetensors").read_bytes(), whole)

    def test_the_first_failed_write_ends_the_program(self):
        with open("/dev/full", "w", encoding="utf-8") as full, subprocess.Popen(["yes", "The book was happy."], stdout=subprocess.PIPE) as yes:
            result = subprocess.run([PROGRAMS / "embed_sentences", "--model", self.model], stdin=yes.stdout, stdout=full, stderr=subprocess.PIPE,
                                    text=True, timeout=120, check=False)
            yes.kill()
        self.assertEqual(result.returncode, 1)
        self.assertIn("standard output", result.stderr)

    def test_a_damaged_folder_is_status_1(self):
        broken = self.folder / "broken"
        broken.mkdir()
        for name in ("config.json", "vocab.txt", "tokenizer_config.json"):
            (broken / name).write_bytes((self.model / name).read_bytes())
        weights = (self.model / "model.safetensors").read_bytes()
        for size in (0, 5, 200, len(weights) - 4):
            (broken / "model.safetensors").write_bytes(weights[:size])
            self.wrong(run("fill_mask", "--model", broken, "The [MASK] was happy."), 1, "model.safetensors")
        (broken / "model.safetensors").write_bytes(weights)
        config = json.loads((self.model / "config.json").read_text())
        (broken / "config.json").write_text(json.dumps(config | {"hidden_size": 136}))
        self.wrong(run("fill_mask", "--model", broken, "The [MASK] was happy."), 1, "config.json", "hidden 136")
        (broken / "config.json").write_text("{")
        self.wrong(run("fill_mask", "--model", broken, "The [MASK] was happy."), 1, "config.json")


if __name__ == "__main__":
    unittest.main()
