#!/usr/bin/env python3
"""Writes tests/golden/sentences: folders of sentence-transformers in each layout, and the vectors that it would make.

    ../shared/oracle/run python3 tools/golden_sentences.py

A case is the folder of tests/golden/encoder with the files written here over it; golden.safetensors has the vectors of SENTENCES under
"vectors", and under the name of each prompt. They are computed by the definition of sentence-transformers' modules (Pooling, Dense,
Normalize) on transformers' AutoModel, as the package itself is not needed for it.
"""
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModel, AutoTokenizer

ROOT = Path(__file__).resolve().parent.parent / "tests/golden"
SENTENCES = ["the cat sat on the mat.", "a red film is very bad", "", "moon", "it was not a good dog!"]
HIDDEN, POSITIONS = 24, 32
FLAGS = {"cls": "cls_token", "max": "max_tokens", "mean": "mean_tokens", "mean_sqrt_len": "mean_sqrt_len_tokens",
         "weightedmean": "weightedmean_tokens", "lasttoken": "lasttoken"}
ACTIVATIONS = {"tanh": (torch.nn.Tanh, "torch.nn.modules.activation.Tanh"), "identity": (torch.nn.Identity, "torch.nn.modules.linear.Identity"),
               "relu": (torch.nn.ReLU, "torch.nn.modules.activation.ReLU"), "gelu": (torch.nn.GELU, "torch.nn.modules.activation.GELU"),
               "sigmoid": (torch.nn.Sigmoid, "torch.nn.modules.activation.Sigmoid")}
PROMPTS = {"query": "the cat ", "passage": "moon: "}

# Modes of the pooling; modules behind it: "normalize" or (outputs, activation, bias, file); then settings.
CASES = {
    "mean": (["mean"], [], {}),
    "mean_normalize": (["mean"], ["normalize"], {}),
    "cls": (["cls"], [], {}),
    "cls_normalize": (["cls"], ["normalize"], {"similarity": "dot"}),
    "max": (["max"], [], {}),
    "max_normalize": (["max"], ["normalize"], {}),
    "mean_sqrt_len": (["mean_sqrt_len"], [], {"similarity": "euclidean"}),
    "weightedmean": (["weightedmean"], [], {}),
    "lasttoken": (["lasttoken"], [], {}),
    "three": (["mean", "cls", "max"], ["normalize"], {}),
    "dense_tanh": (["mean"], [(16, "tanh", True, "model.safetensors")], {}),
    "dense_tanh_normalize": (["cls"], [(16, "tanh", True, "pytorch_model.bin"), "normalize"], {}),
    "dense_of_two": (["cls", "mean"], [(20, "gelu", True, "model.safetensors"), (8, "identity", False, "model.safetensors")],
                     {"similarity": "manhattan"}),
    "dense_relu": (["max"], [(9, "relu", True, "model.safetensors"), (7, "sigmoid", True, "pytorch_model.bin")], {}),
    "prompts": (["mean"], ["normalize"], {"prompts": PROMPTS, "default": "query"}),
    "prompts_not_pooled": (["mean"], ["normalize"], {"prompts": PROMPTS, "default": None, "include_prompt": False}),
    "prompts_weighted": (["cls", "max", "weightedmean"], [], {"prompts": PROMPTS, "default": "passage", "include_prompt": False}),
}


def pool(modes, x, skip):
    """Pooling of sentence-transformers: x [T, H], the first `skip` tokens masked."""
    mask = (torch.arange(len(x)) >= skip).float()[:, None]
    total, count = (x * mask).sum(0), mask.sum(0).clamp(min=1e-9)
    weights = torch.arange(1, len(x) + 1).float()[:, None] * mask
    parts = {"cls": x[0], "max": x.masked_fill(mask == 0, -1e9).max(0).values, "mean": total / count, "mean_sqrt_len": total / count.sqrt(),
             "weightedmean": (x * weights).sum(0) / weights.sum(0).clamp(min=1e-9), "lasttoken": x[-1]}
    return torch.cat([parts[m] for m in FLAGS if m in modes])


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def build(folder, modes, modules, settings, generator):
    """Writes the files of a case; returns a function of a pooled vector."""
    listed, steps = [("Transformer", ""), ("Pooling", "1_Pooling")], []
    write(folder / "1_Pooling/config.json", {"word_embedding_dimension": HIDDEN, **{f"pooling_mode_{f}": m in modes for m, f in FLAGS.items()},
                                             "include_prompt": settings.get("include_prompt", True)})
    size = HIDDEN * len(modes)
    for module in modules:
        name = f"{len(listed)}_{'Normalize' if module == 'normalize' else 'Dense'}"
        if module == "normalize":
            listed.append(("Normalize", name))
            steps.append(lambda y: torch.nn.functional.normalize(y, dim=0))
            continue
        outputs, activation, bias, file = module
        listed.append(("Dense", name))
        kind, title = ACTIVATIONS[activation]
        write(folder / name / "config.json", {"in_features": size, "out_features": outputs, "bias": bias, "activation_function": title})
        state = {"linear.weight": torch.randn(outputs, size, generator=generator) / size**0.5}
        if bias: state["linear.bias"] = 0.3 * torch.randn(outputs, generator=generator)
        (save_file if file.endswith("safetensors") else torch.save)(state, folder / name / file)
        steps.append(lambda y, state=state, f=kind(): f(state["linear.weight"] @ y + state.get("linear.bias", 0)))
        size = outputs
    write(folder / "modules.json", [{"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + kind}
                                    for i, (kind, path) in enumerate(listed)])
    write(folder / "sentence_bert_config.json", {"max_seq_length": POSITIONS, "do_lower_case": False})
    write(folder / "config_sentence_transformers.json", {"prompts": settings.get("prompts", {}), "default_prompt_name": settings.get("default"),
                                                         "similarity_fn_name": settings.get("similarity", "cosine")})

    def finish(y):
        for step in steps: y = step(y)
        return y
    return finish


def main():
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(6)
    tokenizer, model = AutoTokenizer.from_pretrained(ROOT / "encoder"), AutoModel.from_pretrained(ROOT / "encoder").eval()
    shutil.rmtree(ROOT / "sentences", ignore_errors=True)
    for name, (modes, modules, settings) in CASES.items():
        folder = ROOT / "sentences" / name
        finish = build(folder, modes, modules, settings, generator)

        def vectors(prompt):
            skip = 0 if settings.get("include_prompt", True) or not prompt else len(tokenizer(prompt)["input_ids"]) - 1
            rows = []
            for sentence in SENTENCES:
                with torch.no_grad():
                    x = model(**tokenizer(prompt + sentence, return_tensors="pt")).last_hidden_state[0]
                rows.append(finish(pool(modes, x, skip)))
            return torch.stack(rows)

        prompts = settings.get("prompts", {})
        out = {"vectors": vectors(prompts.get(settings.get("default"), ""))} | {n: vectors(p) for n, p in prompts.items()}
        save_file(out, folder / "golden.safetensors")


if __name__ == "__main__":
    main()
