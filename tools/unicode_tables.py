#!/usr/bin/env python3
"""Writes include/bert/text/unicode/tables.hpp from the Unicode Character Database (Debian: unicode-data).

    tools/unicode_tables.py [--ucd /usr/share/unicode] [--check]

Two references decide what a character is, and each has its own age:
  transformers  the fast tokenizer: general categories of Unicode 8.0, decompositions and combining classes of 9.0,
                lower case of 17.0. Found by asking it about every code point; tools/tokenizer_parity repeats the question.
  google        google-research/bert, that is Python's unicodedata: the version of the database read here.
The database read here is newer than 8.0: DerivedAge.txt takes away what came later, and CHANGED gives back the categories
that later versions changed. Lower case that is newer than the database is in NEWER_LOWER.
"""
import argparse
import re
import sys
from pathlib import Path

# Category in 8.0 of characters that have another one today.
CHANGED = {0x166D: "Po", 0x1734: "Mn", 0x1885: "Lo", 0x1886: "Lo", 0xA9BD: "Mc", 0x111C9: "Po"}
# Unicode 16.0 and 17.0: (first, last, target of first, step).
NEWER_LOWER = [(0x1C89, 0x1C89, 0x1C8A, 1), (0xA7CB, 0xA7CB, 0x264, 1), (0xA7CC, 0xA7CC, 0xA7CD, 1), (0xA7CE, 0xA7CE, 0xA7CF, 1),
               (0xA7D2, 0xA7D2, 0xA7D3, 1), (0xA7D4, 0xA7D4, 0xA7D5, 1), (0xA7DA, 0xA7DA, 0xA7DB, 1), (0xA7DC, 0xA7DC, 0x19B, 1),
               (0x10D50, 0x10D65, 0x10D70, 1), (0x16EA0, 0x16EB8, 0x16EBB, 1)]
LETTER, SPACE, DROP, PUNCTUATION, CJK, MARK = range(6)
END = 0x110000
ROW = 64


class Database:
    def __init__(self, folder):
        self.category, self.decomposition, self.combining, self.lower, self.age = {}, {}, {}, {}, {}
        first = None
        for line in (folder / "UnicodeData.txt").read_text().splitlines():
            field = line.split(";")
            code = int(field[0], 16)
            if field[1].endswith(", First>"):
                first = code
                continue
            for c in range(first, code + 1) if field[1].endswith(", Last>") else [code]:
                self.category[c] = field[2]
                self.combining[c] = int(field[3])
            if field[5] and not field[5].startswith("<"):
                self.decomposition[code] = [int(x, 16) for x in field[5].split()]
            if field[13]:
                self.lower[code] = int(field[13], 16)
        for first, last, value in self.ranges(folder / "DerivedAge.txt"):
            for c in range(first, last + 1):
                self.age[c] = float(value)
        self.version = re.search(r"DerivedAge-([\d.]+)\.txt", (folder / "DerivedAge.txt").read_text()).group(1)
        derived = self.ranges(folder / "DerivedCoreProperties.txt")
        self.cased = [(a, b) for a, b, name in derived if name == "Cased"]
        self.ignorable = [(a, b) for a, b, name in derived if name == "Case_Ignorable"]
        self.alphabetic = [(a, b) for a, b, name in derived if name == "Alphabetic"]

    @staticmethod
    def ranges(path):
        found = []
        for line in path.read_text().splitlines():
            match = re.match(r"([0-9A-F]+)(?:\.\.([0-9A-F]+))?\s*;\s*([\w.]+)", line)
            if match:
                found.append((int(match[1], 16), int(match[2] or match[1], 16), match[3]))
        return found


def is_cjk(c, extension_e):
    return (0x4E00 <= c <= 0x9FFF or 0x3400 <= c <= 0x4DBF or 0x20000 <= c <= 0x2A6DF or 0x2A700 <= c <= 0x2B73F
            or 0x2B740 <= c <= 0x2B81F or extension_e <= c <= 0x2CEAF or 0xF900 <= c <= 0xFAFF or 0x2F800 <= c <= 0x2FA1F)


