#!/usr/bin/env python3
"""Compiles every ```cpp block of README.md and docs/, and runs it.

    tests/docs/compile_blocks.py [--compiler g++] [--jobs N] [--list] [page.md …]

A block with a main() is a program. Any other is a fragment: its types, templates and functions go into a namespace,
its other statements into a function there. A comment right above a block changes that:

    <!-- continues -->                  sees the declarations of the block before
    <!-- compiled only: why -->         is not run: needs a folder from elsewhere, takes too long, …
    <!-- not compiled: why -->          is skipped
    <!-- cpp                            hidden lines that the next block needs: includes, files to read
    std::ofstream("corpus.txt") << …;
    -->

A block that includes headers of bert is compiled with these only; blocks of README must include what they need. To save time,
blocks of a page with the same includes are one program, and so are those without. It runs in an empty folder and passes if
nothing is thrown.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pages import ROOT, PageError, blocks, pages

FLAGS = ["-std=c++20", "-pthread", f"-I{ROOT / 'include'}", f"-I{ROOT / 'precompiled/include'}", "-Wall", "-Wextra", "-Wno-unused", "-Werror", "-fmax-errors=3",
         "-O1", "-march=native"]
SECONDS_TO_RUN = 120
INCLUDE = re.compile(r"^\s*#\s*include\b")
OWN_HEADER = re.compile(r"^\s*#\s*include\s*[<\"](bert/[^>\"]+)", re.M)
MAIN = re.compile(r"\bint main\(")
TYPE = re.compile(r"(struct|class|enum|union|template|namespace|using|concept|typedef|inline)\b")
CONTROL = re.compile(r"(if|for|while|do|switch|try|else|catch|return|static_assert)\b|\{")
# A block includes the standard headers it uses; it must not rely on other headers to include them.
STANDARD = {
    r"std::(cout|cerr|cin)\b": ("iostream",), r"std::array\b": ("array",), r"std::vector\b": ("vector",), r"std::span\b": ("span",),
    r"std::string\b": ("string", "iostream"), r"std::string_view\b": ("string_view", "string"), r"std::[io]?fstream\b": ("fstream",),
    r"std::optional\b": ("optional",), r"std::thread\b": ("thread",), r"std::unique_ptr\b": ("memory",), r"std::filesystem\b": ("filesystem",),
}


def without_comments(code):
    """The code with comments and literals blanked, of the same length, to search for brackets and words."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Za-z])\'(?:\\.|[^\'\\\n])+\'', re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " " if m[0].startswith("/") else "0", m[0]), code)


def statements(code):
    """(line, text, kind) of each top-level statement: `include`, `type` (for a namespace) or `body` (for a function)."""
    plain = without_comments(code)
    found, begin, depth, at = [], 0, 0, 0

    def end(stop):
        nonlocal begin
        text = plain[begin:stop]
        if text.strip():
            line = 1 + code.count("\n", 0, begin + len(text) - len(text.lstrip()))
            found.append((line, code[begin:stop].strip("\n"), kind(text.strip())))
        begin = stop

    while at < len(plain):
        c = plain[at]
        if c == "#" and not plain[begin:at].strip():
            at = plain.find("\n", at)
            at = len(plain) if at < 0 else at + 1
            end(at)
            continue
        if c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        at += 1
        if depth == 0 and (c == ";" or (c == "}" and ends_statement(plain[at:], plain[begin:at]))):
            end(at)
    end(len(plain))
    return found


def ends_statement(after, statement):
    following = after.lstrip()
    if not following:
        return True
    if following[0] in ";,.()[]<>{}=+-*/?:&|!%^":
        return False
    return not re.match(r"\s*(struct|class|enum|union)\b", statement) or "\n" in after[: len(after) - len(following)]


def kind(text):
    if text.startswith("#"):
        return "include" if INCLUDE.match(text) else "type"
    if TYPE.match(text):
        return "type"
    if text.endswith("}") and not CONTROL.match(text) and "(" in text and "=" not in text[: text.index("(")]:
        return "type"  # a function
    return "body"


