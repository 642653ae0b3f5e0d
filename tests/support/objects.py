"""What nm and objdump say of object files, for the tests of instruction sets that stand in one program."""

import argparse
import re
import subprocess


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def arguments(description, *names):
    """The command line: --nm, --objdump, and a file for each of `names`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--objdump", default="objdump")
    for name in names:
        parser.add_argument(name)
    return parser.parse_args()


def registers(objdump, path):
    """The kinds of vector registers that the code uses, of "xmm", "ymm", "zmm"."""
    return set(re.findall(r"%([xyz]mm)\d", output(objdump, "-d", "--no-show-raw-insn", path)))


def report(mistakes, summary):
    """Prints them; the exit status."""
    for text in mistakes:
        print(text)
    print(summary)
    return 1 if mistakes else 0
