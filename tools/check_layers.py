#!/usr/bin/env python3
"""Checks that the headers keep the layers of docs/architecture.md: no upward include, no cycle, and what a header must have.

    tools/check_layers.py [--root REPOSITORY] [--graph]

Prints one `file:line: what is wrong; what to do` a violation and exits with 1, or one line of totals and exits with 0.
--graph prints which layer includes which, as found.
"""

import argparse
import re
import sys
from pathlib import Path

# Layer -> the layers that it may include beside itself. tests/static/check_layers_test.py checks that this is a DAG.
BELOW = {
    "core": [],
    "labels": ["core"],
    "tensor": ["core"],
    "kernels": ["tensor", "core"],
    "layers": ["kernels", "tensor", "core"],
    "model": ["layers", "kernels", "tensor", "core"],
    "heads": ["model", "layers", "kernels", "tensor", "labels", "core"],
    "objectives": ["heads", "model", "layers", "kernels", "tensor", "labels", "core"],
    "io": ["tensor", "core"],
    "training": ["objectives", "heads", "model", "layers", "kernels", "io", "tensor", "labels", "core"],
    "text": ["core"],
    "metrics": ["text", "labels", "core"],
    "data": ["text", "io", "tensor", "labels", "core"],
    "checkpoint": ["text", "heads", "model", "layers", "kernels", "io", "tensor", "labels", "core"],
    "pipeline": ["checkpoint", "data", "text", "objectives", "heads", "model", "layers", "kernels", "io", "tensor", "labels", "core"],
    "evaluation": ["pipeline", "checkpoint", "metrics", "data", "text", "training", "objectives", "heads", "model", "layers", "kernels", "io",
                   "tensor", "labels", "core"],
    "distributed": ["training", "objectives", "heads", "model", "layers", "kernels", "io", "tensor", "labels", "core"],
    "benchmark": ["model", "layers", "kernels", "tensor", "core"],
}
# Single headers that a layer may include though their layer is not below it.
ALSO = {"text": ["bert/tensor/token_batch.hpp", "bert/io/atomic_file.hpp"]}
# Foreign headers -> the one file that may include them, so that a change of theirs is a change of one file here.
ONLY_IN = {"xsimd/": "kernels/simd/f32.hpp", "nlohmann/": "io/json_events.hpp", "mpi.h": "distributed/mpi.hpp",
           "windows.h": "core/windows.hpp"}
# System headers beyond the C++ standard -> the layers that may know the platform.
SYSTEM = {
    r"(sys/\w+|fcntl|sched|unistd)\.h": ["core", "io"],
    r"\w*intrin\.h|cpuid\.h|arm_neon\.h": ["kernels", "text"],
    r"omp\.h": ["core"],
    r"benchmark/benchmark\.h": [],  # bert/benchmark.hpp, which is of no layer
}
# Headers whose names are the same for every instruction set: one type for a whole program, or nothing that becomes code.
APART = ["core/isa.hpp", "core/error.hpp", "core/ensure.hpp", "core/fixed_string.hpp", "model/dims.hpp"]
# What `bert/bert.hpp` leaves out: headers that need a library which most programs lack.
APART_FROM_ALL = {"bert.hpp", "benchmark.hpp", "benchmark/peaks.hpp", "benchmark/workloads.hpp", "distributed/mpi.hpp"}
LONGEST = 450  # lines; "about 400", and generated tables are exempt
NAMESPACE = re.compile(r"^namespace bert\b(?!::inline BERT_ISA\b)", re.M)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
GENERATED = re.compile(r"[Gg]enerated|[Ww]ritten by tools/|[Mm]ade by tools/")
COMMENT = re.compile(r"/\*.*?\*/", re.S)


def strip_block_comments(text):
    """Blanks out /* … */ without moving a line."""
    return COMMENT.sub(lambda m: "\n" * m.group().count("\n"), text)


