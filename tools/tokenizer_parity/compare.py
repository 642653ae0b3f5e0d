"""Compares the text layer with the reference tokenizer, input by input. `tools/tokenizer_parity/run` builds what it needs and starts it;
by hand, in the reference environment:

    ORACLE python3 tools/tokenizer_parity/compare.py --dump build/…/dump [--shared ../shared] [--random N] [--only NAME]

Compared: ids, places in the text (code points), word numbers, special-token mask. Ends with the number of differences; what
differs by intent has a name and is counted apart (see `window_answers`).
"""
import argparse
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

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
NAMED = Counter()  # differences by intent


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
    words = "the quick brown fox jumps over a lazy dog unaffable [MASK] internationalization Zürich 北京 don't 3.14 😀 [UNK] \ue123x".split()
    for _ in range(count):
        a = " ".join(draw.choices(words, k=draw.choice([0, 1, 2, 3, 5, 9, 20, 40])))
        b = " ".join(draw.choices(words, k=draw.choice([0, 1, 2, 3, 5, 9, 20, 40])))
        most = draw.choice([4, 5, 6, 7, 8, 10, 13, 16, 25, 40, 64])
        stride = min(draw.choice([0, 0, 1, 2, 3, 5]), most - 3)  # the reference refuses more before it has seen a text
        head = f"{most} {draw.choice([0, 1, 1, 2, 3])} {draw.choice([0, 1])} {stride}"
        yield "\1".join([head, a] + ([b] if draw.random() < 0.7 else [])).encode()


STRATEGIES = [None, "longest_first", "only_first", "only_second"]


NAMES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def looked_at(text, tokens, most, left):
    """What tokenizers 0.23 looks at when truncation is on: it stops with the word, named tokens not counted as such, that brings
    `most` tokens."""
    tokens = tokens[::-1] if left else tokens
    n = min(most, len(tokens))
    while 0 < n < len(tokens):
        _, (first, last), word, _ = tokens[n - 1]
        if word != tokens[n][2] and text[first:last] not in NAMES:
            break
        n += 1
    tokens = tokens[:n]
    return [(i, place, word - tokens[-1][2], special) for i, place, word, special in tokens[::-1]] if left else tokens


def kept(sizes, extra, most, strategy):
    """How many tokens of each text stay."""
    over = sum(sizes) + extra - most
    if over <= 0:
        return sizes
    if strategy == 0 or most < extra:
        raise ValueError
    if strategy in (2, 3):
        which = strategy - 2
        if which >= len(sizes) or sizes[which] <= over:
            raise ValueError
        return [n - over * (i == which) for i, n in enumerate(sizes)]
    room = most - extra
    if len(sizes) == 1:
        return [room]
    short, long = sorted(sizes)
    long = short if short > room else max(short, room - short)
    if short + long > room:
        short, long = room // 2, room // 2 + room % 2
    return [long, short] if sizes[0] > sizes[1] else [short, long]


def windows_of(texts, keep, stride, left, cls, sep):
    """Every window of one or two texts, of which `keep` tokens fit: the rule, written down once more."""
    parts = []
    for tokens, room in zip(texts, keep):
        if len(tokens) <= room:
            parts.append([tokens])
        elif room == 0:
            parts.append([[], tokens])
        elif stride >= room:
            raise ValueError
        else:
            cuts = [(at, min(at + room, len(tokens))) for at in range(0, len(tokens), room - stride)]
            if left:
                cuts = [(len(tokens) - b, len(tokens) - a) for a, b in cuts]
            last = next(i for i, (a, b) in enumerate(cuts) if (a == 0 if left else b == len(tokens)))
            parts.append([tokens[a:b] for a, b in cuts[:last + 1]])
    chosen = [(a,) for a in parts[0]]
    if len(parts) == 2:
        a, b = parts
        chosen = [(a[0], b[0])] + [(x, y) for x in a[1:] for y in b] + [(a[0], y) for y in b[1:]]
    return [[cls] + [t for part in window for t in part + [sep]] for window in chosen]


