#!/usr/bin/env python3
"""Writes the golden files: random checkpoints and what transformers and PyTorch compute with them.

    ../shared/oracle/run python3 tools/golden.py            # rewrites tests/golden; the same versions give the same bytes

One folder a case, each a Hugging Face checkpoint with a golden.safetensors beside it:

    config.json, model.safetensors [, vocab.txt, tokenizer_config.json]      the checkpoint
    golden.safetensors                                                       the numbers; layout in tests/golden/README.md

Initial numbers are larger than a real BERT's (weights 0.15 to 0.3, biases not zero, norms not one), so that a transposed
matrix or a forgotten bias cannot hide. Everything is f32 on one thread, attention "eager", dropout off.
"""
import json
import math
import pathlib
import shutil

import torch
from safetensors.torch import save_file
from transformers import (BertConfig, BertForMaskedLM, BertForPreTraining, BertForSequenceClassification, BertModel,
                          BertTokenizer)

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
STEPS, PEAK, WARMUP, DECAY, CLIP, BETAS, EPSILON = 10, 1e-3, 3, 0.01, 1.0, (0.9, 0.999), 1e-8

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", "!", "?", "'", "-"]
PIECES += list("abcdefghijklmnopqrstuvwxyz") + ["##" + c for c in "abcdefghijklmnopqrstuvwxyz"]
PIECES += ("the a of and in to is was it he she cat dog sat on mat sun moon red blue good bad film very not ##ing ##ed ##s "
           "##er ##ly un ##able re ##tion 中 国 é 1 2 3").split()
PIECES = list(dict.fromkeys(PIECES))
PIECES += [f"[unused{i}]" for i in range(101 - len(PIECES))]
assert len(PIECES) == 101

CASES = {
    "pretraining": dict(
        model=BertForPreTraining, seed=1, eval=[1, 2, 7, 16, 33, 128, 512], scored=20, train=[[1, 2, 7, 16, 33, 128, 512], [5, 64, 31]],
        final=["bert.encoder.layer.1.attention.self.value.weight", "cls.predictions.bias"],
        config=dict(vocab_size=1003, hidden_size=72, num_hidden_layers=2, num_attention_heads=6, intermediate_size=200,
                    max_position_embeddings=512, hidden_act="gelu")),
    "classifier": dict(
        model=BertForSequenceClassification, seed=2, eval=[1, 5, 17, 40, 64], train=[[3, 9, 33, 64], [12, 2, 21, 7, 50]], vocab=True,
        final=["bert.embeddings.word_embeddings.weight", "classifier.weight", "classifier.bias"],
        config=dict(vocab_size=101, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48,
                    max_position_embeddings=64, hidden_act="gelu", id2label={0: "routine", 1: "soon", 2: "urgent"},
                    label2id={"routine": 0, "soon": 1, "urgent": 2})),
    "tanh": dict(
        model=BertForPreTraining, seed=3, eval=[2, 48, 13, 1], train=[[8, 21, 48], [30, 17]], vocab=True,
        final=["bert.encoder.layer.0.intermediate.dense.weight", "bert.pooler.dense.bias"],
        config=dict(vocab_size=101, hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=40,
                    max_position_embeddings=48, hidden_act="gelu_new", layer_norm_eps=1e-6)),
    "relu": dict(
        model=BertForMaskedLM, seed=4, eval=[3, 32, 11], train=[[32, 4, 19], [6, 25]], old_names=True,
        final=["bert.embeddings.position_embeddings.weight", "cls.predictions.transform.LayerNorm.weight"],
        config=dict(vocab_size=97, hidden_size=40, num_hidden_layers=1, num_attention_heads=5, intermediate_size=56,
                    max_position_embeddings=32, hidden_act="relu", layer_norm_eps=1e-5)),
    "encoder": dict(
        model=BertModel, seed=5, eval=[32, 1, 9, 15], train=[], vocab=True, final=[],
        config=dict(vocab_size=101, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=30,
                    max_position_embeddings=32, hidden_act="gelu")),
}


def randomize(model, generator):
    """Every parameter anew, in the order of their names."""
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            noise = torch.randn(p.shape, generator=generator)
            if "LayerNorm.weight" in name: p.copy_(1 + 0.2 * noise)
            elif name.endswith("bias"): p.copy_(0.1 * noise)
            elif "embeddings" in name: p.copy_(0.3 * noise)
            else: p.copy_(noise * min(0.3, 1.2 / math.sqrt(p.shape[-1])))


