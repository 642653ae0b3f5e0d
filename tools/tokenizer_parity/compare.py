"""Compares the text layer with the reference tokenizer, input by input. Runs in the reference environment:

    ORACLE python3 tools/tokenizer_parity/compare.py --dump build/…/dump [--shared ../shared] [--random N] [--only NAME]

Compared: ids, places in the text (code points), word numbers, special-token mask. Ends with the number of differences.
"""
import argparse
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
TOTAL = [0, 0]
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


def fast(setting, added=()):
    """The reference's own tokenizer (Rust) as transformers sets it up."""
    from transformers import BertTokenizerFast
    vocab, _, keywords = SETTINGS[setting]
    with open(SHARED / "data/vocab" / vocab, encoding="utf-8") as file:
        pieces = {line.rstrip("\n"): i for i, line in enumerate(file)}
    whole = BertTokenizerFast(vocab=pieces, **keywords)
    if added:
        whole.add_tokens(list(added))
    return whole


def compare(name, setting, texts, answers, flags="", added=None, shorten=lambda line: line):
    """`answers(list of bytes)` gives the reference's lines; the dump program gives ours."""
    vocab, own_flags, _ = SETTINGS[setting]
    started = time.time()
    compared = differences = 0
    texts = iter(texts)
    with tempfile.TemporaryDirectory(dir=Path(DUMP).parent) as folder:
        inputs, outputs = Path(folder) / "in", Path(folder) / "out"
        command = [str(DUMP), str(SHARED / "data/vocab" / vocab), own_flags + "," + flags, str(inputs), str(outputs)]
        if added is not None:
            (Path(folder) / "added").write_text(added, encoding="utf-8")
            command.append(str(Path(folder) / "added"))
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
            process = subprocess.Popen(command)
            wanted = answers(block)
            if process.wait() != 0:
                sys.exit("compare: the dump program failed")
            lines = outputs.read_text(encoding="utf-8").split("\n")
            for text, want, line in zip(block, wanted, lines[:-1], strict=True):
                if line.rstrip() != want.rstrip():
                    differences += 1
                    if differences <= REPORT:
                        shown = text.decode("utf-8", "replace")
                        print(f"  {text[:120]!r} {[hex(ord(c)) for c in shown[:40]]}\n    expected {want[:400]}\n    found    {line.rstrip()[:400]}")
            compared += len(block)
    print(f"{name:44} {setting:26} {compared:9} texts {differences:7} differences  {time.time() - started:6.1f} s", flush=True)
    TOTAL[0] += compared
    TOTAL[1] += differences


def encoded(reference):
    return lambda block: map(expected, reference._tokenizer.encode_batch([text.decode("utf-8", "replace") for text in block]))


# Pairs, truncation, windows

def window_texts(count, seed):
    draw = random.Random(seed)
    words = "the quick brown fox jumps over a lazy dog unaffable [MASK] internationalization Zürich 北京 don't 3.14 😀".split()
    for _ in range(count):
        a = " ".join(draw.choices(words, k=draw.choice([0, 1, 2, 3, 5, 9, 20, 40])))
        b = " ".join(draw.choices(words, k=draw.choice([0, 1, 2, 3, 5, 9, 20, 40])))
        most = draw.choice([4, 5, 6, 7, 8, 10, 13, 16, 25, 40, 64])
        stride = min(draw.choice([0, 0, 1, 2, 3, 5]), most - 3)  # the reference refuses more before it has seen a text
        head = f"{most} {draw.choice([0, 1, 1, 2, 3])} {draw.choice([0, 1])} {stride}"
        yield "\1".join([head, a] + ([b] if draw.random() < 0.7 else [])).encode()