@contextmanager
def quiet():
    """Rust's panics write to standard error before they become exceptions."""
    sys.stderr.flush()
    keep, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(keep, 2)
        os.close(keep)
        os.close(nowhere)


def window_answers(reference):
    """Every window, of texts that are looked at whole.

    Since 0.23 the fast tokenizer stops reading a text at the word that brings max_length tokens (`looked_at`). So its overflowing
    windows end there, and what comes after is in none of them; cut from the left, it numbers words from there. Both are differences
    by intent and counted as such, but only where the reference is exactly what that rule makes of it: anything else is a difference.
    """
    backend = reference._tokenizer
    around = [(backend.token_to_id(name), (0, 0), -1, True) for name in ("[CLS]", "[SEP]")]

    def listed(e):
        return [(i, tuple(o), -1 if w is None else w, s == 1) for i, o, w, s in zip(e.ids, e.offsets, e.word_ids, e.special_tokens_mask)]

    def show(windows):
        return "".join(" ".join(f"{i}:{a}:{b}:{w}{'s' if s else ''}" for i, (a, b), w, s in window) + " / " for window in windows)

    def answer(text):
        head, *parts = text.decode().split("\1")
        most, strategy, side, stride = map(int, head.split())
        left, extra = side == 0, len(parts) + 1
        backend.no_truncation()
        encodings = [backend.encode(part, add_special_tokens=False) for part in parts]
        whole = [[(i, o, w, False) for i, o, w, _ in listed(e)] for e in encodings]  # [MASK] in a text is none of ours
        looked = [looked_at(part, tokens, most, left) if strategy else tokens for part, tokens in zip(parts, whole)]
        try:
            keep = kept([len(t) for t in looked], extra, most, strategy)
            every = windows_of(whole, keep, stride, left, *around)
        except ValueError:
            every = None
        if strategy == 0:  # the reference does not refuse
            return "error" if every is None else show(every)
        backend.enable_truncation(most, stride=stride, strategy=STRATEGIES[strategy], direction=["left", "right"][side])
        try:
            e = backend.encode(*parts)
            found = [listed(window) for window in [e, *e.overflowing]]
        except BaseException as problem:  # Rust panics are no Exceptions
            if isinstance(problem, KeyboardInterrupt):
                raise
            return "error" if every is None else "the reference refuses"
        if every is None:
            return "the reference does not refuse"
        if found != windows_of(looked, keep, stride, left, *around):
            return "the reference is not what its early end explains: " + show(found)
        if keep == kept([len(t) for t in whole], extra, most, strategy):
            e = backend.post_process(*encodings)  # looks at all of the tokens
            if every != [listed(window) for window in [e, *e.overflowing]]:
                return "post_process of the reference differs: " + show(listed(window) for window in [e, *e.overflowing])
        if found != every:
            numbers_only = [[t[:2] for t in window] for window in found] == [[t[:2] for t in window] for window in every]
            NAMED["windows: the reference numbers words from where it began to read" if numbers_only else
                  "windows: the reference stops reading early, its overflowing windows lack text"] += 1
        return show(every)

    def answers(block):
        with quiet():
            return [answer(text) for text in block]
    return answers


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

# (its categories are those of whichever Python runs it). Here they are those of one version of Unicode, the one that the tables of
# reference::google name, read from the database itself: characters that a newer Python knows are unassigned.

