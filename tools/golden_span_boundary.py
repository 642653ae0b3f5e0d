#!/usr/bin/env python3
"""Writes tests/golden/span_boundary/golden.safetensors: SpanBERT's objective by PyTorch and transformers in double precision.

    ../shared/oracle/run python3 tools/golden_span_boundary.py

A small BertForMaskedLM with a boundary head, in f32, computed in f64; two sequences with spans at their ends, spans that touch
and one of 23 tokens; the two losses, and the gradient of their sum for every parameter.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM

OUT = Path(__file__).resolve().parent.parent / "tests" / "golden" / "span_boundary"
HIDDEN, VOCAB, LONGEST, FEATURES = 16, 37, 20, 200

torch.manual_seed(5)
torch.set_num_threads(1)
config = BertConfig(vocab_size=VOCAB, hidden_size=HIDDEN, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24,
                    max_position_embeddings=48, hidden_dropout_prob=0, attention_probs_dropout_prob=0, initializer_range=0.2)
model = BertForMaskedLM(config).eval()


class BoundaryHead(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.places = torch.nn.Linear(LONGEST, FEATURES, bias=False)
        self.dense = torch.nn.ModuleList([torch.nn.Linear(2 * HIDDEN + FEATURES, HIDDEN), torch.nn.Linear(HIDDEN, HIDDEN)])
        self.norm = torch.nn.ModuleList([torch.nn.LayerNorm(HIDDEN, eps=config.layer_norm_eps) for _ in range(2)])
        self.bias = torch.nn.Parameter(0.3 * torch.randn(VOCAB))

    def forward(self, left, right, place, word):
        at = torch.zeros(FEATURES, dtype=word.dtype) if place >= LONGEST else self.places.weight[:, place]
        x = torch.cat([left, right, at])
        for dense, norm in zip(self.dense, self.norm):
            x = norm(torch.nn.functional.gelu(dense(x)))
        return x @ word.T + self.bias


head = BoundaryHead()
with torch.no_grad():
    for p in (*model.parameters(), *head.parameters()):
        p.add_(0.1 * torch.randn_like(p))
lengths = [40, 12]
masked = [[3, 4, 5, 9, 10, 11, 12, 39], [0, 1, 6, 7, 11]]
masked[0] = sorted(set(masked[0]) | set(range(14, 37)))  # 23 tokens; positions 39 and 0 touch in the batch, not in a sequence
ids = [torch.randint(1, VOCAB, (n,)) for n in lengths]
given = [x.clone() for x in ids]
for x, places in zip(given, masked):
    for p in places[::2]:
        x[p] = 3

names = {k: v for k, v in model.named_parameters()}
for i, layer in enumerate(("first", "second")):
    names[f"cls.span_boundary.{layer}.dense.weight"], names[f"cls.span_boundary.{layer}.dense.bias"] = head.dense[i].weight, head.dense[i].bias
    names[f"cls.span_boundary.{layer}.LayerNorm.weight"], names[f"cls.span_boundary.{layer}.LayerNorm.bias"] = head.norm[i].weight, head.norm[i].bias
names["cls.span_boundary.places.weight"], names["cls.span_boundary.bias"] = head.places.weight, head.bias
out = {k: v.detach().clone() for k, v in names.items()}  # f32
model.double()
head.double()
names = {k: p for k, p in zip(names, [dict(model.named_parameters()).get(k, names[k]) for k in names])}

word = model.bert.embeddings.word_embeddings.weight
mlm, sbo, logits = [], [], []
for x, original, places in zip(given, ids, masked):
    hidden = model.bert(x[None]).last_hidden_state[0]
    scores = model.cls(hidden[None])[0]
    for p in places:
        first, last = p, p
        while first - 1 in places:
            first -= 1
        while last + 1 in places:
            last += 1
        left, right = max(first - 1, 0), min(last + 1, len(x) - 1)
        mlm.append(torch.nn.functional.cross_entropy(scores[p][None], original[p][None]))
        logits.append(head(hidden[left], hidden[right], p - first, word))
        if p - first < LONGEST:
            sbo.append(torch.nn.functional.cross_entropy(logits[-1][None], original[p][None]))
mlm, sbo = torch.stack(mlm).mean(), torch.stack(sbo).mean()
(mlm + sbo).backward()
for k, p in names.items():
    if p.grad is not None:
        out["grad." + k] = p.grad.float()
out["ids"] = torch.cat(ids).int()
out["given"] = torch.cat(given).int()
out["lengths"] = torch.tensor(lengths).int()
out["scored"] = torch.tensor([p + sum(lengths[:i]) for i, places in enumerate(masked) for p in places]).int()
out["loss.mlm"], out["loss.sbo"] = mlm.detach().float()[None], sbo.detach().float()[None]
out["logits"] = torch.stack(logits).detach().float()
OUT.mkdir(parents=True, exist_ok=True)
save_file({k: v.contiguous() for k, v in out.items()}, OUT / "golden.safetensors")
print(mlm.item(), sbo.item(), len(logits), sum(k.startswith("grad.") for k in out))