def window_answers(reference):
    backend = reference._tokenizer
    names = [None, "longest_first", "only_first", "only_second"]

    def answer(text):
        head, *parts = text.decode().split("\1")
        most, strategy, side, stride = map(int, head.split())
        try:
            # As encode() with truncation on does it, but for all of the text: since 0.23 encode() looks at the first words only,
            # so that the overflowing windows end early and, cut from the left, words are numbered from the cut.
            backend.no_truncation()
            whole = [backend.encode(part, add_special_tokens=False) for part in parts]
            if strategy != 0:
                backend.enable_truncation(most, stride=stride, strategy=names[strategy], direction=["left", "right"][side])
            e = backend.post_process(*whole)
            if strategy != 0 and backend.encode(*parts).ids != e.ids:
                return "encode and post_process of the reference differ"
        except BaseException as problem:  # Rust panics are no Exceptions
            if isinstance(problem, KeyboardInterrupt):
                raise
            return "error"
        if strategy == 0 and len(e.ids) > most:
            return "error"
        return "".join(expected(w) + " / " for w in [e, *e.overflowing])
    return lambda block: map(answer, block)


# Added tokens

ADDED = [  # content, single_word, lstrip, rstrip, normalized, special
    ("<ent>", 0, 0, 0, 0, 1), ("<Left>", 0, 1, 0, 0, 1), ("<right>", 0, 0, 1, 0, 1), ("<both>", 0, 1, 1, 0, 0), ("zork", 1, 0, 0, 0, 0),
    ("Frotz", 0, 0, 0, 1, 0), ("gnusto", 1, 1, 1, 1, 0), ("Größe", 0, 0, 0, 1, 0), ("<ent><ent>", 0, 0, 0, 0, 1), ("two words", 0, 0, 0, 1, 0),
    ("中文", 0, 0, 0, 0, 0), ("x-ray", 1, 0, 0, 1, 0)]


def added_texts(count, seed):
    draw = random.Random(seed)
    parts = [a[0] for a in ADDED] + ["[MASK]", "[SEP]", " ", "  ", "\t", "a", "b.", "ß", "é", "e\u0301", "中", "_", "1", "FROTZ", "ZORK", "Zork", "grosse", "GRÖSSE",
                                     "größe", "two  words", "Two Words", "\u200b", "\u00a0", "\u2028", "\x85", "!", "[", "<", "un", "##", "\u0323", "X-Ray", "\u1d15e"]
    for _ in range(count):
        yield "".join(draw.choices(parts, k=draw.choice([1, 2, 3, 4, 6, 10, 16]))).encode()


# Decoding

def decode_texts(count, seed, size):
    draw = random.Random(seed)
    common = list(range(999, 2100)) + [0, 100, 101, 102, 103] * 10
    for _ in range(count):
        ids = [draw.choice(common) if draw.random() < 0.7 else draw.randrange(size) for _ in range(draw.choice([0, 1, 2, 3, 8, 30]))]
        yield f"{draw.randrange(2)} {draw.randrange(2)} {' '.join(map(str, ids))}".encode()


def decode_answers(reference):
    from tokenizers import decoders

    def answer(text):
        skip, clean, *ids = map(int, text.split())
        reference._tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=bool(clean))
        return reference._tokenizer.decode(ids, skip_special_tokens=bool(skip))
    return lambda block: map(answer, block)


# google-research/bert, from its description: Python's str and unicodedata do the work

class Google:
    def __init__(self, vocab, lower):
        with open(SHARED / "data/vocab" / vocab, encoding="utf-8") as file:
            self.ids = {line.rstrip("\n"): i for i, line in enumerate(file)}
        self.lower = lower

    @staticmethod
    def cjk(c):
        return any(a <= c <= b for a, b in ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
                                            (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)))

    @staticmethod
    def punctuation(ch):
        c = ord(ch)
        return 33 <= c <= 47 or 58 <= c <= 64 or 91 <= c <= 96 or 123 <= c <= 126 or unicodedata.category(ch)[0] == "P"

    def words(self, text):
        out = []
        for ch in text:
            category = unicodedata.category(ch)
            if ch in " \t\n\r" or category == "Zs":
                out.append(" ")
            elif ord(ch) in (0, 0xFFFD) or category in ("Cc", "Cf"):
                pass
            else:
                out.append(f" {ch} " if self.cjk(ord(ch)) else ch)
        for token in "".join(out).split():
            if self.lower:
                token = "".join(ch for ch in unicodedata.normalize("NFD", token.lower()) if unicodedata.category(ch) != "Mn")
            word = ""
            for ch in token:
                if self.punctuation(ch):
                    if word:
                        yield word
                    yield ch
                    word = ""
                else:
                    word += ch
            if word:
                yield word

    def __call__(self, text):
        out = []
        for word in self.words(text):
            pieces, at = [], 0
            while at < len(word) <= 200:
                for end in range(len(word), at, -1):
                    piece = self.ids.get(("##" if at else "") + word[at:end])
                    if piece is not None:
                        break
                else:
                    pieces = []
                    break
                pieces.append(piece)
                at = end
            out += pieces or [self.ids["[UNK]"]]
        return " ".join(map(str, out))