def kind(c, category, extension_e, dropped):
    if c in (9, 10, 13):
        return SPACE
    if c in (0, 0xFFFD) or category in dropped:
        return DROP
    if is_cjk(c, extension_e):
        return CJK
    if category[0] == "Z":
        return SPACE
    if 33 <= c <= 47 or 58 <= c <= 64 or 91 <= c <= 96 or 123 <= c <= 126 or category[0] == "P":
        return PUNCTUATION
    return MARK if category == "Mn" else LETTER


def merged(items):
    """Neighboring (code, value) with one value: (first, last, value)."""
    out = []
    for c, value in sorted(items):
        if out and out[-1][1] == c - 1 and out[-1][2] == value:
            out[-1][1] = c
        else:
            out.append([c, c, value])
    return out


def joined(ranges):
    return [(a, b) for a, b, _ in merged({(c, 0) for first, last in ranges for c in range(first, last + 1)})]


def lower_ranges(lower, newer):
    """(first, last, step, newer, delta): every step-th code point of [first, last] moves by delta."""
    out = []
    for c in sorted(lower):
        delta, late = lower[c] - c, int(c in newer)
        if out and out[-1][3:] == (late, delta):
            first, last, step = out[-1][:3]
            if (c - last in (1, 2)) and (first == last or c - last == step):
                out[-1] = (first, c, c - last, late, delta)
                continue
        out.append((c, c, 1, late, delta))
    return out


def rows_of(values, width):
    lines = []
    line = " "
    for v in values:
        text = f" {v},"
        if len(line) + len(text) > width:
            lines.append(line)
            line = " "
        line += text
    lines.append(line)
    return "\n".join(lines)


def array(kind_of_value, name, values, doc, width=126):
    return f"/// {doc}\ninline constexpr {kind_of_value} {name}[{len(values)}] = {{\n{rows_of(values, width)}\n}};\n"


