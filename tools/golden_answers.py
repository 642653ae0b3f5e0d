#!/usr/bin/env python3
"""Writes tests/golden/metrics/answers.jsonl and answers_cmrc.jsonl: made-up answers with the scores that the rules give.

    tools/golden_answers.py [--check]

Needs Python alone. The scores are computed from the rules of SQuAD 1.1, SQuAD 2.0 and CMRC 2018, apart from the library's: words by
regular expressions, the best threshold and the average precision by trying every cut. --check writes nothing and exits with 1 if a
file differs. The cases of CMRC hold no English but words at spaces, whose splitting needs no rules.
"""

import argparse
import json
import random
import re
import string
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "tests/golden/metrics"
PIECES = ["the", "The", "a", "an", "A.", "cat", "Cats", "cat's", "red-brown", "1973", "$12", "12%", "U.S.", "Straße", "ΟΔΟΣ", "ὈΔΟΣ",
          "İzmir", "the北京", "a\u0301", "a_b", "«the»", "½", "a²", "theend", "the-end", "\u00a0", "\u3000", "\u200b", "\u0085", "“an”",
          "Éa", "!!!", "—", "a/b", "café", "naïve"]
HAN = ["北京", "大学", "范廷颂", "一九六三年", "1963年", "《红楼梦》", "，", "。", "……", "…", "（括号）", "“你好”", "nba", "windows xp", "e-mail",
       "·", " ", "　", "〇", "鿎", "１５日", "3:2", "_x_"]


def words(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r"\b(?:the|an|a)\b", " ", text).split()


def f1(prediction, gold, empty_counts):
    p, g = words(prediction), words(gold)
    if empty_counts and not (p and g):
        return float(p == g)
    common, rest = 0, list(g)
    for word in p:
        if word in rest:
            rest.remove(word)
            common += 1
    return 2 * (common / len(p)) * (common / len(g)) / (common / len(p) + common / len(g)) if common else 0.0


def near(draw, text):
    """The text, a part of it, or with something before or behind it."""
    parts = text.split(" ")
    kind = draw.randrange(5)
    if kind == 0: return text
    if kind == 1: return " ".join(parts[1:])
    if kind == 2: return draw.choice(PIECES) + " " + text
    if kind == 3: return text.upper()
    return text + draw.choice([".", " !", "  the", "s", " " + draw.choice(PIECES)])


def answer(draw):
    return " ".join(draw.choice(PIECES) for _ in range(draw.randint(1, 4)))


def version_1(draw):
    golds = [answer(draw)]
    while draw.random() < 0.5: golds.append(near(draw, golds[0]))
    prediction = near(draw, draw.choice(golds)) if draw.random() < 0.8 else draw.choice(["", "the", answer(draw)])
    return {"kind": "v1.1", "prediction": prediction, "golds": golds, "norm_prediction": " ".join(words(prediction)),
            "norm_golds": [" ".join(words(g)) for g in golds], "em": int(any(words(prediction) == words(g) for g in golds)),
            "f1": max(f1(prediction, g, False) for g in golds)}


