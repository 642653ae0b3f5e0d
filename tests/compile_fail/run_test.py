#!/usr/bin/env python3
"""run.py must fail a case that compiles with its mistake, one that fails without it, and one with another message."""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import run

RULE = "// Message: a rule; do this\n"
CASES = {
    "as it should": (RULE + '#ifdef BERT_MISTAKE\nstatic_assert(false, "a rule; do this");\n#endif\nint main() {}\n', None),
    "compiles with its mistake": (RULE + "int main() {}\n", "compiles with its mistake"),
    "broken without it": (RULE + "int main() { return nothing; }\n", "does not compile without its mistake"),
    "another message": (RULE + "#ifdef BERT_MISTAKE\n#error another\n#endif\nint main() {}\n", "expected /a rule; do this/"),
    "no message stated": ("int main() {}\n", "states no"),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compiler", action="append", required=True)
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for compiler in parser.parse_args().compiler:
            for name, (text, expected) in CASES.items():
                case = Path(folder) / "case.cpp"
                case.write_text(text)
                wrong = run.check(compiler, case)
                if (expected is None and wrong) or (expected is not None and not any(expected in w for w in wrong)):
                    print(f"{compiler}: '{name}': expected {expected}, found {wrong}")
                    failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
