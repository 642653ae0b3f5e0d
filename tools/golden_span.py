#!/usr/bin/env python3
"""Writes tests/golden/answers: a random BertForQuestionAnswering and what transformers computes with it.

    ../shared/oracle/run python3 tools/golden_span.py            # the same versions give the same bytes

The folder is a checkpoint like those of tools/golden.py, with config.json, model.safetensors, vocab.txt and tokenizer_config.json.
golden.safetensors beside it holds eval.ids, .segments, .lengths, .logits [N, 2]; train.0.… the same of a batch with its spans [S, 2]
(both -1: ignored); loss.total, and grad.<parameter> of three tensors. Every sequence is given alone: in a padded batch the softmax of
transformers is also over the padding.
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForQuestionAnswering

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import golden

CONFIG = dict(vocab_size=101, hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=40, max_position_embeddings=48,
              hidden_act="gelu")
GRADIENTS = ["qa_outputs.weight", "bert.embeddings.LayerNorm.bias", "bert.encoder.layer.0.attention.self.query.weight"]


def sequences(lengths, generator):
    batch = golden.Batch(lengths, CONFIG["vocab_size"], generator)
    found = batch.tensors("")
    return batch, {k: found[k] for k in ("ids", "segments", "lengths")}


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    folder = golden.ROOT / "answers"
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(6)
    model = BertForQuestionAnswering(BertConfig(**CONFIG, attn_implementation="eager")).eval()
    golden.randomize(model, generator)
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(golden.PIECES) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"do_lower_case": True, "model_max_length": CONFIG["max_position_embeddings"], "tokenizer_class": "BertTokenizer"},
        indent=2, sort_keys=True) + "\n")

    out = {}
    batch, found = sequences([48, 1, 13, 30, 7], generator)
    with torch.no_grad():
        rows = [model(input_ids=i[None], token_type_ids=s[None]) for i, s in zip(batch.ids, batch.segments)]
        found["logits"] = torch.cat([torch.stack([r.start_logits[0], r.end_logits[0]], 1) for r in rows])
    out |= {"eval." + k: v for k, v in found.items()}

    batch, found = sequences([9, 40, 22, 17, 3], generator)
    spans = torch.tensor([[2, 4], [0, 0], [-1, -1], [16, 16], [1, 2]])
    losses = [model(input_ids=i[None], token_type_ids=t[None], start_positions=w[None, 0], end_positions=w[None, 1]).loss
              for i, t, w in zip(batch.ids, batch.segments, spans) if w[0] >= 0]
    loss = torch.stack(losses).mean()
    loss.backward()
    found["spans"] = spans.int()
    out |= {"train.0." + k: v for k, v in found.items()}
    out["loss.total"] = loss.detach()[None]
    parameters = dict(model.named_parameters())
    for key in GRADIENTS: out["grad." + key] = parameters[key].grad.clone()
    save_file({k: v.contiguous() for k, v in out.items()}, folder / "golden.safetensors")
    print(f"answers: {sum(f.stat().st_size for f in folder.iterdir()) / 1e3:.0f} kB, loss {float(loss.detach()):.4f}, "
          f"largest logit {float(out['eval.logits'].abs().max()):.3g}")


if __name__ == "__main__":
    main()