def known_to_15(texts, newer):
    """Without the texts that hold characters which Python knows and Unicode 15.0 does not."""
    for text in texts:
        if not any(c in newer for c in text.decode("utf-8", "replace")):
            yield text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dump", required=True)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("BERT_SHARED", "../shared")))
    parser.add_argument("--random", type=int, default=1_000_000, help="random strings, shared among the settings")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="part of the names of the checks to run: code points, files, random")
    parser.add_argument("--setting", default="", help="one of " + ", ".join(SETTINGS))
    parser.add_argument("--report", type=int, default=5, help="differences shown for each check")
    parser.add_argument("--newer", help="file of hexadecimal code points that Python's Unicode has and our database has not")
    options = parser.parse_args()
    global SHARED, DUMP, REPORT
    SHARED, DUMP, REPORT = options.shared, options.dump, options.report
    settings = [options.setting] if options.setting else list(SETTINGS)

    def wanted(name):
        return options.only in name

    for i, setting in enumerate(settings):
        if wanted("code points"):
            compare("code points", setting, code_points(), encoded(fast(setting)))
        if wanted("random"):
            compare("random", setting, random_texts(options.random // len(settings), options.seed * 100 + i), encoded(fast(setting)))
    for setting in settings[:4]:
        if wanted("windows"):
            compare("windows", setting, window_texts(options.random // 20, options.seed), window_answers(fast(setting)), flags="windows")
        if wanted("added tokens"):
            from tokenizers import AddedToken
            reference = fast(setting, [AddedToken(c, single_word=bool(w), lstrip=bool(l), rstrip=bool(r), normalized=bool(n), special=bool(s))
                                       for c, w, l, r, n, s in ADDED])
            ids = [reference.convert_tokens_to_ids(a[0]) for a in ADDED]
            added = "".join(f"{i} {w} {l} {r} {n} {s}\1{c}\n" for i, (c, w, l, r, n, s) in zip(ids, ADDED))
            compare("added tokens", setting, added_texts(options.random // 10, options.seed), encoded(reference), added=added)
        if wanted("decode"):
            reference = fast(setting)
            compare("decode", setting, decode_texts(options.random // 20, options.seed, len(reference)), decode_answers(reference), flags="decode")
    newer = set()
    if options.newer:
        newer = {chr(int(line, 16)) for line in Path(options.newer).read_text().split()}
    for setting in ("uncased", "cased", "chinese", "multilingual"):
        if wanted("google") and setting in settings:
            vocab, flags, _ = SETTINGS[setting]
            google = Google(vocab, flags == "lower")
            answers = lambda block: (google(text.decode("utf-8", "replace")) for text in block)
            compare("google code points", setting, known_to_15(code_points(), newer), answers, flags="google")
            compare("google random", setting, known_to_15(random_texts(options.random // 20, options.seed), newer), answers, flags="google")
    for path in FILES:
        for setting in settings[:4]:
            if wanted(f"files {path}") and (SHARED / "data" / path).is_file():
                compare(f"files {path}", setting, lines_of(SHARED / "data" / path), encoded(fast(setting)))
    print(f"{TOTAL[0]} texts compared, {TOTAL[1]} differences")
    sys.exit(TOTAL[1] != 0)


if __name__ == "__main__":
    main()
