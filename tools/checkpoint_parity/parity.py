#!/usr/bin/env python3
"""The other half of parity.cpp, in the reference environment.

    python3 tools/checkpoint_parity/parity.py check FOLDER           opens what bert::save wrote, compares with what C++ computed
    python3 tools/checkpoint_parity/parity.py write VOCAB TEXTS FOLDER   writes models and what transformers computes

Every folder is opened by its own class and by AutoTokenizer; no tensor may be missing or left over. Outputs are compared one
sequence at a time, without padding; largest difference allowed 2e-5. Exit status 1 if anything differs.
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import (AutoConfig, AutoTokenizer, BertConfig, BertForMaskedLM, BertForMultipleChoice, BertForPreTraining,
                          BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification, BertModel, BertTokenizer)

TOLERANCE = 2e-5
MODELS = {"pretraining": BertForPreTraining, "masked_lm": BertForMaskedLM, "classifier": BertForSequenceClassification,
          "several_labels": BertForSequenceClassification, "choice": BertForMultipleChoice,
          "tagger": BertForTokenClassification, "reader": BertForQuestionAnswering, "encoder": BertModel}
SIZES = {"odd": dict(hidden_size=72, num_hidden_layers=2, num_attention_heads=6, intermediate_size=200, max_position_embeddings=128),
         "flat": dict(hidden_size=40, num_hidden_layers=1, num_attention_heads=5, intermediate_size=56, max_position_embeddings=128,
                      hidden_act="gelu_new", layer_norm_eps=1e-6)}
LABELED = {"classifier": ["routine", "soon", "urgent"], "several_labels": ["routine", "soon", "urgent"],
           "tagger": ["O", "B-person", "I-person", "B-place", "I-place"]}


def encode(tokenizer, texts):
    return [tokenizer(*text, truncation=True, max_length=128, return_tensors="pt") for text in texts]


@torch.no_grad()
def outputs(model, encoded, mask_id):
    base = getattr(model, "bert", model)
    found = {}
    add = lambda key, value: found.setdefault(key, []).append(value)
    for given in encoded:
        result = base(**given)
        scored = given["input_ids"][0] == mask_id
        add("hidden", result.last_hidden_state[0])
        if result.pooler_output is not None: add("pooler", result.pooler_output)
        if isinstance(model, BertForPreTraining):
            out = model(**given)
            add("mlm", out.prediction_logits[0][scored])
            add("nsp", out.seq_relationship_logits)
        elif isinstance(model, BertForMaskedLM): add("mlm", model(**given).logits[0][scored])
        elif isinstance(model, (BertForSequenceClassification, BertForTokenClassification)): add("logits", model(**given).logits)
        elif isinstance(model, BertForMultipleChoice): add("logits", model(**{k: v[None] for k, v in given.items()}).logits)
        elif isinstance(model, BertForQuestionAnswering):
            out = model(**given)
            add("logits", torch.stack([out.start_logits[0], out.end_logits[0]], -1))
    return {k: torch.cat([x.reshape(-1, x.shape[-1]) for x in v]).flatten().contiguous() for k, v in found.items()}


def check(folder):
    good = True
    for name, kind in MODELS.items():
        here = folder / name
        model, report = kind.from_pretrained(here, attn_implementation="eager", output_loading_info=True)
        # A pooler that no head reads is kept for whoever loads the encoder next; masked LM, tagging and answers have none.
        strays = [k for k in list(report["missing_keys"]) + list(report["unexpected_keys"]) + list(report["mismatched_keys"])
                  if not (getattr(model, "bert", model).pooler is None and "pooler" in k)]
        config = AutoConfig.from_pretrained(here)
        assert config.architectures == [kind.__name__], config.architectures
        if name in LABELED: assert list(config.id2label.values()) == LABELED[name], config.id2label
        assert config.problem_type == ("multi_label_classification" if name == "several_labels" else None), config.problem_type
        expected = load_file(here / "expected.safetensors")
        tokenizer = AutoTokenizer.from_pretrained(here)
        encoded = encode(tokenizer, json.loads((here / "texts.json").read_text()))
        same = (torch.equal(torch.cat([e["input_ids"][0] for e in encoded]).int(), expected["ids"]) and
                torch.equal(torch.cat([e["token_type_ids"][0] for e in encoded]).to(torch.uint8), expected["segments"]))
        words = [f"{name}: {type(model).__name__}, {type(tokenizer).__name__}, ids {'equal' if same else 'DIFFER'}"]
        good = good and same and not strays
        if strays: words.append(f"STRAY TENSORS {strays}")
        for key, value in outputs(model.eval(), encoded, tokenizer.mask_token_id).items():
            if key not in expected: continue
            worst = float((value - expected[key]).abs().max())
            good = good and worst <= TOLERANCE
            words.append(f"{key} {worst:.2g}")
        print(", ".join(words))
    return good


def write(vocab, texts_file, folder):
    texts = json.loads(texts_file.read_text())
    torch.manual_seed(1)
    for name, kind in MODELS.items():
        here = folder / name
        here.mkdir(parents=True, exist_ok=True)
        # The tokenizer as transformers writes it today: tokenizer.json, no vocab.txt.
        tokenizer = BertTokenizer(vocab=str(vocab))
        tokenizer.save_pretrained(here)
        config = BertConfig(vocab_size=len(tokenizer), **SIZES["flat" if name in ("masked_lm", "encoder") else "odd"])
        if name == "several_labels": config.problem_type = "multi_label_classification"
        if name in LABELED: config.id2label, config.label2id = dict(enumerate(LABELED[name])), {n: i for i, n in enumerate(LABELED[name])}
        model = kind(config).eval()
        with torch.no_grad():
            for key, p in model.named_parameters():
                p.copy_(0.2 * torch.randn(p.shape) + (1 if "LayerNorm.weight" in key else 0))
        model.save_pretrained(here)
        encoded = encode(tokenizer, texts)
        expected = outputs(model, encoded, tokenizer.mask_token_id)
        expected["ids"] = torch.cat([e["input_ids"][0] for e in encoded]).int()
        save_file(expected, here / "expected.safetensors")
        (here / "texts.json").write_text(json.dumps(texts))


if __name__ == "__main__":
    torch.set_num_threads(1)
    paths = [pathlib.Path(p) for p in sys.argv[2:]]
    if sys.argv[1:2] == ["check"] and len(paths) == 1: sys.exit(0 if check(*paths) else 1)
    if sys.argv[1:2] == ["write"] and len(paths) == 3: sys.exit(write(*paths))
    print(__doc__, file=sys.stderr)
    sys.exit(2)
