"""A C++ header as tokens, the mutations that it admits, and its text with some of them. Used by tools/mutate.

It knows no types. It relies on clang-format's spaces: a binary operator has one on either side, a template's bracket has none.
What it takes wrongly for an expression does not compile, and tools/mutate drops it.
"""

import hashlib
import re


TOKEN = re.compile(r"""
    (?P<skip>//[^\n]*|/\*.*?\*/|^[ \t]*\#(?:\\\n|[^\n])*)
  | (?P<string>(?:u8|[uUL])?R"(?P<raw>[^(\s]*)\(.*?\)(?P=raw)"|(?:u8|[uUL])?"(?:\\.|[^"\\\n])*"|(?:u8|[uUL])?'(?:\\.|[^'\\\n])+')
  | (?P<number>\.?\d(?:'?[\w.]|(?<=[eEpP])[+-])*)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<op>->\*|\.\.\.|<=>|<<=|>>=|::|->|\+\+|--|&&|\|\||[-+*/%&|^<>=!]=|<<|[-+*/%&|^<>=!~?:;,.(){}\[\]])
""", re.X | re.S | re.M)
COMPARISONS = {"<": ["most_equal", "least_equal"], "<=": ["less", "greater"], ">": ["least_equal", "most_equal"],
               ">=": ["greater", "less"], "==": ["unequal"], "!=": ["equal"]}
ARITHMETIC = {"+": ["minus", "first", "second"], "-": ["plus", "first"], "*": ["over", "first", "second"], "/": ["times", "first"],
              "%": ["first"], "&": ["either", "first"], "|": ["both", "first", "second"], "^": ["both", "first"], "<<": ["down", "first"],
              ">>": ["up", "first"]}
SHOWN = {"most_equal": "<=", "least_equal": ">=", "less": "<", "greater": ">", "unequal": "!=", "equal": "==", "minus": "-", "plus": "+",
         "times": "*", "over": "/", "either": "|", "both": "&", "down": ">>", "up": "<<", "first": "left term alone",
         "second": "right term alone"}
ASSIGN = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="}
CLOSE = {"(": ")", "[": "]", "{": "}", "<": ">"}
NOT_A_STATEMENT = set("""const auto static constexpr using typedef template struct class enum union friend if for while do switch case default
    goto try catch else namespace public private protected inline explicit virtual operator new delete throw return break continue
    extern mutable typename requires concept unsigned int float double bool char void static_assert thread_local""".split())

KEYWORDS = NOT_A_STATEMENT | {"true", "false", "this", "nullptr", "sizeof", "static_cast", "noexcept"}


class Token:
    __slots__ = ("kind", "text", "begin", "end", "line", "before", "after", "match", "angle")


