#!/usr/bin/env python3
"""Checks README.md and docs/ apart from C++: commands and their options, CMake blocks, paths, names, links.

    tests/docs/check_pages.py [--programs build/dev/examples] [--no-cmake] [page.md …]

- ```sh blocks, and inline code that begins with a program: the program is one of examples/, bench/, tools/ or a known one, and it has each
  option. Of an example, the options are those that `--help` lists with --programs, else those in its source.
- ```cmake blocks configure, after the lines of `<!-- cmake` … `-->`, in a folder where `bert` and `cmake` are this repository's.
- A path in inline code exists; a name of bert in inline code is in a header; a link has its file and heading.
- README.zh-CN.md has the blocks of README.md.
- ```text blocks are output and drawings and are not checked; ```cpp is for compile_blocks.py. Other kinds are errors.
"""

import argparse
import json
import re
import shlex
import subprocess
import sys
import tempfile
from functools import cache
from itertools import zip_longest
from pathlib import Path

from pages import ROOT, PageError, blocks, pages, prose, tracked

KNOWN = {"git", "cd", "mkdir", "sudo", "apt-get", "ctest", "xargs", "cat", "diff", "sbatch"}
LAUNCHERS = {"mpirun", "srun"}  # of a program of examples/, behind options of their own
COMPILERS = {"g++", "clang++"}
CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
FILES = (".hpp", ".cpp", ".py", ".cmake", ".md")
BELOW = ("include", "include/bert", "tests", "examples", "bench", "precompiled", "tools", "docs")