class Batch:
    """Sequences end to end. Ids are never 0: PyTorch gives the row of the padding id no gradient."""

    def __init__(self, lengths, vocab, generator, rate=0.15, most=None):
        draw = lambda high, size: torch.randint(0, high, (size,), generator=generator)
        self.lengths = lengths
        self.ids = [1 + draw(vocab - 1, n) for n in lengths]
        self.segments = [(torch.arange(n) >= n - n // 3).long() for n in lengths]
        self.scored, self.targets, start = [], [], 0
        for n, ids in zip(lengths, self.ids):
            count = max(1, round(rate * n)) if n > 1 else 0
            places = torch.randperm(n, generator=generator)[:count].sort().values
            for i in places.tolist():
                self.scored.append(start + i)
                self.targets.append(int(ids[i]))
                kind = float(torch.rand((), generator=generator))
                if kind < 0.8: ids[i] = 4
                elif kind < 0.9: ids[i] = int(1 + draw(vocab - 1, 1))
            start += n
        if most is not None and len(self.scored) > most:
            keep = torch.linspace(0, len(self.scored) - 1, most).long().tolist()
            self.scored, self.targets = [self.scored[i] for i in keep], [self.targets[i] for i in keep]
        self.labels = draw(2, len(lengths))

    def padded(self):
        longest, rows = max(self.lengths), len(self.lengths)
        ids, segments, mask = (torch.zeros(rows, longest, dtype=torch.long) for _ in range(3))
        targets = torch.full((rows, longest), -100)
        flat = [(r, i) for r, n in enumerate(self.lengths) for i in range(n)]
        for r, n in enumerate(self.lengths):
            ids[r, :n], segments[r, :n], mask[r, :n] = self.ids[r], self.segments[r], 1
        for position, target in zip(self.scored, self.targets):
            targets[flat[position]] = target
        return dict(input_ids=ids, token_type_ids=segments, attention_mask=mask), targets

    def tensors(self, prefix):
        out = {"ids": torch.cat(self.ids).int(), "segments": torch.cat(self.segments).to(torch.uint8),
               "lengths": torch.tensor(self.lengths).int(), "scored": torch.tensor(self.scored).int(),
               "targets": torch.tensor(self.targets).int(), "labels": self.labels.int()}
        return {prefix + k: v for k, v in out.items()}


def outputs(model, batch):
    """One sequence at a time, so that no padding takes part."""
    base = getattr(model, "bert", model)
    found = {}
    add = lambda name, value: found.setdefault(name, []).append(value)
    for ids, segments in zip(batch.ids, batch.segments):
        given = dict(input_ids=ids[None], token_type_ids=segments[None])
        result = base(**given, output_hidden_states=True)
        hidden = result.last_hidden_state[0]
        add("embeddings", result.hidden_states[0][0])
        add("hidden", hidden)
        if result.pooler_output is not None: add("pooler", result.pooler_output)
        if isinstance(model, BertForPreTraining):
            scores, follows = model.cls(result.last_hidden_state, result.pooler_output)
            add("mlm", scores[0])
            add("nsp", follows)
        elif isinstance(model, BertForMaskedLM): add("mlm", model.cls(result.last_hidden_state)[0])
        elif isinstance(model, BertForSequenceClassification): add("logits", model(**given).logits)
        else:
            add("mean", torch.nn.functional.normalize(hidden.mean(0, keepdim=True), dim=-1))
            add("max", torch.nn.functional.normalize(hidden.max(0, keepdim=True).values, dim=-1))
            add("cls", torch.nn.functional.normalize(hidden[:1], dim=-1))
    found = {k: torch.cat(v) for k, v in found.items()}
    if "mlm" in found: found["mlm"] = found["mlm"][torch.tensor(batch.scored)]
    return found


def losses(model, batch):
    """Total, then its parts: masked LM is the mean over masked positions, the others the mean over sequences."""
    given, targets = batch.padded()
    if isinstance(model, BertForPreTraining):
        out = model(**given)
        mlm = torch.nn.functional.cross_entropy(out.prediction_logits.flatten(0, 1), targets.flatten())
        nsp = torch.nn.functional.cross_entropy(out.seq_relationship_logits, batch.labels)
        assert torch.allclose(mlm + nsp, model(**given, labels=targets, next_sentence_label=batch.labels).loss)
        return mlm + nsp, {"mlm": mlm, "nsp": nsp}
    if isinstance(model, BertForMaskedLM): return model(**given, labels=targets).loss, {}
    return model(**given, labels=batch.labels).loss, {}


def learning_rate(step):
    return PEAK * (step + 1) / WARMUP if step < WARMUP else PEAK * (STEPS - step) / (STEPS - WARMUP)


def train(model, batches):
    """Ten steps of AdamW over the batches in turn; no decay on biases and norms."""
    spared = lambda name: name.endswith("bias") or "LayerNorm" in name
    named = list(model.named_parameters())
    optimizer = torch.optim.AdamW([{"params": [p for n, p in named if not spared(n)], "weight_decay": DECAY},
                                   {"params": [p for n, p in named if spared(n)], "weight_decay": 0.0}],
                                  lr=PEAK, betas=BETAS, eps=EPSILON, foreach=False)
    curve = {"loss": [], "learning_rate": [], "grad_norm": []}
    for step in range(STEPS):
        for group in optimizer.param_groups: group["lr"] = learning_rate(step)
        optimizer.zero_grad()
        loss, _ = losses(model, batches[step % len(batches)])
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        curve["loss"].append(float(loss.detach()))
        curve["learning_rate"].append(learning_rate(step))
        curve["grad_norm"].append(float(norm))
    return curve


def old_names(state):
    """As checkpoints of 2018 to 2020 have them: gamma and beta, position_ids, and the tied decoder written out again."""
    state = {k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v for k, v in state.items()}
    state["bert.embeddings.position_ids"] = torch.arange(state["bert.embeddings.position_embeddings.weight"].shape[0])[None]
    state["cls.predictions.decoder.weight"] = state["bert.embeddings.word_embeddings.weight"].clone()
    state["cls.predictions.decoder.bias"] = state["cls.predictions.bias"].clone()
    return state


def write(name, case):
    folder = ROOT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(case["seed"])
    model = case["model"](BertConfig(**case["config"], attn_implementation="eager")).eval()
    randomize(model, generator)
    model.save_pretrained(folder)
    if case.get("old_names"):
        save_file(old_names({k: v.clone() for k, v in model.state_dict().items()}), folder / "model.safetensors", {"format": "pt"})
    if case.get("vocab"):
        (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(json.dumps(
            {"do_lower_case": True, "model_max_length": case["config"]["max_position_embeddings"], "tokenizer_class": "BertTokenizer"},
            indent=2, sort_keys=True) + "\n")

    vocab = case["config"]["vocab_size"]
    golden, facts = {}, {}
    batch = Batch(case["eval"], vocab, generator, most=case.get("scored"))
    golden |= batch.tensors("eval.")
    with torch.no_grad():
        found = outputs(model, batch)
        exact = outputs(case["model"].from_pretrained(folder, attn_implementation="eager").double().eval(), batch) \
            if not case.get("old_names") else None
    for key, value in found.items():
        if key == "embeddings" and value.numel() > 10_000: continue  # the large case would pay for it with 200 KB
        golden["eval." + key] = value
        facts["largest." + key] = f"{float(value.abs().max()):.3g}"
        if exact: facts["f32_error." + key] = f"{float((value - exact[key]).abs().max()):.2g}"

    batches = [Batch(lengths, vocab, generator) for lengths in case["train"]]
    for i, b in enumerate(batches): golden |= b.tensors(f"train.{i}.")
    if batches:
        total, parts = losses(model, batches[0])
        total.backward()
        golden["loss.total"] = total.detach()[None]
        for key, value in parts.items(): golden["loss." + key] = value.detach()[None]
        for key, p in model.named_parameters(): golden["grad." + key] = p.grad.clone()
        for key, values in train(model, batches).items(): golden["steps." + key] = torch.tensor(values)
        parameters = dict(model.named_parameters())
        for key in case["final"]: golden["final." + key] = parameters[key].detach()
        facts |= dict(steps=str(STEPS), peak=str(PEAK), warmup=str(WARMUP), weight_decay=str(DECAY), clip_norm=str(CLIP),
                      beta1=str(BETAS[0]), beta2=str(BETAS[1]), epsilon=str(EPSILON))
    save_file({k: v.contiguous() for k, v in golden.items()}, folder / "golden.safetensors",
              {"facts": json.dumps(facts, sort_keys=True)})  # one key: the writer gives several a random order
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name}: {size / 1e3:.0f} kB", *(f"{k}={v}" for k, v in sorted(facts.items()) if "." in k),
          *([f"loss {golden['steps.loss'][0]:.4f} to {golden['steps.loss'][-1]:.4f}"] if batches else []))


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name, case in CASES.items(): write(name, case)
