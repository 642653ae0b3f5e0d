#!/usr/bin/env python3
"""Makes a small folder of random weights for every row of the table "Folders by kind" of docs/folders.md, and opens it as the row says.

    tests/functional/kinds.py build/release/examples

`inspect` must name the C++ type of the row's third column, and the program of the fourth must read the folder.
"""

import array
import json
import re
import struct
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
import programs  # noqa: E402
from convert import write_pytorch, write_tensorflow  # noqa: E402
from folders import CONFIG, HIDDEN, INNER, LAYERS, PIECES, POSITIONS, tensors, write_weights  # noqa: E402
from programs import run  # noqa: E402

PAGE = Path(__file__).resolve().parents[2] / "docs" / "folders.md"
LINEAR = lambda name, out, inner=HIDDEN: {f"{name}.weight": [out, inner], f"{name}.bias": [out]}
BODY = {f"bert.{name}": shape for name, shape in tensors().items()}
MASKED = LINEAR("cls.predictions.transform.dense", HIDDEN) | {f"cls.predictions.transform.LayerNorm.{x}": [HIDDEN] for x in ("weight", "bias")} | {
    "cls.predictions.bias": [len(PIECES)]}
# What a program is given, and what its output must have.
USES = {
    "embed_sentences": (("--threads", 1), "the cat sat .\n", r"^-?[0-9.e-]+ "),
    "fill_mask": (("the cat [MASK] .",), None, r"[a-z]"),
    "predict": (("--threads", 1), "the cat sat .\n", r"^\{.*\}$"),
}