def version_2(draw, count):
    questions, raw = [], []
    for i in range(count):
        golds = [] if draw.random() < 0.4 else [answer(draw) for _ in range(draw.randint(1, 3))]
        if draw.random() < 0.1: golds.append("the")
        prediction = "" if draw.random() < 0.2 else near(draw, draw.choice(golds)) if golds and draw.random() < 0.8 else answer(draw)
        questions.append({"id": f"q{i}", "golds": golds, "prediction": prediction, "na_prob": draw.randrange(9) / 8})
        counted = [g for g in golds if words(g)] or [""]
        raw.append((max(int(words(prediction) == words(g)) for g in counted), max(f1(prediction, g, True) for g in counted)))
    threshold = draw.randrange(9) / 8
    order = sorted(range(count), key=lambda i: questions[i]["na_prob"])
    expected = {"total": count, "raw_exact": [e for e, _ in raw], "raw_f1": [f for _, f in raw]}
    for name, which in (("", lambda q: True), ("HasAns_", lambda q: q["golds"]), ("NoAns_", lambda q: not q["golds"])):
        chosen = [i for i in range(count) if which(questions[i])]
        if not chosen: continue
        expected[name + "total"] = len(chosen)
        for k, key in enumerate(("exact", "f1")):
            values = [float(not questions[i]["golds"]) if questions[i]["na_prob"] > threshold else raw[i][k] for i in chosen]
            expected[name + key] = 100 * sum(values) / len(chosen)
    for k, key in enumerate(("exact", "f1")):
        best = (sum(not q["golds"] for q in questions), 0.0)
        for cut in range(1, count + 1):  # the first `cut` questions are answered, the others not
            value = sum(raw[i][k] if questions[i]["golds"] else float(not questions[i]["prediction"]) for i in order[:cut])
            value += sum(not questions[i]["golds"] for i in order[cut:])
            if value > best[0] + 1e-12: best = (value, questions[order[cut - 1]]["na_prob"])
        expected["best_" + key], expected[f"best_{key}_thresh"] = 100 * best[0] / count, best[1]
    positives = sum(bool(q["golds"]) for q in questions)
    if positives:
        for key, value in (("exact", lambda i: raw[i][0]), ("f1", lambda i: raw[i][1]), ("oracle", lambda i: 1.0)):
            area, before = 0.0, 0.0
            for level in sorted({q["na_prob"] for q in questions}):
                answered = [i for i in range(count) if questions[i]["na_prob"] <= level]
                found = sum(value(i) for i in answered if questions[i]["golds"])
                area += found / len(answered) * (found / positives - before)
                before = found / positives
            expected[f"pr_{key}_ap"] = 100 * area
    return {"kind": "v2.0", "na_prob_thresh": threshold, "questions": questions, "expected": expected}


def kept(text):
    return re.sub("[-:_*^/\\\\~`+=，。：？！“”；’《》·、「」（）－～『』]", "", text.lower().strip())


def segments(text):
    return re.findall("[\u4e00-\u9fa5]|[^\\s\u4e00-\u9fa5]+", kept(text))


def run(a, b):
    return max((n for i in range(len(a)) for n in range(len(a) - i + 1) for j in range(len(b)) if a[i:i + n] == b[j:j + n]), default=0)


def cmrc(draw):
    make = lambda: "".join(draw.choice(HAN) for _ in range(draw.randint(1, 6)))
    golds = [make()]
    while draw.random() < 0.5: golds.append(golds[0] + make() if draw.random() < 0.5 else golds[0][1:])
    prediction = draw.choice([golds[0], golds[0][1:], golds[0][:-1], make() + golds[-1], "", golds[-1].upper()])
    scores = []
    for gold in golds:
        p, g = segments(prediction), segments(gold)
        n = run(p, g)
        scores.append(2 * (n / len(p)) * (n / len(g)) / (n / len(p) + n / len(g)) if n else 0.0)
    return {"prediction": prediction, "answers": golds, "segs_prediction": segments(prediction),
            "segs_answers": [segments(g) for g in golds], "needs": "spaces", "em": int(any(kept(prediction) == kept(g) for g in golds)),
            "f1": max(scores)}


def lines(cases):
    return "".join(json.dumps({"id": i} | case, ensure_ascii=True, separators=(",", ":")) + "\n" for i, case in enumerate(cases))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    draw = random.Random(1)
    files = {"answers.jsonl": lines([version_1(draw) for _ in range(45)] + [version_2(draw, n) for n in (1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12)]),
             "answers_cmrc.jsonl": lines([cmrc(draw) for _ in range(35)])}
    for name, text in files.items():
        path = FOLDER / name
        if not check: path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text: sys.exit(f"golden_answers: {name} differs; run tools/golden_answers.py")
        print(f"golden_answers: {name}, {len(text)} bytes, {text.count(chr(10))} cases")


if __name__ == "__main__":
    main()
