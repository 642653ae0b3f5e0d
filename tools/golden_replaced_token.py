#!/usr/bin/env python3
"""Writes tests/golden/replaced_token: ELECTRA's objective by PyTorch and transformers in double precision.

    ../shared/oracle/run python3 tools/golden_replaced_token.py

A folder of a random small ElectraForPreTraining as transformers saves it, and golden.safetensors: the generator (a BertForMaskedLM with the
discriminator's embeddings, all of them), three sequences with masks and the pieces that fill them, logits, both losses, and the gradient
of their sum, the second times 50, for every parameter; those of the generator under `generator.`.
"""

import math
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM, ElectraConfig, ElectraForPreTraining

OUT = Path(__file__).resolve().parent.parent / "tests" / "golden" / "replaced_token"
VOCAB, HIDDEN = 61, 24
LENGTHS = [20, 1, 9]
MASKED = [[1, 2, 7, 11, 19], [0], [3, 8]]

torch.manual_seed(11)
torch.set_num_threads(1)
sizes = dict(vocab_size=VOCAB, hidden_size=HIDDEN, num_attention_heads=3, intermediate_size=30, max_position_embeddings=32,
             hidden_dropout_prob=0, attention_probs_dropout_prob=0, layer_norm_eps=1e-12, attn_implementation="eager")
discriminator = ElectraForPreTraining(ElectraConfig(embedding_size=HIDDEN, num_hidden_layers=2, **sizes)).eval()
generator = BertForMaskedLM(BertConfig(num_hidden_layers=1, **sizes)).eval()
with torch.no_grad():
    for model in (discriminator, generator):
        for name, p in model.named_parameters():
            noise = torch.randn_like(p)
            if p.dim() == 1 and "norm" in name.lower() and name.endswith("weight"): p.copy_(1 + 0.2 * noise)
            elif name.endswith("bias"): p.copy_(0.1 * noise)
            elif "embeddings" in name: p.copy_(0.3 * noise)
            else: p.copy_(noise * min(0.3, 1.2 / math.sqrt(p.shape[-1])))
shutil.rmtree(OUT, ignore_errors=True)
discriminator.save_pretrained(OUT)

ours, theirs = generator.bert.embeddings, discriminator.electra.embeddings
for part in ("word_embeddings", "position_embeddings", "token_type_embeddings", "LayerNorm"):
    setattr(ours, part, getattr(theirs, part))
generator.cls.predictions.decoder.weight = theirs.word_embeddings.weight
generator.bert.embeddings = ours
out = {f"generator.{k}": p.detach().float().clone() for k, p in generator.named_parameters()
       if "embeddings" not in k and "decoder" not in k}
discriminator.double()
generator.double()
generator.cls.predictions.decoder.weight = theirs.word_embeddings.weight

ids = [torch.randint(5, VOCAB, (n,)) for n in LENGTHS]
given, filled = [x.clone() for x in ids], [x.clone() for x in ids]
for s, places in enumerate(MASKED):
    for i, p in enumerate(places):
        if i % 4 != 3: given[s][p] = 4  # the fourth keeps its piece
        if i % 3 != 2: filled[s][p] = 5 + (7 * i + 11 * s + int(ids[s][p])) % (VOCAB - 5)  # the third is guessed right

mlm, right, logits, wrong = [], [], [], []
for x, masked, text, places in zip(ids, given, filled, MASKED):
    scores = generator(masked[None]).logits[0]
    mlm += [torch.nn.functional.cross_entropy(scores[p][None], x[p][None]) for p in places]
    z = discriminator(text[None]).logits[0]
    logits.append(z)
    wrong.append((text != x).double())
mlm, z, y = torch.stack(mlm).mean(), torch.cat(logits), torch.cat(wrong)
replaced = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
(mlm + 50 * replaced).backward()

for k, p in discriminator.named_parameters():
    if p.grad is not None: out["grad." + k] = p.grad.float()
for k, p in generator.named_parameters():
    if p.grad is not None and "embeddings" not in k and "decoder" not in k: out["grad.generator." + k] = p.grad.float()
flat = [p + sum(LENGTHS[:s]) for s, places in enumerate(MASKED) for p in places]
out["ids"], out["given"], out["filled"] = torch.cat(ids).int(), torch.cat(given).int(), torch.cat(filled).int()
out["lengths"], out["scored"] = torch.tensor(LENGTHS).int(), torch.tensor(flat).int()
out["logits"], out["wrong"] = z.detach().float(), y.float()
out["loss.mlm"], out["loss.replaced"] = mlm.detach().float()[None], replaced.detach().float()[None]
save_file({k: v.contiguous() for k, v in out.items()}, OUT / "golden.safetensors")
print(mlm.item(), replaced.item(), int(y.sum()), sorted(k for k in out if k.startswith("grad."))[:3], len(out))
