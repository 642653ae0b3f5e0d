"""The repository's pages, their fenced blocks, and the HTML comments about blocks."""

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^(```+)(\w*)\s*$")
# <!-- compiled only: why -->   <!-- not compiled: why -->   <!-- continues -->, right above a block
REMARK = re.compile(r"^<!--\s*(compiled only|not compiled|continues)(?::\s*(.*?))?\s*-->\s*$")
HIDDEN = re.compile(r"^<!--\s*(cpp|cmake)\s*$")


@dataclass
class Block:
    page: str
    line: int  # of its first line of code
    language: str
    code: str
    remarks: dict = field(default_factory=dict)
    hidden: bool = False

    @property
    def where(self):
        return f"{self.page}:{self.line}"


class PageError(Exception):
    pass


def pages(root=ROOT):
    """README, CONTRIBUTING, SECURITY and docs/; not CHANGELOG, which has removed names."""
    return [p for p in (root / "README.md", root / "CONTRIBUTING.md", root / "SECURITY.md", *sorted((root / "docs").glob("*.md"))) if p.exists()]


def blocks(path, root=ROOT):
    """The blocks of a page in order, hidden ones (`<!-- cpp` … `-->`) included."""
    page = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    found, remarks, end, begin, language, hidden = [], {}, None, 0, "", False
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        if end is not None:
            if line.strip() == end:
                found.append(Block(page, begin + 1, language, "\n".join(lines[begin : number - 1]) + "\n", {} if hidden else remarks, hidden))
                if not hidden:
                    remarks = {}
                end = None
            continue
        if fence := FENCE.match(line):
            end, begin, language, hidden = fence[1], number, fence[2], False
        elif secret := HIDDEN.match(line):
            end, begin, language, hidden = "-->", number, secret[1], True
        elif remark := REMARK.match(line):
            if remark[1] != "continues" and not remark[2]:
                raise PageError(f"{page}:{number}: `{line.strip()}` gives no reason; write <!-- {remark[1]}: why -->")
            remarks[remark[1]] = remark[2] or ""
        elif line.strip() and remarks:
            raise PageError(f"{page}:{number}: expected a block below the comment, found `{line.strip()[:60]}`")
    if end is not None:
        raise PageError(f"{page}:{begin}: a block that does not end")
    if remarks:
        raise PageError(f"{page}:{len(lines)}: a comment about a block at the end of the page")
    return found


def prose(path):
    """(line, text) outside of blocks and comments."""
    end = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if end is not None:
            if line.strip() == end:
                end = None
        elif fence := FENCE.match(line):
            end = fence[1]
        elif HIDDEN.match(line):
            end = "-->"
        else:
            yield number, line


def tracked(root=ROOT):
    """The repository's files: git's, or all of an exported tree."""
    listed = subprocess.run(["git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard"], capture_output=True, text=True)
    if listed.returncode == 0:
        return [name for name in listed.stdout.splitlines() if (root / name).exists()]
    return [p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file() and "build" not in p.relative_to(root).parts[:1]]
