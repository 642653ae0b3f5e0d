"""Writes tests/golden/tokenizer: a small vocabulary, hard texts and what the reference makes of them. In the reference environment:

    ORACLE python3 tools/tokenizer_parity/golden.py
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import compare  # noqa: E402

FOLDER = Path("tests/golden/tokenizer")
COMBINATIONS = [(True, None, True), (False, None, True), (True, False, True), (False, True, False)]


def pieces():
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789éüñßøåđıαβγσςωдя한한अकािあア\u0301\u0327\u0307\u0308"
    words = "the of and un aff able ing in to naive cafe Zürich größe 中 文 北 京 豈 一 👍 ☕ ¼ ﬁ ﷽ 가 각".split()
    tails = "##ing ##ed ##s ##able ##aff ##er ##fi ##ab ##abc".split()
    marks = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~。，、！？「」…–—«»¿¡`") + ["\u1fef"]
    seen = dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + list(letters) + ["##" + c for c in letters] + words + tails + marks)
    return list(seen)


def main():
    from transformers import BertTokenizerFast
    FOLDER.mkdir(parents=True, exist_ok=True)
    vocabulary = pieces()
    (FOLDER / "vocab.txt").write_text("".join(p + "\n" for p in vocabulary), encoding="utf-8")
    texts = [t for t in compare.random_texts(700, 42) if len(t) <= 60] + [
        b"", b" ", b"[MASK]", b"un[MASK]able", b"[mask] [SEP][SEP]", "naïve café ZÜRICH".encode(), "İstanbul ΟΔΟΣ".encode(), b"a" * 100, b"a" * 101,
        ("é" * 100).encode(), ("e\u0301" * 100).encode(), "가각힣".encode(), "\U0001d15e\u0323a".encode(), "a\u0334\U0001d165\u0323".encode(),
        "≮≠ \u037e \u1fef".encode(), "中文abc北京".encode(), b"ab\xffc \xe4\xb8", "\U0002b820\U0002b920\u8c48".encode(), "a\u200bb\u00adc\u0000d".encode()]
    lines = []
    for lower, strip, chinese in COMBINATIONS:
        reference = BertTokenizerFast(vocab={p: i for i, p in enumerate(vocabulary)}, do_lower_case=lower, strip_accents=strip,
                                      tokenize_chinese_chars=chinese)._tokenizer
        flags = f"{int(lower)} {'-' if strip is None else int(strip)} {int(chinese)}"
        for text in texts:
            lines.append(f"{flags}\t{text.hex()}\t{compare.expected(reference.encode(text.decode('utf-8', 'replace')))}\n")
    (FOLDER / "cases.tsv").write_text("".join(lines), encoding="ascii")
    print(f"{len(lines)} cases")


if __name__ == "__main__":
    main()