class Unit:
    """One translation unit: a program, or chains of fragments with a namespace each."""

    def __init__(self, name, run):
        self.name, self.run, self.chains, self.program = name, run, [], None

    @property
    def members(self):
        return [self.program] if self.program else [b for chain in self.chains for b in chain]

    def source(self):
        if self.program:
            return f'#line {self.program.line} "{self.program.page}"\n{self.program.code}'
        includes, spaces, calls = [], [], []
        for chain in self.chains:
            name = f"block_{chain[-1].line}"
            types, body, stopped = [], [], False
            for block in chain:
                if "compiled only" in block.remarks and self.run and not stopped:
                    body.append("if (compiled_only) return;\n")
                    stopped = True
                for line, text, what in statements(block.code):
                    at = f'#line {block.line + line - 1} "{block.page}"\n{text}\n'
                    {"include": includes, "type": types, "body": body}[what].append(at)
            spaces.append(f"namespace {name} {{\n{''.join(types)}\nvoid run() {{\n{''.join(body)}\n}}\n}}\n")
            calls.append(f"{name}::run();")
        return (f"{''.join(includes)}\n#line 1 \"{self.name}\"\nstatic volatile bool compiled_only = true;\n{''.join(spaces)}"
                f"int main() {{ if (!compiled_only) return 1;\n{chr(10).join(calls)}\n}}\n")

    def check(self, compiler):
        """(error message or "", seconds)."""
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            source, program, place = Path(folder, "blocks.cpp"), Path(folder, "program"), Path(folder, "empty")
            source.write_text(self.source(), encoding="utf-8")
            place.mkdir()
            flags = [*FLAGS, *(["-o", str(program)] if self.run else ["-fsyntax-only"])]
            built = subprocess.run([compiler, *flags, str(source)], capture_output=True, text=True)
            if built.returncode:
                return f"{self.name}: does not compile\n{built.stderr}", time.monotonic() - begin
            if self.run:
                try:
                    ran = subprocess.run([program], cwd=place, capture_output=True, text=True, errors="replace", timeout=SECONDS_TO_RUN)
                    if ran.returncode:
                        return f"{self.name}: exit status {ran.returncode}\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}", time.monotonic() - begin
                except subprocess.TimeoutExpired:
                    return f"{self.name}: still running after {SECONDS_TO_RUN} s; <!-- compiled only: why -->", time.monotonic() - begin
        return "", time.monotonic() - begin


def own_includes(block):
    """Standard headers that a block with headers of bert uses but does not include."""
    plain = without_comments(block.code)
    has = set(re.findall(r"^\s*#\s*include\s*<([^>]+)>", block.code, re.M))
    return [f"{block.where}: uses {re.search(name, plain)[0]} without #include <{headers[0]}>"
            for name, headers in STANDARD.items() if re.search(name, plain) and not has & set(headers)]


def units_of(path, root=ROOT):
    """The translation units of a page, the skipped blocks, and the errors of the page."""
    alone, chains, left, wrong, hidden = [], [], [], [], []
    for block in blocks(path, root):
        if block.language != "cpp":
            continue
        if block.hidden:
            hidden.append(block)
            continue
        above, hidden = hidden, []
        if "not compiled" in block.remarks:
            left.append(block)
            continue
        includes_bert = tuple(sorted(OWN_HEADER.findall(block.code)))
        if path.name == "README.md" and not includes_bert:
            wrong.append(f"{block.where}: a block of README starts with the includes that it needs")
        if includes_bert:
            wrong += own_includes(block)
        if MAIN.search(block.code):
            unit = Unit(block.where, "compiled only" not in block.remarks)
            unit.program = block
            alone.append(unit)
        elif "continues" in block.remarks:
            if not chains:
                wrong.append(f"{block.where}: continues no block")
                chains.append(((), []))
            chains[-1][1].extend([*above, block])
        else:
            chains.append((includes_bert, [*above, block]))
    if hidden:
        wrong.append(f"{hidden[0].where}: hidden lines that no block follows")
    together = {}
    for headers, chain in chains:
        first = next(b for b in chain if not b.hidden)
        run = "compiled only" not in first.remarks
        unit = together.setdefault((run, headers), Unit("", run))
        unit.chains.append(chain)
        lines = [str(b.line) for c in unit.chains for b in c if not b.hidden]
        unit.name = f"{first.page}:{','.join(lines)}"
    return [*alone, *together.values()], left, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--list", action="store_true", help="print what would be done with each block, and why")
    parser.add_argument("pages", nargs="*", type=Path)
    args = parser.parse_args()
    units, left, failures = [], [], []
    for path in args.pages or pages():
        try:
            of_page = units_of(path.resolve())
        except PageError as error:
            failures.append(str(error))
            continue
        for all_of_them, of_this in zip((units, left, failures), of_page):
            all_of_them += of_this
    members = [b for unit in units for b in unit.members if not b.hidden]
    run = [b for unit in units if unit.run for b in unit.members if not b.hidden and "compiled only" not in b.remarks]
    if args.list:
        for unit in units:
            for b in unit.members:
                print(f"{b.where}: in {unit.name}: " + ("hidden" if b.hidden else "run" if b in run else f"compiled only: {b.remarks.get('compiled only')}"))
        for b in left:
            print(f"{b.where}: not compiled: {b.remarks['not compiled']}")
        return 0
    with ThreadPoolExecutor(args.jobs) as pool:
        for unit, (text, seconds) in zip(units, pool.map(lambda unit: unit.check(args.compiler), units)):
            print(f"{seconds:5.1f} s  {unit.name}{'' if unit.run else ' (compiled only)'}{': FAILED' if text else ''}", flush=True)
            failures += [text] if text else []
    for text in failures:
        print(text)
    print(f"{len(members)} blocks in {len(units)} translation units by {args.compiler}, {len(run)} of them run, {len(left)} left out, {len(failures)} failures")
    return 1 if failures or not members else 0


if __name__ == "__main__":
    sys.exit(main())