class Header:
    """A header's tokens and the mutations that they admit."""

    def __init__(self, path, name):
        self.text = path.read_text(encoding="utf-8")
        self.name = name
        self.tokens = []
        self.sites = []  # (kind, first token, last token, prefix or replacement, suffix, description)
        self.read()
        self.pair()
        self.quiet = self.regions()
        self.find()
        self.lines, self.keys, seen = self.text.splitlines(), {}, {}
        for site in self.sites:
            form = self.form(site)
            seen[form] = seen.get(form, 0) + 1
            digest = hashlib.sha256(f"{form} {seen[form]}".encode()).hexdigest()[:8]
            self.keys[id(site)] = f"{self.name} {digest}"

    def read(self):
        line, last = 1, 0
        for m in TOKEN.finditer(self.text):
            if m.lastgroup == "skip" or m.group("skip") is not None:
                continue
            t = Token()
            t.kind = next(k for k in ("string", "number", "name", "op") if m.group(k) is not None)
            t.text, t.begin, t.end = m.group(), m.start(), m.end()
            line += self.text.count("\n", last, t.begin)
            last = t.begin
            t.line, t.match, t.angle = line, None, False
            t.before = t.begin == 0 or self.text[t.begin - 1].isspace()
            t.after = t.end < len(self.text) and self.text[t.end].isspace()
            self.tokens.append(t)
        # `>>` without a space before it closes two argument lists
        out = []
        for t in self.tokens:
            if t.text == ">>" and not t.before:
                for k in (0, 1):
                    u = Token()
                    u.kind, u.text, u.begin, u.end, u.line = "op", ">", t.begin + k, t.begin + k + 1, t.line
                    u.before, u.after, u.match, u.angle = False, t.after and k == 1, None, False
                    out.append(u)
            else:
                out.append(t)
        self.tokens = out

    def pair(self):
        stack = []
        for i, t in enumerate(self.tokens):
            if t.kind != "op":
                continue
            if t.text in "([{":
                stack.append(i)
            elif t.text == "<" and i and (self.at(i - 1) == "template" or (not t.before and self.at(i - 1) != "operator")):
                t.angle = True
                stack.append(i)
            elif t.text == ">" and not t.before and stack and self.tokens[stack[-1]].angle:
                t.angle = True
                t.match = stack.pop()
                self.tokens[t.match].match = i
            elif t.text in ")]}":
                while stack and CLOSE[self.at(stack[-1])] != t.text:
                    self.tokens[stack.pop()].angle = False
                if stack:
                    t.match = stack.pop()
                    self.tokens[t.match].match = i

    def at(self, i):
        return self.tokens[i].text if 0 <= i < len(self.tokens) else ""

    def regions(self):
        """Tokens that are no run-time expression."""
        quiet, self.constant = [False] * len(self.tokens), set()

        def mark(a, b):
            for k in range(a, min(b + 1, len(quiet))):
                quiet[k] = True

        i = 0
        while i < len(self.tokens):
            t, nxt = self.tokens[i], self.tokens[i + 1] if i + 1 < len(self.tokens) else None
            if t.angle and t.text == "<" and t.match:
                mark(i, t.match)
            elif t.text in ("static_assert", "noexcept", "decltype", "sizeof", "alignas", "alignof") and nxt and nxt.text == "(" and nxt.match:
                mark(i, nxt.match)
            elif t.text == "if" and nxt and nxt.text == "constexpr" and self.tokens[i + 2].match:
                mark(i, self.tokens[i + 2].match)
            elif t.text == "requires" and nxt and nxt.text in ("(", "{"):  # its body, too
                body = self.until(i, {"{", ";"})
                mark(i, self.tokens[body].match or body if self.at(body) == "{" else body)
            elif t.text in ("using", "typedef", "concept", "case"):
                mark(i, self.until(i, {";", "{", ":"} if t.text == "case" else {";", "{"}))
            elif t.text == "requires":
                mark(i, self.until(i, {";", "{", "class", "void", "auto", "explicit", "static", "inline", "struct"}))
            elif t.text == "enum":
                mark(i, self.until(i, {";"}))
            elif t.text == "operator":
                mark(i, i + 2)
            elif t.text == "[" and nxt and nxt.text == "[" and t.match:
                mark(i, t.match)
            elif t.text == "[" and t.match and self.tokens[i - 1].kind == "name" and self.at(i - 2) not in ("return", "else") and \
                    (self.tokens[i - 2].kind == "name" or self.tokens[i - 2].angle or self.at(i - 2) in ("*", "&")) and self.tokens[i - 2].after \
                    and not self.tokens[i - 2].text in ("*", "&") * self.tokens[i - 2].before:
                self.constant.update(range(i, t.match + 1))  # the size of an array
                if self.at(t.match + 1) == "," and self.at(t.match + 3) == "[":  # and that of the next one
                    self.constant.update(range(t.match + 3, (self.tokens[t.match + 3].match or t.match + 2) + 1))
            elif t.text == "constexpr" and self.at(i - 1) != "if":
                k = i
                while k < len(self.tokens) and self.at(k) not in ("=", "{", "(", ";"):
                    k = max(k, self.tokens[k].match or 0) + 1 if self.tokens[k].angle else k + 1
                if self.at(k) in ("=", "{") and not (self.at(k) == "{" and self.at(k - 1) in (")", "const", "noexcept")):
                    mark(i, self.until(i, {";"}))
            i += 1
        return quiet

    def until(self, i, stops):
        """The first token from i on, outside inner brackets, that is one of `stops`."""
        while i < len(self.tokens):
            if self.at(i) in stops:
                return i
            if self.tokens[i].match and self.tokens[i].match > i:
                i = self.tokens[i].match
            elif self.at(i) in (")", "]", "}"):
                return i
            i += 1
        return i

    def term_end(self, i, stops):
        """The last token of the operand that begins at i."""
        end = self.until(i, stops | {";", ",", "?", ":"})
        return end - 1

    def term_begin(self, i, stops):
        """The first token of the operand that ends at i."""
        while i >= 0:
            t = self.tokens[i]
            if t.text in (")", "]", "}") or (t.text == ">" and t.angle):
                if t.match is None or (t.text == "}" and self.tokens[t.match].before):
                    return i + 1
                i = t.match
            elif t.text in stops | {"(", "[", "{", ";", ",", "?", ":", "return", "else", "<<"} | ASSIGN:
                return i + 1
            i -= 1
        return 0

    def add(self, kind, a, b, prefix, suffix, what):
        if a <= b and not any(self.quiet[k] for k in (a, b)):
            self.sites.append((kind, a, b, prefix, suffix, what))

    def words(self, a, b):
        text = " ".join(self.text[self.tokens[a].begin:self.tokens[b].end].split())
        return text if len(text) <= 60 else text[:57] + "…"

    def find(self):
        for i, t in enumerate(self.tokens):
            if self.quiet[i]:
                continue
            if t.kind == "op":
                self.operator(i, t)
            elif t.kind == "number":
                self.literal(i, t)
            elif t.kind == "name":
                self.name_token(i, t)
            self.statement(i)

    def operator(self, i, t):
        prev, nxt = self.at(i - 1), self.at(i + 1)
        binary = t.before and t.after and not t.angle and nxt not in ("{", ";", "noexcept", "=", "...") and \
            prev not in ("return", "(", ",", "=", "operator", "...", "&&", "||")
        if binary and t.text in COMPARISONS:
            for change in COMPARISONS[t.text]:
                self.add("infix", i, i, t.text, change, f"`{t.text}` becomes `{SHOWN[change]}`")
        elif binary and t.text in ARITHMETIC:
            for change in ARITHMETIC[t.text]:
                self.add("infix", i, i, t.text, change, f"`{t.text}` becomes {SHOWN[change]}")
        elif binary and t.text in ("&&", "||"):
            pre = "(bert_mutants::on(%d) || (" if t.text == "&&" else "(!bert_mutants::on(%d) && ("
            stops = {"&&", "||"} if t.text == "&&" else {"||"}
            end = self.term_end(i + 1, stops)
            self.add("wrap", i + 1, end, pre, "))", f"drops the term `{self.words(i + 1, end)}`")
            begin = self.term_begin(i - 1, stops)
            if self.at(begin - 1) != t.text:
                self.add("wrap", begin, i - 1, pre, "))", f"drops the term `{self.words(begin, i - 1)}`")
        elif t.text == "?" and t.before:
            begin = self.term_begin(i - 1, set())
            self.add("wrap", begin, i - 1, "(bert_mutants::on(%d) != static_cast<bool>(", "))", f"negates `{self.words(begin, i - 1)}` before ?")
        elif t.text == "!" and not t.after:
            self.add("replace", i, i, "bert_mutants::flip<%d>{}->*", "", "drops `!`")
        elif t.text == "-" and not t.after and (prev in ("(", ",", "=", "return", "?", ":", "{") or prev in ARITHMETIC or prev in COMPARISONS):
            if self.tokens[i + 1].kind != "number":
                self.add("replace", i, i, "bert_mutants::sign<%d>{}->*", "", "drops the sign")
        elif t.text in ("+=", "-="):
            end = self.until(i + 1, {";", ","}) - 1  # a choice by ? and : is all of it the term
            self.add("wrap", i + 1, end, "bert_mutants::negated<%d>(", ")", f"`{t.text}` becomes `{'-=' if t.text == '+=' else '+='}`")
        elif t.text == "[" and not t.before and t.match and (self.tokens[i - 1].kind == "name" or prev in (")", "]")) and \
                prev not in ("auto", "return", "delete"):
            if t.match > i + 2 or self.tokens[i + 1].kind == "name":
                self.add("wrap", i + 1, t.match - 1, "bert_mutants::zero<%d>(", ")", f"index `{self.words(i + 1, t.match - 1)}` becomes 0")
        elif t.text == "(" and t.match and not t.before:
            self.arguments(i, t)
        elif t.text == "{" and t.match:
            self.body(i, t)

    def arguments(self, i, t):
        """Swaps two neighbors that are plain names or members."""
        parts, begin, k = [], i + 1, i + 1
        while k <= t.match:
            if k == t.match or self.at(k) == ",":
                parts.append((begin, k - 1))
                begin = k + 1
            elif self.tokens[k].match and self.tokens[k].match > k:
                k = self.tokens[k].match
            k += 1
        plain = [a <= b and all(x.kind == "name" or x.text in (".", "->", "::") for x in self.tokens[a:b + 1]) and
                 self.tokens[a].kind == "name" and self.at(a) not in ("true", "false", "nullptr", "const", "auto") and
                 all(self.tokens[m].kind != "name" or self.tokens[m + 1].kind != "name" for m in range(a, b)) for a, b in parts]
        for (a, b), (c, d), p, q in zip(parts, parts[1:], plain, plain[1:]):
            if p and q:
                x, y = self.words(a, b), self.words(c, d)
                if not self.quiet[a]:
                    self.sites.append(("swap", a, d, (b, c, x, y), "", f"swaps the arguments `{x}` and `{y}`"))

    def body(self, i, t):
        """Returns at once from a function without a result."""
        k = i - 1
        while self.at(k) in ("const", "noexcept", "mutable", "override"):
            k -= 1
        if self.at(k) != ")" or self.tokens[k].match is None:
            return
        head = self.at(self.tokens[k].match - 1)
        if head in ("if", "for", "while", "switch", "catch", "constexpr", ""):
            return
        is_lambda = head == "]"
        inner = range(i + 1, t.match)
        if any(self.at(m) == "return" and self.at(m + 1) != ";" for m in inner) or t.match == i + 1:
            return
        before = self.at(self.tokens[k].match - 2)
        if is_lambda or before == "void":
            name = "the lambda" if is_lambda else f"{head}()"
            self.sites.append(("after", i, i, " if (bert_mutants::on(%d)) return;", "", f"{name} returns at once"))

    def literal(self, i, t):
        if self.at(i - 1) in ("<", "[") and self.tokens[i - 1].match and self.at(i + 1) in (">", "]"):
            return
        text = t.text
        if re.fullmatch(r"0[xX][\da-fA-F']+[uUlLzZ]*", text):
            m = re.match(r"(0[xX][\da-fA-F']+)(.*)", text)
            new = hex(int(m.group(1).replace("'", ""), 16) + 1) + m.group(2)
        elif re.fullmatch(r"[\d']+[uUlLzZ]*", text):
            m = re.match(r"([\d']+)(.*)", text)
            new = str(int(m.group(1).replace("'", "")) + 1) + m.group(2)
        else:
            m = re.fullmatch(r"([\d.']+(?:[eE][+-]?\d+)?)([fF]?)", text)
            if not m:
                return
            new = "1.0" + m.group(2) if float(m.group(1).replace("'", "")) == 0 else f"(2 * {text})"
        self.add("replace", i, i, "(bert_mutants::on(%d) ? " + new + " : " + text + ")", "", f"`{text}` becomes {new}")

    def name_token(self, i, t):
        if t.text in ("true", "false"):
            new = "false" if t.text == "true" else "true"
            self.add("replace", i, i, f"(bert_mutants::on(%d) ? {new} : {t.text})", "", f"`{t.text}` becomes {new}")
        elif t.text == "return" and self.at(i + 1) not in (";", "{"):
            end = self.until(i + 1, {";"}) - 1
            if end > i + 1 and self.at(end + 1) == ";" and not (end == i + 2 and self.at(i + 1) == "*"):
                self.add("wrap", i + 1, end, "bert_mutants::returned<%d>(", ")", f"returns something else than `{self.words(i + 1, end)}`")
        elif t.text in ("if", "while", "for") and self.at(i + 1) == "(" and self.tokens[i + 1].match:
            begin, end = i + 2, self.tokens[i + 1].match - 1
            semicolon = self.until(begin, {";"})
            if t.text == "for":
                if semicolon > end:
                    return  # over a range
                begin, end = semicolon + 1, self.until(semicolon + 1, {";"}) - 1
            elif semicolon <= end:
                begin = semicolon + 1
            if begin > end or self.until(begin, {"="}) <= end:
                return
            what = self.words(begin, end)
            if t.text == "if":
                self.add("wrap", begin, end, "(bert_mutants::on(%d) != static_cast<bool>(", "))", f"negates `{what}`")
            else:
                self.add("wrap", begin, end, "(!bert_mutants::on(%d) && (", "))", f"never enters the loop while `{what}`")

    def statement(self, i):
        """Drops a statement that declares nothing."""
        prev = self.at(i - 1)
        if prev == ")":
            head = self.at((self.tokens[i - 1].match or 1) - 1)
            if head not in ("if", "for", "while", "constexpr"):
                return
        elif prev not in (";", "{", "}", "else") or (prev == "{" and not self.tokens[i - 1].before):
            return
        t, k = self.tokens[i], i
        if t.text in ("continue", "break", "throw") or (t.text == "return" and self.at(i + 1) == ";"):
            k = self.until(i, {";"})
        else:
            while self.at(k) in ("++", "--", "*", "::"):
                k += 1
            if self.tokens[k].kind != "name" or self.at(k) in NOT_A_STATEMENT:
                return
            called = self.at(i) in ("++", "--")
            k += 1
            while k < len(self.tokens):
                u = self.tokens[k]
                if u.text in ("(", "[") and u.match or (u.angle and u.text == "<" and u.match):
                    called = u.text == "("
                    k = u.match + 1
                elif u.text in (".", "->", "::") and self.tokens[k + 1].kind == "name":
                    called = called and False
                    k += 2
                else:
                    break
            if self.at(i) in ("++", "--"):
                called = True
            if self.at(k) in ASSIGN or self.at(k) in ("++", "--"):
                k = self.until(k, {";"})
            elif not (self.at(k) == ";" and called):
                return
        if self.at(k) == ";":
            self.add("wrap", i, k, "{ if (!bert_mutants::on(%d)) { ", " } }", f"drops `{self.words(i, k)}`")

    def line(self, site):
        """The line of code; a single token that changes stands in ‹›."""
        first, last = self.tokens[site[1]], self.tokens[site[2]]
        begin = self.text.rfind("\n", 0, first.begin) + 1
        line = self.lines[first.line - 1]
        if first is last:
            line = f"{line[:first.begin - begin]}‹{first.text}›{line[first.end - begin:]}"
        return line.strip()

    def form(self, site):
        """The change and the statement around it, where a name that is no keyword is an underscore."""
        kind, a, b, prefix, suffix, _ = site
        begin = next((k for k in range(a - 1, -1, -1) if self.at(k) in (";", "{", "}")), -1) + 1
        end = next((k for k in range(b, len(self.tokens)) if self.at(k) in (";", "{", "}")), len(self.tokens))
        shape = [t.text if t.kind != "name" or t.text in KEYWORDS else "_" for t in self.tokens[begin:end]]
        change = "" if kind == "swap" else prefix + suffix
        return " ".join([self.name.rsplit("/", 1)[-1], kind, change, str(a - begin), str(b - begin), *shape])

    def key(self, site):
        """`file digest`: the same wherever the statement stands, whatever its names and its comments are."""
        return self.keys[id(site)]

    def rewritten(self, chosen):
        """The text with the mutations of `chosen`, pairs of number and site. No line moves."""
        opens, closes, replaced, infix, after = {}, {}, {}, {}, {}
        for number, (kind, a, b, prefix, suffix, _) in chosen:
            if kind == "wrap":
                opens.setdefault(self.tokens[a].begin, []).append((-b, prefix % number))
                closes.setdefault(self.tokens[b].end, []).append((-a, suffix))
            elif kind == "infix":
                infix.setdefault(a, []).append(f"bert_mutants::at<{number}, bert_mutants::{suffix}>")
            elif kind == "after":
                after[self.tokens[a].end] = prefix % number
            elif kind == "swap":
                first_end, second, x, y = prefix
                for p, q, mine, others in ((a, first_end, x, y), (second, b, y, x)):
                    opens.setdefault(self.tokens[p].begin, []).append((-q, f"bert_mutants::other<{number}>("))
                    closes.setdefault(self.tokens[q].end, []).append((-p, f", {others})"))
            else:
                # a second change of one token finds the first one's text inside its own
                old = replaced.get(a, self.tokens[a].text)
                replaced[a] = (prefix % number) if old == self.tokens[a].text else old
        out, last = [], 0
        for i, t in enumerate(self.tokens):
            out.append(self.text[last:t.begin])
            out.extend(text for _, text in sorted(opens.get(t.begin, []), key=lambda e: e[0]))
            out.append(replaced.get(i, t.text))
            if i in infix:
                out.append(f" bert_mutants::infix<{', '.join(infix[i])}>{{}} {t.text}")
            out.extend(text for _, text in sorted(closes.get(t.end, []), key=lambda e: e[0]))
            out.append(after.get(t.end, ""))
            last = t.end
        out.append(self.text[last:])
        return "".join(out)