class Checker:
    def __init__(self, root):
        self.include = root / "include"
        self.root = root
        self.errors = []
        self.warnings = []
        self.edges = {}  # file -> [(line, included file)]

    def error(self, path, line, text):
        self.errors.append(f"{path.relative_to(self.root)}:{line}: {text}")

    def run(self):
        headers = sorted((self.include / "bert").rglob("*.hpp"))
        for header in headers:
            self.header(header)
        self.cycles()
        self.umbrella(headers)
        for other in sorted(self.include.rglob("*")):
            if other.is_file() and other.suffix != ".hpp":
                self.error(other, 1, "not a .hpp file; only headers are installed")
        if not headers:
            self.errors.append(f"{self.include}/bert: no headers found; is --root right?")
        return headers

    def header(self, path):
        name = path.relative_to(self.include / "bert").as_posix()
        layer = name.split("/")[0] if "/" in name else None  # None: an umbrella header, which may include all
        if layer is not None and layer not in BELOW:
            self.error(path, 1, f"folder '{layer}' is no layer; add it to BELOW in tools/check_layers.py and to docs/architecture.md")
            return
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        self.banner(path, layer, lines)
        if len(lines) > LONGEST and not GENERATED.search("\n".join(lines[:5])):
            self.warnings.append(f"{path.relative_to(self.root)}:{len(lines)}: warning: {len(lines)} lines, expected about 400; split it")
        if layer is not None and name not in APART:
            self.instruction_set(path, text)
        for number, line in enumerate(strip_block_comments(text).splitlines(), 1):
            match = INCLUDE.match(line)
            if match:
                self.included(path, name, layer, number, *match.groups())

    def umbrella(self, headers):
        """bert/bert.hpp includes every other header."""
        everything = self.include / "bert" / "bert.hpp"
        if not everything.exists():
            return
        included = {target for _, target in self.edges.get(everything, [])}
        for header in headers:
            if header not in included and header.relative_to(self.include / "bert").as_posix() not in APART_FROM_ALL:
                self.error(everything, 1, f'lacks "{header.relative_to(self.include).as_posix()}"; add it')

    def instruction_set(self, path, text):
        match = NAMESPACE.search(text)
        if match:
            self.error(path, text.count("\n", 0, match.start()) + 1, "files of several instruction sets would share these names; "
                       "open `namespace bert::inline BERT_ISA`")
        elif "namespace bert::inline BERT_ISA" in text and '#include "bert/core/isa.hpp"' not in text:
            self.error(path, 1, 'BERT_ISA is no name without `#include "bert/core/isa.hpp"`; add it')

    def banner(self, path, layer, lines):
        head = lines[:6]
        if not head or not head[0].startswith("// "):
            self.error(path, 1, "no banner; begin with `// what it is` and `// Layer: … Test: …`")
            return
        second = head[1] if len(head) > 1 else ""
        match = re.match(r"// Layer: (\w+)\. Test: (\S+)", second)
        if not match:
            self.error(path, 2, f"expected `// Layer: {layer or 'all'}. Test: tests/…`, found `{second}`")
            return
        if layer is not None and match.group(1) != layer:
            self.error(path, 2, f"the banner says layer '{match.group(1)}', the folder says '{layer}'; correct the banner")
        test = match.group(2).rstrip(".,;")
        if not (self.root / test).exists():
            self.warnings.append(f"{path.relative_to(self.root)}:2: warning: no such test: {test}")
        if not any(line.startswith("#ifndef BERT_") for line in head):
            self.error(path, 3, "no guard below the banner; tools/single_header --guards adds it")

    def included(self, path, name, layer, line, bracket, what):
        for foreign, owner in ONLY_IN.items():
            if what.startswith(foreign):
                if name != owner:
                    self.error(path, line, f"includes <{what}>; only bert/{owner} may: include that")
                return
        if what.startswith("bert/"):
            if bracket == "<":
                self.error(path, line, f'<{what}>: write "{what}", as everywhere')
            target = self.include / what
            if not target.exists():
                self.error(path, line, f"no such header: {what}")
                return
            self.edges.setdefault(path, []).append((line, target))
            parts = what.split("/")
            other = parts[1] if len(parts) > 2 else None
            if layer is None or other == layer or what in ALSO.get(layer, []):
                return
            if other is None:
                self.error(path, line, f"layer '{layer}' includes the umbrella header {what}; include what is used")
            elif other not in BELOW[layer]:
                below = ", ".join(BELOW[layer] + ALSO.get(layer, [])) or "the standard library only"
                self.error(path, line, f"layer '{layer}' includes {what}, which is not below it; it may include: {below}")
            return
        if bracket == '"':
            self.error(path, line, f'"{what}": expected "bert/<layer>/<file>.hpp" from the include root')
            return
        if re.fullmatch(r"[a-z0-9_]+", what):  # the standard library
            return
        for pattern, layers in SYSTEM.items():
            if re.fullmatch(pattern, what):
                if layer is not None and layer not in layers:
                    self.error(path, line, f"layer '{layer}' includes <{what}>; only {', '.join(layers)} may know the platform")
                return
        self.error(path, line, f"includes <{what}>, which is no dependency of this library; see SYSTEM and ONLY_IN in tools/check_layers.py")

    def cycles(self):
        """Depth-first: an include of a header that is still being visited closes a cycle."""
        done, trail = set(), []

        def visit(path):
            trail.append(path)
            for line, target in self.edges.get(path, []):
                if target in trail:
                    loop = trail[trail.index(target):] + [target]
                    self.error(path, line, "closes a cycle: " + " -> ".join(p.relative_to(self.include).as_posix() for p in loop))
                elif target not in done:
                    visit(target)
            trail.pop()
            done.add(path)

        for path in sorted(self.edges):
            if path not in done:
                visit(path)

    def graph(self):
        found = {}
        for path, targets in self.edges.items():
            layer = path.relative_to(self.include / "bert").parts[0]
            for _, target in targets:
                found.setdefault(layer, set()).add(target.relative_to(self.include / "bert").parts[0])
        for layer in BELOW:
            if layer in found:
                print(f"{layer:11} -> {' '.join(other for other in BELOW if other in found[layer] - {layer}) or '-'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--graph", action="store_true")
    args = parser.parse_args()
    checker = Checker(args.root.resolve())
    headers = checker.run()
    if args.graph:
        checker.graph()
    for text in checker.warnings + checker.errors:
        print(text)
    if checker.errors:
        print(f"{len(checker.errors)} violations in {len(headers)} headers")
        return 1
    print(f"{len(headers)} headers keep the layers, {len(checker.warnings)} warnings")
    return 0


if __name__ == "__main__":
    sys.exit(main())