class Checker:
    def __init__(self, root=ROOT, programs=None):
        self.root, self.programs, self.errors, self.counts = root, programs, [], {}
        self.files = set(tracked(root))
        self.folders = {f.rsplit("/", n)[0] for f in self.files for n in range(1, f.count("/") + 1)}

    def error(self, where, text):
        self.errors.append(f"{where}: {text}")

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def translation(self, original, translated):
        """A translated page has the blocks of the original, which are tested there; its links, paths and names are checked."""
        shown = lambda path: [(block.language, block.code) for block in blocks(path, self.root) if not block.hidden]
        for number, (ours, theirs) in enumerate(zip_longest(shown(original), shown(translated)), 1):
            if ours != theirs:
                self.error(translated.name, f"block {number} is not that of {original.name}; copy it from there")
        self.page(translated, cmake=False)

    def page(self, path, cmake=True):
        name = path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.name
        try:
            listed = blocks(path, self.root)
        except PageError as error:
            self.errors.append(str(error))
            return
        above = ""
        for block in listed:
            if block.language in ("sh", "bash"):
                self.commands(block)
            elif block.language == "cmake" and block.hidden:
                above = block.code
            elif block.language == "cmake":
                if cmake:
                    self.cmake(block, above)
                above = ""
            elif block.language not in ("cpp", "text"):
                self.error(block.where, f"a block of kind '{block.language}'; write ```cpp, ```sh, ```cmake, or ```text for output and drawings")
        for line, text in prose(path):
            for span in CODE.findall(text):
                self.span(f"{name}:{line}", span)
            for target in LINK.findall(text):
                self.link(f"{name}:{line}", path, target)

    # Commands.
    def commands(self, block):
        text = re.sub(r"\\\n", " ", block.code)
        for line in text.splitlines():
            for part in re.split(r"&&|\|\||[|;]", line):
                try:
                    words = shlex.split(part, comments=True)
                except ValueError as error:
                    self.error(block.where, f"`{part.strip()}`: {error}")
                    continue
                while words and (words[0] == "$" or re.fullmatch(r"[A-Z_]+=.*", words[0])):
                    words.pop(0)
                if words:
                    self.command(block.where, words)

    def command(self, where, words):
        self.count("commands")
        program = words[0]
        name = program.rsplit("/", 1)[-1]
        options = [m for w in words[1:] for m in OPTION.findall(w)]
        if program == "cmake":
            self.presets(where, words)
        elif program in COMPILERS:
            for word in words[1:]:
                if word.endswith(FILES) and word not in self.files:
                    self.error(where, f"`{program}` compiles {word}, which does not exist")
        elif program in LAUNCHERS:
            started = [i for i, w in enumerate(words) if f"examples/{w.rsplit('/', 1)[-1]}.cpp" in self.files]
            if started:
                self.command(where, words[started[0]:])
            else:
                self.error(where, f"`{program}` starts no program of examples/")
        elif program in KNOWN:
            pass
        elif program.startswith("python3"):
            self.command(where, words[1:])
        elif program in self.files:
            self.has(where, program, options, (self.root / program).read_text(encoding="utf-8", errors="replace"))
        elif f"examples/{name}.cpp" in self.files:
            self.has(where, name, options, self.help(name))
        elif f"bench/{name}.cpp" in self.files:
            own = [o for o in options if not o.startswith("--benchmark_")]
            self.has(where, name, own, (self.root / f"bench/{name}.cpp").read_text(encoding="utf-8"))
        else:
            self.error(where, f"no such program: {program}; expected one of examples/, bench/, tools/ or {', '.join(sorted(KNOWN))}")

    def has(self, where, program, options, text):
        for option in options:
            self.count("options")
            if option not in ("--help",) and not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text):
                self.error(where, f"`{program}` has no option {option}")

    @cache
    def help(self, name):
        if self.programs is None:
            return (self.root / f"examples/{name}.cpp").read_text(encoding="utf-8") + self.text_of("examples", ".hpp")
        run = subprocess.run([self.programs / name, "--help"], capture_output=True, text=True, timeout=60)
        if run.returncode:  # a program without options: its usage is an error message
            return run.stderr
        return run.stdout

    def presets(self, where, words):
        listed = {p["name"] for p in json.loads((self.root / "CMakePresets.json").read_text())["configurePresets"]}
        for option, value in zip(words, words[1:]):
            if option == "--preset" and value not in listed:
                self.error(where, f"no such preset: {value}")
            if option == "--build" and value.startswith("build/") and value.split("/")[1] not in listed:
                self.error(where, f"{value}: no preset builds there")
        text = (self.root / "CMakeLists.txt").read_text()
        for variable in (m[1] for w in words if (m := re.match(r"-D(BERT_\w+)", w))):
            if variable not in text:
                self.error(where, f"CMake has no option {variable}")

    # CMake.
    def cmake(self, block, above):
        self.count("CMake blocks")
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "source")
            source.mkdir()
            (source / "bert").symlink_to(self.root)
            (source / "cmake").symlink_to(self.root / "cmake")
            (source / "main.cpp").write_text("int main() {}\n")
            (source / "block.cmake").write_text("\n" * (block.line - 1) + block.code)
            (source / "CMakeLists.txt").write_text(f"cmake_minimum_required(VERSION 3.21)\nproject(page LANGUAGES CXX)\n{above}include(block.cmake)\n")
            run = subprocess.run(["cmake", "-S", source, "-B", Path(folder, "build")], capture_output=True, text=True)
            if run.returncode:
                self.error(block.where, f"does not configure\n{run.stderr}")

    # Words in prose.
    def span(self, where, span):
        first = span.split()[0]
        name = first.rsplit("/", 1)[-1]
        if "--" in span and not first.startswith("-") and (first in self.files or f"examples/{name}.cpp" in self.files):
            self.command(where, re.sub(r"[\[\]…]", " ", span).split())
        elif re.fullmatch(r"--[a-z][\w-]*", first):
            self.count("options")
            if not re.search(rf"{re.escape(first)}(?![\w-])", self.every_option()):
                self.error(where, f"nothing in examples/, bench/, tools/ or tests/ has an option {first}")
        elif re.fullmatch(r"\.?[\w.+-]+(/[\w.*+-]+)+/?", first):
            self.path(where, first.rstrip("/"))
        elif match := re.match(r"bert::([\w:]+)", first):
            self.count("names")
            words = self.words()
            for part in match[1].split("::"):
                if part and part not in words:
                    self.error(where, f"`{first}`: no header has the word {part}")
        elif re.fullmatch(r"BERT_\w+", first):
            self.count("names")
            if first not in self.words() and first not in self.text_of("", "CMakeLists.txt") and first not in self.every_option():
                self.error(where, f"`{first}` is in no header and no CMakeLists.txt")

    def path(self, where, path):
        top = path.split("/")[0]
        if "*" in path:
            found = any(Path(self.root, b).glob(path) for b in ("", *BELOW)) if top in self.folders else True
        else:
            if not (path.endswith(FILES) or top in self.folders or top == ".ci") or top == "build":
                return
            found = any((f"{b}/{path}" if b else path) in known for b in ("", *BELOW) for known in (self.files, self.folders))
            found = found or any(f.endswith("/" + path) for f in self.files) or f"{path}.cpp" in self.files
        self.count("paths")
        if not found:
            self.error(where, f"no such file: {path}")

    def link(self, where, page, target):
        if re.match(r"[a-z]+:", target):
            return
        self.count("links")
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            self.error(where, f"a link to {target}, which does not exist")
        elif heading and file.suffix == ".md":
            slugs = {re.sub(r"[^\w\- ]", "", m[1].lower()).replace(" ", "-") for m in re.finditer(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.M)}
            if heading not in slugs:
                self.error(where, f"{target}: no such heading")

    @cache
    def text_of(self, folder, suffix):
        return "\n".join((self.root / f).read_text(encoding="utf-8", errors="replace") for f in sorted(self.files)
                         if f.startswith(f"{folder}/" if folder else "") and f.endswith(suffix))

    @cache
    def words(self):
        return set(re.findall(r"\w+", self.text_of("include", ".hpp") + self.text_of("precompiled", ".hpp")))

    @cache
    def every_option(self):
        return "\n".join((self.root / f).read_text(encoding="utf-8", errors="replace") for f in sorted(self.files)
                         if f.startswith(("examples/", "bench/", "tools/", "tests/")) and not f.startswith(("tests/golden", "tests/docs")))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, help="the folder of the built examples")
    parser.add_argument("--no-cmake", action="store_true", help="configure no CMake block")
    parser.add_argument("pages", nargs="*", type=Path)
    args = parser.parse_args()
    checker = Checker(programs=args.programs.resolve() if args.programs else None)
    for path in args.pages or pages():
        checker.page(path.resolve(), cmake=not args.no_cmake)
    if not args.pages:
        checker.translation(ROOT / "README.md", ROOT / "README.zh-CN.md")
    for text in checker.errors:
        print(text)
    print(", ".join(f"{n} {what}" for what, n in sorted(checker.counts.items())) + f": {len(checker.errors)} failures")
    return 1 if checker.errors or not checker.counts else 0


if __name__ == "__main__":
    sys.exit(main())