def generate(folder):
    db = Database(folder)
    lower = dict(db.lower)
    for first, last, target, step in NEWER_LOWER:
        for i in range(0, last - first + 1, step):
            lower[first + i] = target + i
    lower.pop(0x130, None)  # two characters, by hand in properties.hpp

    kinds = bytearray(END)
    for c in range(END):
        today = db.category.get(c, "Cn")
        then = CHANGED.get(c, today) if db.age.get(c, 99) <= 8.0 else "Cn"
        # Characters after 8.0 are plain letters to the fast tokenizer; noncharacters and the unassigned too.
        transformers = kind(c, then, 0x2B920, ("Cc", "Cf", "Co"))
        google = kind(c, today, 0x2B820, ("Cc", "Cf"))
        mapped = c in db.decomposition or c in lower or c == 0x130 or 0xAC00 <= c < 0xAC00 + 11172
        combining = db.combining.get(c, 0) != 0
        stays = combining and ((db.age[c] <= 9.0 and transformers != MARK) or google != MARK)
        kinds[c] = transformers | google << 3 | mapped << 6 | stays << 7

    blocks, index = {}, []
    for start in range(0, END, ROW):
        block = bytes(kinds[start:start + ROW])
        index.append(blocks.setdefault(block, len(blocks)))
    assert len(blocks) <= 0xFFFF
    index_type = "std::uint8_t" if len(blocks) <= 0x100 else "std::uint16_t"
    # A second stage over the index: most of the code space is one block.
    uppers, top = {}, []
    for start in range(0, len(index), ROW):
        row = tuple(index[start:start + ROW])
        top.append(uppers.setdefault(row, len(uppers)))
    middle = [v for row in uppers for v in row]
    leaves = [v for block in blocks for v in block]

    packed = []
    for c, parts in sorted(db.decomposition.items()):
        late = db.age[c] > 9.0
        packed.append(f"0x{c | parts[0] << 21 | (parts[1] if len(parts) > 1 else 0) << 42 | late << 63:X}")
    runs = merged((c, (v, db.age[c] > 9.0)) for c, v in db.combining.items() if v)
    classes = [f"{{0x{a:X}, {v}, 0x{b:X}, {int(late)}}}" for a, b, (v, late) in runs]
    lowers = [f"{{0x{a:X}, 0x{b:X}, {s}, {late}, {d}}}" for a, b, s, late, d in lower_ranges(lower, lower.keys() - db.lower.keys())]
    cased = [f"{{0x{a:X}, 0x{b:X}}}" for a, b in joined(db.cased)]
    ignorable = [f"{{0x{a:X}, 0x{b:X}}}" for a, b in joined(db.ignorable)]
    words = joined(db.alphabetic + [(c, c) for c, g in db.category.items() if g in ("Mn", "Mc", "Me", "Nd", "Pc")] + [(0x200C, 0x200D)])
    words = [f"{{0x{a:X}, 0x{b:X}}}" for a, b in words]
    alphanumeric = joined([(c, c) for c, g in db.category.items() if g[0] in "LN"])
    alphanumeric = [f"{{0x{a:X}, 0x{b:X}}}" for a, b in alphanumeric]
    size = (len(top) + len(middle) * (1 if index_type.endswith("8_t") else 2) + len(leaves) + 8 * len(packed) + 12 * len(lowers)
            + 8 * len(classes) + 8 * (len(cased) + len(ignorable) + len(words) + len(alphanumeric)))
    assert size < 64 * 1024, size
    major = ".".join(db.version.split(".")[:2])
    return size, f"""// Unicode tables of the two reference tokenizers. Written by tools/unicode_tables.py; do not edit.
// Layer: text. Test: tests/unit/text/unicode/properties_test.cpp
#pragma once

#include <cstdint>

#include "bert/core/isa.hpp"

// clang-format off
namespace bert::inline BERT_ISA::text::unicode {{

/// Version of the database that the tables were made from, which is reference::google's.
inline constexpr const char* database_version = "{db.version}";
/// Versions that the fast tokenizer of transformers uses.
inline constexpr const char* transformers_categories = "8.0.0";
inline constexpr const char* transformers_decompositions = "9.0.0";
inline constexpr const char* lowercase_version = "17.0.0";
/// Size of all tables of this file.
inline constexpr unsigned table_bytes = {size};

struct code_range {{ std::uint32_t first, last; }};
/// Adds `delta` to every `step`-th code point of [first, last]. `newer` than the database: applies to the fast tokenizer only.
struct lower_range {{ std::uint32_t first, last : 24, step : 4, newer : 4; std::int32_t delta; }};
/// `late`: newer than Unicode 9.0, so a starter to the fast tokenizer.
struct combining_range {{ std::uint32_t first : 24, value : 8, last : 24, late : 8; }};

{array("std::uint8_t", "stage1", top, "Row of stage2 for code point >> 12.")}
{array(index_type, "stage2", middle, "Row of stage3 for (code point >> 6) & 63.")}
{array("std::uint8_t", "stage3", leaves, "Bits 0-2: kind for transformers; 3-5: kind for google; 6: has a decomposition or a lower case; 7: a combining mark that stays.")}
{array("std::uint64_t", "decompositions", packed, "code | first << 21 | second << 42 | newer than Unicode 9.0 << 63: one step of the canonical decomposition, without Hangul.")}
{array("lower_range", "lowercase", lowers, "Simple lower case, without U+0130.")}
{array("combining_range", "combining_classes", classes, "Canonical combining classes other than 0.")}
{array("code_range", "cased", cased, f"Cased (Unicode {major}), for the final sigma of Python's str.lower.")}
{array("code_range", "case_ignorable", ignorable, f"Case_Ignorable (Unicode {major}).")}
{array("code_range", "word_characters", words, f"Word characters of regular expressions (Unicode {major}): Alphabetic, M, Nd, Pc, Join_Control.")}
{array("code_range", "alphanumeric", alphanumeric, f"Letters and numbers (L, N) as of Unicode {major}: Python's str.isalnum.")}
}}  // namespace bert::text::unicode
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ucd", type=Path, default=Path("/usr/share/unicode"), help="folder with UnicodeData.txt")
    parser.add_argument("--check", action="store_true", help="compare with the header that is there; write nothing")
    options = parser.parse_args()
    if not (options.ucd / "UnicodeData.txt").is_file():
        sys.exit(f"unicode_tables: no UnicodeData.txt in {options.ucd}; install the package unicode-data or give --ucd FOLDER")
    target = Path(__file__).resolve().parent.parent / "include/bert/text/unicode/tables.hpp"
    size, text = generate(options.ucd)
    if options.check:
        if target.read_text() != text:
            sys.exit("unicode_tables: the header differs from what the database gives; run tools/unicode_tables.py")
    else:
        target.write_text(text)
    print(f"unicode_tables: {size} bytes of tables")


if __name__ == "__main__":
    main()
