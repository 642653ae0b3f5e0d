#!/usr/bin/env python3
"""Tests of compile_blocks.py and check_pages.py on valid and invalid pages."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import check_pages
import compile_blocks
import pages

COMPILER = sys.argv.pop(1) if len(sys.argv) > 1 else "g++"


class Pages(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def compiled(self, text, name="page.md"):
        """What is wrong with the page, as one text."""
        try:
            units, left, wrong = compile_blocks.units_of(self.write(name, text), self.root)
        except pages.PageError as error:
            return str(error)
        return "\n".join([*wrong, *(unit.check(COMPILER)[0] for unit in units)]).strip()


class CompiledBlocks(Pages):
    def test_a_fragment_may_mix_types_functions_templates_and_statements(self):
        self.assertEqual(self.compiled("""
```cpp
#include <cstdio>
struct point { int x = 1'000, y{2}; };   // a comment with a } and an unfinished "
template <class T>
T twice(T t) {
  return t + t;
}
int half(int n) { return n / 2; }
const auto p = point{.x = 3};
for (int i = 0; i < 2; ++i)
  if (i == 0) std::puts("} {"); else std::puts("'");
if (twice(p.x) != 6 || half(4) != 2) throw 1;
enum class kind { a, b };
```
"""), "")

    def test_an_error_is_reported_in_the_line_of_the_page(self):
        text = self.compiled("one\n\n```cpp\nint n = 1;\nn = missing;\n```\n")
        self.assertIn("does not compile", text)
        self.assertIn("page.md:5:5: error", text)

    def test_an_error_in_a_block_that_is_compiled_only_counts(self):
        self.assertIn("page.md:3:9: error", self.compiled("<!-- compiled only: slow -->\n```cpp\nint n = missing;\n```\n"))

    def test_a_block_that_throws_fails(self):
        self.assertIn("exit status", self.compiled("```cpp\nthrow 1;\n```\n"))

    def test_a_program_that_returns_1_fails(self):
        self.assertIn("exit status 1", self.compiled("```cpp\nint main() { return 1; }\n```\n"))

    def test_a_block_that_is_compiled_only_does_not_run(self):
        self.assertEqual(self.compiled("<!-- compiled only: it throws -->\n```cpp\nthrow 1;\n```\n"), "")

    def test_blocks_do_not_see_each_other(self):
        self.assertIn("error", self.compiled("```cpp\nint n = 1;\n```\n```cpp\nn = 2;\n```\n"))
        self.assertEqual(self.compiled("```cpp\nint n = 1;\n```\n```cpp\nlong n = 2;\n```\n"), "")

    def test_a_block_that_continues_sees_the_one_before(self):
        self.assertEqual(self.compiled("```cpp\nint n = 1;\n```\n<!-- continues -->\n```cpp\nif (n != 1) throw n;\n```\n"), "")
        self.assertIn("exit status", self.compiled("```cpp\nint n = 1;\n```\n<!-- continues -->\n```cpp\nif (n == 1) throw n;\n```\n"))

    def test_a_chain_runs_up_to_the_block_that_is_compiled_only(self):
        rest = "<!-- continues -->\n<!-- compiled only: it throws -->\n```cpp\nthrow n;\n```\n"
        self.assertEqual(self.compiled(f"```cpp\nint n = 1;\n```\n{rest}"), "")
        self.assertIn("exit status", self.compiled(f"```cpp\nint n = 1;\nthrow n;\n```\n{rest}"))

    def test_hidden_lines_belong_to_the_next_block_alone(self):
        hidden = "<!-- cpp\n#include <fstream>\nint n = 1;\nstd::ofstream(\"a.txt\") << n;\n-->\n"
        self.assertEqual(self.compiled(hidden + "```cpp\nif (!std::ifstream(\"a.txt\")) throw n;\n```\n"), "")
        self.assertIn("error", self.compiled(hidden + "```cpp\n++n;\n```\n```cpp\n++n;\n```\n"))
        self.assertIn("no block follows", self.compiled("```cpp\n;\n```\n" + hidden))

    def test_a_comment_needs_a_reason_and_a_block(self):
        self.assertIn("no reason", self.compiled("<!-- not compiled -->\n```cpp\n…\n```\n"))
        self.assertIn("expected a block", self.compiled("<!-- continues -->\nwords\n```cpp\n;\n```\n"))
        self.assertEqual(self.compiled("<!-- not compiled: a sketch -->\n```cpp\n…\n```\n"), "")

    def test_a_block_of_readme_starts_with_its_includes(self):
        self.assertIn("starts with the includes", self.compiled("```cpp\nint n;\n```\n", "README.md"))
        text = self.compiled("<!-- compiled only: words -->\n```cpp\n#include <bert/version.hpp>\nstd::vector<int> n;\n```\n", "README.md")
        self.assertIn("uses std::vector without #include <vector>", text)

    def test_blocks_share_a_program_only_if_they_include_the_same_headers_of_bert(self):
        block = "```cpp\n#include <bert/{}.hpp>\nint n;\n```\n"
        path = self.write("README.md", block.format("a") + block.format("b") + block.format("a"))
        units, _, _ = compile_blocks.units_of(path, self.root)
        self.assertEqual([unit.name for unit in units], ["README.md:2,10", "README.md:6"])


class CheckedPages(Pages):
    def errors(self, text, **files):
        for name, content in {"examples/cook.cpp": 'add_option("--salt")', "tools/stir": "# --fast\n", "include/bert/pot.hpp": "struct pot;",
                              "CMakePresets.json": '{"configurePresets": [{"name": "dev"}]}', "CMakeLists.txt": "BERT_TESTS", **files}.items():
            self.write(name, content)
        checker = check_pages.Checker(self.root)
        checker.page(self.write("docs/page.md", text))
        return "\n".join(checker.errors)

    def test_commands_that_exist_pass(self):
        self.assertEqual(self.errors("```sh\ncook --salt 3 \\\n     --help   # words\ntools/stir --fast && cmake --preset dev -DBERT_TESTS=ON\n```\n"), "")

    def test_an_option_that_a_program_lacks_fails(self):
        self.assertIn("`cook` has no option --pepper", self.errors("```sh\ncook --salt 3 \\\n --pepper\n```\n"))
        self.assertIn("`cook` has no option --sal", self.errors("```sh\ncook --sal 3\n```\n"))
        self.assertIn("`tools/stir` has no option --slow", self.errors("```sh\ntools/stir --slow\n```\n"))
        self.assertIn("`cook` has no option --pepper", self.errors("run `cook --pepper PLENTY`\n"))
        self.assertIn("has an option --pepper", self.errors("with `--pepper`\n"))

    def test_a_program_that_does_not_exist_fails(self):
        self.assertIn("no such program: bake", self.errors("```sh\nbake --salt\n```\n"))
        self.assertIn("no such preset: fast", self.errors("```sh\ncmake --preset fast\n```\n"))
        self.assertIn("no option BERT_NONE", self.errors("```sh\ncmake --preset dev -DBERT_NONE=ON\n```\n"))

    def test_a_block_without_a_kind_fails(self):
        self.assertIn("a block of kind ''", self.errors("```\ncook\n```\n"))

    def test_a_cmake_block_that_does_not_configure_fails(self):
        self.assertIn("does not configure", self.errors("```cmake\nno_such_command()\n```\n"))
        self.assertEqual(self.errors("<!-- cmake\nadd_executable(program main.cpp)\n-->\n```cmake\ntarget_compile_features(program PRIVATE cxx_std_20)\n```\n"), "")

    def test_paths_names_and_links_must_exist(self):
        self.assertEqual(self.errors("`tools/stir`, `pot.hpp`, `bert/pot.hpp`, `include/*/pot.hpp`, `their/file.tsv`, [a](page.md#one-two)\n# One two\n"), "")
        self.assertIn("no such file: tools/parity.py", self.errors("`tools/parity.py`\n"))
        self.assertIn("no such file: bert/pan.hpp", self.errors("`bert/pan.hpp`\n"))
        self.assertEqual(self.errors("`bert::pot<3>`\n"), "")
        self.assertIn("no header has the word pan", self.errors("`bert::pan`\n"))
        self.assertIn("which does not exist", self.errors("[a](other.md)\n"))
        self.assertIn("no such heading", self.errors("[a](#two)\n# One\n"))


if __name__ == "__main__":
    unittest.main()
