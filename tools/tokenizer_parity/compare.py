"""Compares the text layer with the reference tokenizer, input by input. Runs in the reference environment:

    ORACLE python3 tools/tokenizer_parity/compare.py --dump build/…/dump [--shared ../shared] [--random N] [--only NAME]

Compared: ids, places in the text (code points), word numbers, special-token mask. Ends with the number of differences.
"""
import argparse
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import unicodedata
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "true"

# vocabulary file, flags of the dump program, keyword arguments of the reference
SETTINGS = {
    "uncased": ("bert-base-uncased-vocab.txt", "lower", {"do_lower_case": True}),
    "cased": ("bert-base-cased-vocab.txt", "cased", {"do_lower_case": False}),
    "chinese": ("bert-base-chinese-vocab.txt", "lower", {"do_lower_case": True}),
    "multilingual": ("bert-base-multilingual-cased-vocab.txt", "cased", {"do_lower_case": False}),
    "multilingual_lower_keep": ("bert-base-multilingual-cased-vocab.txt", "lower,keep", {"do_lower_case": True, "strip_accents": False}),
    "multilingual_cased_strip": ("bert-base-multilingual-cased-vocab.txt", "cased,strip", {"do_lower_case": False, "strip_accents": True}),
    "uncased_nochinese": ("bert-base-uncased-vocab.txt", "lower,nochinese", {"do_lower_case": True, "tokenize_chinese_chars": False}),
}
FILES = ["wiki-en/valid.txt", "wiki-en/train.txt", "weibo/train.tsv", "weibo/test.tsv", "afqmc/train.txt", "afqmc/dev.txt", "afqmc/test.txt",
         "chnsenticorp/train.tsv", "chnsenticorp/dev.tsv", "chnsenticorp/test.tsv", "sst2/train.tsv", "sst2/dev.tsv", "sst2/test.tsv",
         "imdb/unlabelled.txt", "mrpc/train.tsv", "mrpc/dev.tsv", "stsb/train.tsv", "stsb/dev.tsv", "squad/dev-v1.1.json",
         "wnut17/train.conll", "wnut17/dev.conll", "wnut17/test.conll", "resume-ner/train.char.bmes", "resume-ner/dev.char.bmes",
         "resume-ner/test.char.bmes", "vocab/bert-base-multilingual-cased-vocab.txt", "vocab/bert-base-chinese-vocab.txt"]


def lines_of(path):
    return path.read_bytes().split(b"\n")


def code_points():
    """Every code point alone, between letters, between spaces, after a combining mark and before one."""
    for c in range(0x110000):
        if 0xD800 <= c < 0xE000:  # no UTF-8 has them; their bytes are three replaced parts
            b = bytes([0xE0 | c >> 12, 0x80 | c >> 6 & 63, 0x80 | c & 63])
            yield b
            yield b"a" + b + b"b"
            continue
        s = chr(c)
        yield s.encode()
        yield f"a{s}b".encode()
        yield f"A {s} B{s}\u0301{s}\u0327".encode()


def pools():
    ranges = lambda *pairs: [c for a, b in pairs for c in range(a, b)]
    marks = [c for c in range(0x110000) if unicodedata.combining(chr(c))]
    decomposing = [c for c in range(0x110000) if unicodedata.decomposition(chr(c))[:1] not in ("", "<")]
    stays = [c for c in marks if unicodedata.category(chr(c)) != "Mn"] + [0x1D15E, 0x1D15F, 0x1D160, 0x1D1BB, 0x1D1C0, 0x8D4, 0x1E94A, 0x11C3F]
    cased = [c for c in range(0x110000) if chr(c).lower() != chr(c)]
    return [
        (20, ranges((0x61, 0x7B))), (8, ranges((0x41, 0x5B))), (10, [0x20]), (4, ranges((0x21, 0x7F))), (2, ranges((0, 0x20), (0x7F, 0xA0))),
        (4, ranges((0xA0, 0x250))), (6, marks), (3, stays), (4, decomposing), (3, cased), (3, ranges((0x370, 0x530))), (2, ranges((0x590, 0x700))),
        (2, ranges((0x900, 0xE00))), (2, ranges((0x1100, 0x1200))), (2, ranges((0xAC00, 0xD7A4))), (5, ranges((0x4E00, 0xA000))),
        (2, ranges((0x2A6D0, 0x2A710), (0x2B730, 0x2B940), (0x2CEA0, 0x2CEC0), (0xF900, 0xFB00), (0x2F800, 0x2FA20), (0x3000, 0x3400))),
        (1, ranges((0xE000, 0xE010), (0xF0000, 0xF0010), (0x10FFF0, 0x110000))), (2, ranges((0x2000, 0x2070))), (1, [0x200B, 0x200C, 0x200D, 0xFEFF, 0xAD]),
        (2, ranges((0x1F300, 0x1F700))), (1, ranges((0x1F1E6, 0x1F200), (0x1F3FB, 0x1F400), (0xFE00, 0xFE10))),
        (2, [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]), (1, [0xFFFD, 0x130, 0x3A3, 0x3C2, 0x1E9E, 0x212A, 0x226E, 0x37E, 0x1FEF]),
    ]