def read(path):
    """Name -> (dtype, shape, bytes) of a safetensors file."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    return {name: ("F32", t["shape"], data[8 + length + t["data_offsets"][0]:8 + length + t["data_offsets"][1]])
            for name, t in json.loads(data[8:8 + length]).items()}


def halves(content, dtype):
    """f32 bytes rounded towards zero to bf16, or to f16."""
    values = array.array("f", content)
    if dtype == "F16":
        return b"".join(struct.pack("<e", v) for v in values)
    return b"".join(content[i + 2:i + 4] for i in range(0, len(content), 4))


class Kinds(programs.Programs):
    def path(self, name, **config):
        path = self.folder / name
        path.mkdir()
        (path / "config.json").write_text(json.dumps(CONFIG | config))
        (path / "vocab.txt").write_text("\n".join(PIECES) + "\n")
        return path

    def headed(self, name, architecture, more, **config):
        path = self.path(name, architectures=[architecture], **config)
        write_weights(path / "model.safetensors", BODY | more)
        return path

    def in_other_form(self, name, write):
        path = self.path(name)
        write_weights(path / "model.safetensors", tensors())
        content = read(path / "model.safetensors")
        (path / "model.safetensors").unlink()
        write(path, content)
        return path

    def plain(self):
        return self.in_other_form("plain", lambda path, _: write_weights(path / "model.safetensors", tensors()))

    def pytorch(self):
        return self.in_other_form("pytorch", lambda path, t: write_pytorch(path / "pytorch_model.bin", t))

    def old_pytorch(self):
        return self.in_other_form("old-pytorch", lambda path, t: write_pytorch(path / "pytorch_model.bin", t, legacy=True))

    def sharded(self):
        def write(path, content):
            names, shapes = sorted(content), tensors()
            parts = {f"model-0000{i + 1}-of-00002.safetensors": names[i::2] for i in range(2)}
            for file, part in parts.items():
                write_weights(path / file, {n: shapes[n] for n in part})
            (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {n: f for f, part in parts.items() for n in part}}))
        return self.in_other_form("sharded", write)

    def half(self):
        def write(path, content):
            header, data = {}, b""
            for i, (name, (_, shape, values)) in enumerate(content.items()):
                dtype = ("F16", "BF16")[i % 2]
                part = halves(values, dtype)
                header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(part)]}
                data += part
            text = json.dumps(header).encode()
            (path / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
        return self.in_other_form("half", write)

    def google(self):
        def write(path, content):
            def variable(name):
                parts = ("bert." + name).replace("encoder.layer.", "encoder.layer_").split(".")
                if parts[-2] == "LayerNorm":
                    parts[-1] = {"weight": "gamma", "bias": "beta"}[parts[-1]]
                elif parts[-2].endswith("_embeddings"):
                    parts.pop()
                elif parts[-1] == "weight":
                    parts[-1] = "kernel"
                return "/".join(parts)
            # Kernels are square or of INNER; their bytes are any, so that only the shape is transposed.
            write_tensorflow(path, {variable(name): (shape[::-1] if variable(name).endswith("kernel") else shape, values) for name, (_, shape, values) in content.items()})
            (path / "config.json").rename(path / "bert_config.json")
            google = {k: v for k, v in CONFIG.items() if k not in ("model_type", "layer_norm_eps")}
            (path / "bert_config.json").write_text(json.dumps(google))
        return self.in_other_form("google", write)

    def fast_tokenizer(self):
        path = self.plain_with_name("fast-tokenizer")
        (path / "vocab.txt").unlink()
        special = lambda piece: [piece, PIECES.index(piece)]
        (path / "tokenizer.json").write_text(json.dumps({
            "version": "1.0", "added_tokens": [{"id": i, "content": PIECES[i], "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
                                               for i in range(5)],
            "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {"type": "BertProcessing", "sep": special("[SEP]"), "cls": special("[CLS]")},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                      "vocab": {piece: i for i, piece in enumerate(PIECES)}}}))
        (path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
        return path

    def plain_with_name(self, name):
        path = self.path(name)
        write_weights(path / "model.safetensors", tensors())
        return path

    def masked(self):
        return self.headed("masked", "BertForMaskedLM", MASKED)

    def pretrained(self):
        return self.headed("pretrained", "BertForPreTraining", MASKED | LINEAR("cls.seq_relationship", 2))

    def classes(self):
        return self.headed("classes", "BertForSequenceClassification", LINEAR("classifier", 3), id2label={"0": "a", "1": "b", "2": "c"})

    def many(self):
        return self.headed("many", "BertForSequenceClassification", LINEAR("classifier", 3), id2label={"0": "a", "1": "b", "2": "c"},
                           problem_type="multi_label_classification")

    def number(self):
        return self.headed("number", "BertForSequenceClassification", LINEAR("classifier", 1), id2label={"0": "LABEL_0"})

    def tags(self):
        return self.headed("tags", "BertForTokenClassification", LINEAR("classifier", 3), id2label={"0": "O", "1": "B-X", "2": "I-X"})

    def answers(self):
        return self.headed("answers", "BertForQuestionAnswering", LINEAR("qa_outputs", 2))

    def choices(self):
        return self.headed("choices", "BertForMultipleChoice", LINEAR("classifier", 1))

    def sentences(self, name, mode, *more, **use):
        path = self.plain_with_name(name)
        kinds = [("Transformer", ""), ("Pooling", "1_Pooling"), *more]
        (path / "modules.json").write_text(json.dumps([{"idx": i, "name": str(i), "path": p, "type": f"sentence_transformers.models.{k}"} for i, (k, p) in enumerate(kinds)]))
        (path / "1_Pooling").mkdir()
        (path / "1_Pooling/config.json").write_text(json.dumps({"word_embedding_dimension": HIDDEN} | {f"pooling_mode_{m}": m == mode for m in ("cls_token", "mean_tokens")}))
        if use:
            (path / "config_sentence_transformers.json").write_text(json.dumps(use))
        return path

    def mean(self):
        return self.sentences("mean", "mean_tokens", ("Normalize", "2_Normalize"))

    def first(self):
        return self.sentences("first", "cls_token", ("Normalize", "2_Normalize"))

    def prompts(self):
        return self.sentences("prompts", "mean_tokens", ("Normalize", "2_Normalize"), prompts={"query": "query : ", "document": ""}, default_prompt_name="query")

    def dense(self):
        path = self.sentences("dense", "mean_tokens", ("Dense", "2_Dense"))
        (path / "2_Dense").mkdir()
        (path / "2_Dense/config.json").write_text(json.dumps({"in_features": HIDDEN, "out_features": 8, "bias": True, "activation_function": "torch.nn.modules.activation.Tanh"}))
        write_weights(path / "2_Dense/model.safetensors", {"linear.weight": [8, HIDDEN], "linear.bias": [8]})
        return path

    def distilbert(self):
        path = self.path("distilbert", model_type="distilbert", architectures=["DistilBertForSequenceClassification"], id2label={"0": "a", "1": "b"})
        (path / "config.json").write_text(json.dumps({
            "model_type": "distilbert", "architectures": ["DistilBertForSequenceClassification"], "id2label": {"0": "a", "1": "b"}, "vocab_size": len(PIECES), "dim": HIDDEN,
            "n_layers": LAYERS, "n_heads": 2, "hidden_dim": INNER, "max_position_embeddings": POSITIONS, "activation": "gelu", "sinusoidal_pos_embds": False}))
        shapes = {"embeddings.word_embeddings.weight": [len(PIECES), HIDDEN], "embeddings.position_embeddings.weight": [POSITIONS, HIDDEN]}
        norms = ["embeddings.LayerNorm"]
        for layer in range(LAYERS):
            at = f"transformer.layer.{layer}."
            for name in ("q_lin", "k_lin", "v_lin", "out_lin"):
                shapes |= LINEAR(f"{at}attention.{name}", HIDDEN)
            shapes |= LINEAR(f"{at}ffn.lin1", INNER) | LINEAR(f"{at}ffn.lin2", HIDDEN, INNER)
            norms += [f"{at}sa_layer_norm", f"{at}output_layer_norm"]
        shapes |= {f"{norm}.{x}": [HIDDEN] for norm in norms for x in ("weight", "bias")}
        write_weights(path / "model.safetensors", {f"distilbert.{k}": v for k, v in shapes.items()} | LINEAR("pre_classifier", HIDDEN) | LINEAR("classifier", 2))
        return path

    def electra(self):
        path = self.path("electra", model_type="electra", embedding_size=HIDDEN, architectures=["ElectraForTokenClassification"], id2label={"0": "O", "1": "B-X", "2": "I-X"})
        body = {f"electra.{k}": v for k, v in tensors().items() if not k.startswith("pooler.")}
        write_weights(path / "model.safetensors", body | LINEAR("classifier", 3))
        return path

    # The first column of the table -> what makes such a folder.
    KINDS = {
        "Hugging Face": plain, "PyTorch": pytorch, "PyTorch before 1.6": old_pytorch, "shards": sharded, "half precision": half, "Google": google,
        "a fast tokenizer alone": fast_tokenizer, "masked LM": masked, "pretraining": pretrained, "classes": classes, "several labels": many, "one score": number,
        "tags": tags, "answers": answers, "choices": choices, "sentence vectors, mean": mean, "sentence vectors, [CLS]": first, "sentence vectors with prompts": prompts,
        "sentence vectors with Dense": dense, "DistilBERT": distilbert, "ELECTRA": electra,
    }

    def rows(self):
        table = PAGE.read_text(encoding="utf-8").partition("## Folders by kind")[2].partition("\n## ")[0]
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")]
        self.assertEqual(rows[0][0], "kind")
        return rows[2:]

    def test_every_row_opens_as_it_says(self):
        rows = self.rows()
        self.assertEqual([row[0] for row in rows], list(self.KINDS))
        for kind, files, opened_by, program in rows:
            with self.subTest(kind):
                path = self.KINDS[kind](self)
                for file in re.findall(r"`([^`]+\.[^`]+)`", files):
                    self.assertTrue(list(path.glob(file)), file)
                told = run("inspect", path)
                self.assertEqual(told.returncode, 0, told.stdout + told.stderr)
                lines = dict(line.split(None, 1) for line in told.stdout.splitlines() if not line.startswith(" "))
                for part in re.findall(r"`([^`]+)`", opened_by):
                    self.assertIn(part, lines["open"] + lines["model"])
                self.assertIn(program.strip("`"), lines["program"])
                for name in re.findall(r"`([^`]+)`", program):
                    words, text, expected = USES[name]
                    text = {"answers": "the cat\tthe cat sat .\n", "choices": "the cat\tsat\tgood\n"}.get(kind, text)
                    used = run(name, "--model", path, *words, text=text)
                    self.assertEqual(used.returncode, 0, used.stderr)
                    self.assertRegex(used.stdout.splitlines()[0], expected)


if __name__ == "__main__":
    unittest.main()