class Google:
    def __init__(self, vocab, lower, ucd):
        self.category = ucd
        with open(SHARED / "data/vocab" / vocab, encoding="utf-8") as file:
            self.ids = {line.rstrip("\n"): i for i, line in enumerate(file)}
        self.lower = lower

    @staticmethod
    def cjk(c):
        return any(a <= c <= b for a, b in ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
                                            (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)))

    def punctuation(self, ch):
        c = ord(ch)
        return 33 <= c <= 47 or 58 <= c <= 64 or 91 <= c <= 96 or 123 <= c <= 126 or self.category.get(c, "Cn")[0] == "P"

    def without_accents(self, token):
        """str.lower and NFD of that version: to it, unassigned characters have no case and no parts, like U+FFFF."""
        unknown = [ch for ch in token if ord(ch) not in self.category or ch == "\uffff"]
        known = "".join("\uffff" if ord(ch) not in self.category else ch for ch in token)
        token = "".join(ch for ch in unicodedata.normalize("NFD", known.lower()) if self.category.get(ord(ch), "Cn") != "Mn")
        at = iter(unknown)
        return "".join(next(at) if ch == "\uffff" else ch for ch in token)

    def words(self, text):
        out = []
        for ch in text:
            category = self.category.get(ord(ch), "Cn")
            if ch in " \t\n\r" or category == "Zs":
                out.append(" ")
            elif ord(ch) in (0, 0xFFFD) or category in ("Cc", "Cf"):
                pass
            else:
                out.append(f" {ch} " if self.cjk(ord(ch)) else ch)
        for token in "".join(out).split():
            if self.lower:
                token = self.without_accents(token)
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


def categories(folder):
    """Code point to general category, of the version of Unicode that the tables of reference::google were made from."""
    header = (Path(__file__).resolve().parents[2] / "include/bert/text/unicode/tables.hpp").read_text(encoding="utf-8")
    wanted = re.search(r'database_version = "([\d.]+)"', header).group(1)
    found = re.search(r"DerivedAge-([\d.]+)\.txt", (folder / "DerivedAge.txt").read_text(encoding="utf-8")).group(1)
    version = lambda text: [int(n) for n in text.split(".")]
    if found != wanted or version(unicodedata.unidata_version) < version(wanted):
        sys.exit(f"compare: the tables are of Unicode {wanted}, {folder} of {found}, Python of {unicodedata.unidata_version}")
    out, first = {}, 0
    for line in (folder / "UnicodeData.txt").read_text(encoding="utf-8").splitlines():
        code, name, category = line.split(";")[:3]
        if name.endswith(", First>"):
            first = int(code, 16)
        for c in range(first if name.endswith(", Last>") else int(code, 16), int(code, 16) + 1):
            out[c] = category
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dump", required=True)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("BERT_SHARED", "../shared")))
    parser.add_argument("--random", type=int, default=1_000_000, help="random strings, shared among the settings")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="part of the names of the checks to run: code points, files, random")
    parser.add_argument("--setting", default="", help="one of " + ", ".join(SETTINGS))
    parser.add_argument("--report", type=int, default=5, help="differences shown for each check")
    parser.add_argument("--ucd", type=Path, help="folder of the Unicode Character Database; without it, google is not compared")
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
    database = categories(options.ucd) if options.ucd else None
    for setting in ("uncased", "cased", "chinese", "multilingual"):
        if database and wanted("google") and setting in settings:
            vocab, flags, _ = SETTINGS[setting]
            google = Google(vocab, flags == "lower", database)
            answers = lambda block: (google(text.decode("utf-8", "replace")) for text in block)
            compare("google code points", setting, code_points(), answers, flags="google")
            compare("google random", setting, random_texts(options.random // 20, options.seed), answers, flags="google")
    data = SHARED / "data"
    files = sorted(str(p.relative_to(data)) for p in data.rglob("*") if p.is_file())
    for path in files:
        for setting in settings[:4]:
            if wanted(f"files {path}"):
                compare(f"files {path}", setting, lines_of(data / path), encoded(fast(setting)))
    for name, count in NAMED.items():
        print(f"by intent: {count} texts: {name}")
    print(f"{TOTAL[0]} texts compared, {TOTAL[1]} differences" + (f", {sum(NAMED.values())} more by intent" if NAMED else ""))
    sys.exit(TOTAL[1] != 0)


if __name__ == "__main__":
    main()
