#!/usr/bin/env python3
"""Compares vectors with those that sentence-transformers would make of a folder.

    embed_sentences --model FOLDER --as-folder --out x.npy < texts.txt
    ../shared/oracle/run python3 tools/sentence_parity.py FOLDER texts.txt x.npy

Reads modules.json and the folders that it names, and computes their definition on transformers' AutoModel, without the package. Prints the
largest difference; the status is 1 if it is above 2e-5.
"""
import json
import sys
from pathlib import Path

import numpy
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

from golden_sentences import ACTIVATIONS, FLAGS, pool


def dense(folder):
    config = json.loads((folder / "config.json").read_text())
    weights = folder / "model.safetensors"
    state = load_file(weights) if weights.exists() else torch.load(folder / "pytorch_model.bin", weights_only=True)
    layer = torch.nn.Linear(config["in_features"], config["out_features"], bias=config.get("bias", True))
    layer.load_state_dict({name.removeprefix("linear."): tensor for name, tensor in state.items()})
    function = next(kind for kind, title in ACTIVATIONS.values() if title == config["activation_function"])()
    return lambda y: function(layer(y))


def vectors(folder, texts):
    modules = [(m["type"].rsplit(".", 1)[-1], folder / m["path"]) for m in json.loads((folder / "modules.json").read_text())]
    encoder = next(path for kind, path in modules if kind == "Transformer")
    pooling = json.loads((next(path for kind, path in modules if kind == "Pooling") / "config.json").read_text())
    modes = [m for m, flag in FLAGS.items() if pooling.get(f"pooling_mode_{flag}")]
    steps = [dense(path) if kind == "Dense" else (lambda y: torch.nn.functional.normalize(y, dim=0))
             for kind, path in modules if kind in ("Dense", "Normalize")]
    use = folder / "config_sentence_transformers.json"
    use = json.loads(use.read_text()) if use.exists() else {}
    prompt = (use.get("prompts") or {}).get(use.get("default_prompt_name"), "")
    tokenizer, model = AutoTokenizer.from_pretrained(encoder), AutoModel.from_pretrained(encoder).eval()
    most = json.loads((encoder / "sentence_bert_config.json").read_text())["max_seq_length"]
    skip = 0 if pooling.get("include_prompt", True) or not prompt else len(tokenizer(prompt)["input_ids"]) - 1
    rows = []
    for text in texts:
        x = model(**tokenizer(prompt + text, truncation=True, max_length=most, return_tensors="pt")).last_hidden_state[0]
        y = pool(modes, x, skip)
        for step in steps: y = step(y)
        rows.append(y)
    return torch.stack(rows)


def main():
    folder, texts, found = sys.argv[1:4]
    with torch.no_grad():
        expected = vectors(Path(folder), Path(texts).read_text().splitlines()).numpy()
    most = numpy.abs(expected - numpy.load(found)).max()
    print(f"{expected.shape[0]} vectors of {expected.shape[1]}, largest difference {most:.2e}")
    sys.exit(int(most > 2e-5))


if __name__ == "__main__":
    main()