def random_texts(count, seed):
    draw = random.Random(seed)
    weighted = pools()
    weights = [w for w, _ in weighted]
    choices = [c for _, c in weighted]
    specials = [b"[MASK]", b"[SEP]", b"[CLS]", b"[PAD]", b"[UNK]", b"[mask]", b"[MASK", b"MASK]", b"##ing", b"##", b"[[MASK]]"]
    for i in range(count):
        if i % 1000 == 0:
            yield bytes(draw.choice(b"abcdefghijklmnopqrstuvwxyz\xc3\xa9") for _ in range(10_000))  # no space, some of it invalid
            continue
        if i % 20 == 0:  # words at the limits
            n = draw.choice([99, 100, 101, 199, 200, 201, 63, 64, 65, 15, 16, 17])
            letters = [chr(draw.choice(choices[draw.choice([0, 0, 0, 5, 10, 14])])) for _ in range(n)]
            yield (" " * draw.randrange(3) + "".join(letters) + draw.choice(["", " x", ".", "\u0301", "\u00e9"])).encode()
            continue
        n = draw.choice([1, 2, 3, 5, 8, 12, 20, 40, 80])
        if draw.random() < 0.3:  # a few scripts only, so that long words come about
            own = draw.sample(range(len(choices)), 3)
            text = "".join(chr(draw.choice(choices[draw.choice(own)])) for _ in range(n))
        else:
            text = "".join(chr(draw.choice(c)) for c in draw.choices(choices, weights, k=n))
        data = text.encode("utf-8", "surrogatepass")
        if draw.random() < 0.1 and data:
            at = draw.randrange(len(data))
            data = data[:at] + draw.choice(specials) + data[at:]
        if draw.random() < 0.15 and data:  # invalid: a byte changed, lost or put in
            at = draw.randrange(len(data))
            kind = draw.randrange(3)
            data = data[:at] + (bytes([draw.randrange(256)]) if kind != 1 else b"") + data[at + (kind != 2):]
        yield data


def expected(encoding):
    return " ".join(
        f"{i}:{a}:{b}:{-1 if w is None else w}{'s' if s else ''}"
        for i, (a, b), w, s in zip(encoding.ids, encoding.offsets, encoding.word_ids, encoding.special_tokens_mask))


def run(name, texts, setting, shared, dump, report):
    from transformers import BertTokenizerFast
    vocab, flags, keywords = SETTINGS[setting]
    vocab = shared / "data/vocab" / vocab
    with open(vocab, encoding="utf-8") as file:
        pieces = {line.rstrip("\n"): i for i, line in enumerate(file)}
    reference = BertTokenizerFast(vocab=pieces, **keywords)._tokenizer
    started = time.time()
    compared = differences = 0
    texts = iter(texts)
    with tempfile.TemporaryDirectory(dir=Path(dump).parent) as folder:
        inputs, outputs = Path(folder) / "in", Path(folder) / "out"
        while True:
            block = []
            size = 0
            for text in texts:
                block.append(text)
                size += len(text)
                if len(block) == 50_000 or size > 8_000_000:
                    break
            if not block:
                break
            with open(inputs, "wb") as file:
                for text in block:
                    file.write(struct.pack("<I", len(text)))
                    file.write(text)
            process = subprocess.Popen([str(dump), str(vocab), flags, str(inputs), str(outputs)])
            encodings = reference.encode_batch([text.decode("utf-8", "replace") for text in block])
            if process.wait() != 0:
                sys.exit("compare: the dump program failed")
            with open(outputs, encoding="ascii") as file:
                for text, encoding, line in zip(block, encodings, file, strict=True):
                    want = expected(encoding)
                    if line.rstrip() != want:
                        differences += 1
                        if report > 0:
                            report -= 1
                            shown = text.decode("utf-8", "replace")
                            print(f"  {text[:120]!r} {[hex(ord(c)) for c in shown[:40]]}\n    expected {want[:300]}\n    found    {line.rstrip()[:300]}")
            compared += len(block)
    print(f"{name:34} {setting:26} {compared:9} texts {differences:7} differences  {time.time() - started:6.1f} s", flush=True)
    return compared, differences


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dump", required=True)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("BERT_SHARED", "../shared")))
    parser.add_argument("--random", type=int, default=1_000_000, help="random strings, shared among the settings")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="part of the names of the checks to run: code points, files, random")
    parser.add_argument("--setting", default="", help="one of " + ", ".join(SETTINGS))
    parser.add_argument("--report", type=int, default=5, help="differences shown for each check")
    options = parser.parse_args()
    settings = [options.setting] if options.setting else list(SETTINGS)
    total = [0, 0]

    def check(name, texts, setting):
        if options.only in name:
            n, d = run(name, texts, setting, options.shared, options.dump, options.report)
            total[0] += n
            total[1] += d

    for setting in settings:
        check("code points", code_points(), setting)
    for i, setting in enumerate(settings):
        check("random", random_texts(options.random // len(settings), options.seed * 100 + i), setting)
    for path in FILES:
        for setting in settings[:4]:
            if (options.shared / "data" / path).is_file():
                check(f"files {path}", lines_of(options.shared / "data" / path), setting)
    print(f"{total[0]} texts compared, {total[1]} differences")
    sys.exit(total[1] != 0)


if __name__ == "__main__":
    main()
