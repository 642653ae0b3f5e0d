#!/usr/bin/env python3
"""Writes tests/golden/families: random small models of BERT's family, as transformers saves them, and what it computes with them.

    ../shared/oracle/run python3 tools/golden_families.py

A folder a class: config.json, model.safetensors, and golden.safetensors with a batch `eval` and `output`, the logits (of all tokens, end to
end, or of sequences) or the hidden states. Segments of DistilBERT's batches are not 0, as they must change nothing.
"""
import math
import shutil
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parent.parent / "tests/golden/families"
LENGTHS = [1, 7, 32, 12]
LABELS = {0: "routine", 1: "soon", 2: "urgent"}
NAMES = dict(id2label=LABELS, label2id={name: i for i, name in LABELS.items()})


def distilbert(**more):
    return transformers.DistilBertConfig(vocab_size=101, dim=24, n_layers=2, n_heads=3, hidden_dim=30, max_position_embeddings=32, **more)


def electra(**more):
    return transformers.ElectraConfig(vocab_size=101, embedding_size=24, hidden_size=24, num_hidden_layers=2, num_attention_heads=3,
                                      intermediate_size=30, max_position_embeddings=32, **more)


CASES = {
    "distilbert": ("DistilBertModel", distilbert()),
    "distilbert_texts": ("DistilBertForSequenceClassification", distilbert(**NAMES)),
    "distilbert_tokens": ("DistilBertForTokenClassification", distilbert(**NAMES)),
    "distilbert_answers": ("DistilBertForQuestionAnswering", distilbert(sinusoidal_pos_embds=True)),
    "distilbert_masked": ("DistilBertForMaskedLM", distilbert(activation="relu")),
    "electra": ("ElectraModel", electra()),
    "electra_texts": ("ElectraForSequenceClassification", electra(**NAMES)),
    "electra_tokens": ("ElectraForTokenClassification", electra(**NAMES)),
    "electra_answers": ("ElectraForQuestionAnswering", electra()),
}


def randomize(model, generator):
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            noise = torch.randn(p.shape, generator=generator)
            if p.dim() == 1 and "norm" in name.lower() and name.endswith("weight"): p.copy_(1 + 0.2 * noise)
            elif name.endswith("bias"): p.copy_(0.1 * noise)
            elif "embeddings" in name: p.copy_(0.3 * noise)
            else: p.copy_(noise * min(0.3, 1.2 / math.sqrt(p.shape[-1])))


def main():
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(9)
    shutil.rmtree(ROOT, ignore_errors=True)
    for name, (kind, config) in CASES.items():
        config._attn_implementation = "eager"
        model = getattr(transformers, kind)(config).eval()
        randomize(model, generator)
        model.save_pretrained(ROOT / name)
        ids = [torch.randint(1, 101, (n,), generator=generator) for n in LENGTHS]
        segments = [(torch.arange(n) >= n // 2).long() for n in LENGTHS]
        rows = []
        for i, s in zip(ids, segments):
            inputs = {"input_ids": i[None]} | ({"token_type_ids": s[None]} if name.startswith("electra") else {})
            with torch.no_grad(): out = model(**inputs)
            if "start_logits" in out: rows.append(torch.stack([out.start_logits[0], out.end_logits[0]], dim=1))
            else: rows.append(out.last_hidden_state[0] if "last_hidden_state" in out else out.logits[0] if out.logits.dim() == 3 else out.logits)
        save_file({"eval.ids": torch.cat(ids).int(), "eval.segments": torch.cat(segments).to(torch.uint8),
                   "eval.lengths": torch.tensor(LENGTHS).int(), "output": torch.cat(rows).contiguous()}, ROOT / name / "golden.safetensors")


if __name__ == "__main__":
    main()
