# SPDX-License-Identifier: Apache-2.0
"""Sees every rule of rules.py fail on something bad, at the right line, and pass something good."""

import rules

APACHE = "// SPDX-License-Identifier: Apache-2.0\n"
DUAL = "// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause\n"
HASH = "# SPDX-License-Identifier: Apache-2.0\n"
BODY = "  x();\n"
LONG = BODY * 70


def function(lines):
    """A function of this many lines."""
    return "void F() {\n" + BODY * (lines - 2) + "}\n"


# (rule, path, text, line of the offence); built so that this file itself keeps the rules.
BAD = [
    ("spdx", "agent/a.cc", "int x;\n", 1),
    ("spdx", "tests/a", "#!/bin/sh\ntrue\n", 1),
    ("spdx", "agent/CMakeLists.txt", "add_library(a)\n", 1),
    ("spdx", "agent/a.cc", "\n" * 5 + APACHE, 1),
    ("spdx", "bpf/a.bpf.c", APACHE, 1),
    ("spdx", "agent/a.cc", DUAL, 1),
    ("columns", "cli/a.h", APACHE + "// " + "x" * 98 + "\n", 2),
    ("columns", "tests/a.py", HASH + "x = '" + "y" * 100 + "'\n", 2),
    ("columns", "tests/a", "#!/bin/sh\n" + HASH + "echo " + "y" * 100 + "\n", 3),
    ("function-lines", "agent/a.cc", APACHE + function(71), 2),
    ("function-lines", "agent/a.h", APACHE + "class A {\n public:\n" + function(71) + "};\n", 4),
    ("function-lines", "agent/a.cc", APACHE + "A::A()\n  : a_{1}, b_(2) {\n" + LONG + "}\n", 2),
    ("function-lines", "tests/a.cc", APACHE + "TEST(A, B) {\n" + LONG + "}\n", 2),
    ("function-lines", "bpf/a.bpf.c", DUAL + 'SEC("x")\nint BPF_PROG(a) {\n' + LONG + "}\n", 3),
    ("function-lines", "cli/a.cc", APACHE + "const auto kA = [](int a) {\n" + LONG + "};\n", 2),
    ("function-lines", "agent/a.cc", APACHE + "void F() {\n", 2),
    ("file-lines", "agent/a.cc", APACHE + "//\n" * 400, 401),
    ("file-lines", "agent/a.h", APACHE + "//\n" * 200, 201),
    ("file-lines", "bpf/a.bpf.c", DUAL + "//\n" * 300, 301),
    ("disabled-tests", "tests/agent/a.cc", APACHE + "// TEST(A, B) {}\n", 2),
    ("disabled-tests", "tests/agent/a.cc", APACHE + "/*TEST_F(A, B) {} */\n", 2),
    ("disabled-tests", "tests/agent/a.cc", APACHE + "TEST(A, DISABLED_B) {}\n", 2),
    ("disabled-tests", "tests/CMakeLists.txt", HASH + "# add_test(NAME a COMMAND a)\n", 2),
    ("disabled-tests", "tests/a.py", HASH + "# def test_a(self):\n", 2),
    ("trailing-space", "README.md", "a\nb \n", 2),
    ("trailing-space", "agent/a.cc", APACHE + "int x;\r\n", 2),
    ("trailing-space", "README.md", "a", 1),
    ("script-parses", "deploy/a", "#!/usr/bin/env bash\n" + HASH + "if true; then\n", 4),
    ("script-parses", "tests/a.sh", HASH + "a=(1 2\n", 2),
    ("script-parses", "deploy/a", "#!/bin/sh\n" + HASH + "x() { echo; \n", 4),
    ("script-parses", "tests/a.py", HASH + "def f(:\n", 2),
    ("developer-path", "README.md", "see /ho" "me/ann/ringside\n", 1),
    ("developer-path", "tests/a.py", HASH + "x = '/wo" "rk/main'\n", 2),
    ("developer-path", "cli/a.cc", APACHE + 'f("/ro' 'ot/.cache");\n', 2),
    ("registry-host", "deploy/a", "#!/bin/sh\n" + HASH + "get deb.deb" "ian.org/debian\n", 3),
    ("registry-host", "README.md", "pip install from https://pyp" "i.org/simple\n", 1),
]

# (path, text) with nothing to find.
GOOD = [
    ("agent/a.cc", APACHE + "#include <thread>\n#include \"proto/convert.h\"\n" + function(70)),
    ("agent/a.cc", APACHE + "struct A {\n" + function(40) + function(40) + "};\n"),
    ("agent/a.cc", APACHE + "#if A\nif (a) {\n#else\nif (b) {\n#endif\n}\n// '{' \"{\" R\"({)\"\n"),
    ("agent/a.cc", APACHE + "static const A kA[] = {\n" + "  {1, 'a'},\n" * 80 + "};\n"),
    ("agent/a.h", APACHE + "#ifdef X\nnamespace a {\n#else\nint x;\n#endif\n#ifdef X\n}\n#endif\n"),
    ("bpf/a.bpf.c", DUAL + "#include <bpf/bpf_helpers.h>\n#include \"events.h\"\n"),
    ("bpf/CMakeLists.txt", HASH + "add_test(NAME a COMMAND a)\n"),
    ("correlate/a.cc", APACHE + "#include <vector>\n#include \"bpf/position.h\"\n// printf\n"),
    ("tests/agent/a_test.cc", APACHE + "#include \"cli/a.h\"\n// TEST vectors of RFC 1\n"),
    ("tests/cli/golden/report.txt", "trailing \n"),
    ("deploy/a", "#!/usr/bin/env bash\n" + HASH + "a=(1 2)\nls \"$root/wo" "rk/x\" ./home/x\n"),
    ("README.md", "| a | b |\n" + "x" * 200 + "\n"),
]

IMPURE = ["chrono", "ctime", "thread", "mutex", "fstream", "filesystem", "iostream",
          "grpcpp/grpcpp.h", "google/protobuf/message.h", "spdlog/spdlog.h", "sys/socket.h",
          "unistd.h", "fcntl.h", "sqlite3.h", "proto/ringside.pb.h"]
FORBIDDEN = {
    "bpf": ["correlate/a.h", "agent/a.h"],
    "correlate": ["proto/a.h", "agent/a.h", "collector/a.h", "cli/a.h", "tests/a.h", "../bpf/a.h"],
    "proto": ["agent/a.h", "collector/a.h", "cli/a.h"],
    "agent": ["collector/a.h", "cli/a.h", "tests/a.h"],
    "collector": ["agent/a.h", "cli/a.h"],
    "cli": ["tests/a.h"],
}


def include_cases():
    """(rule, path, text, line) of every include that some folder may not have."""
    for header in IMPURE:
        yield "pure-correlate", "correlate/a.cc", APACHE + f"#include <{header}>\n", 2
    for name in sorted(rules.IMPURE_NAMES):
        yield "pure-correlate", "correlate/a.h", APACHE + f"auto x = {name}(1);\n", 2
    for folder, headers in FORBIDDEN.items():
        licence = DUAL if folder == "bpf" else APACHE
        for header in headers:
            yield "dependencies", f"{folder}/a.h", licence + f"\n#  include \"{header}\"\n", 3


def run(check_source):
    """Status for the shell; prints what a rule overlooked or wrongly reported."""
    problems = []
    cases = BAD + list(include_cases())
    for rule, path, text, line in cases:
        found = check_source(rules.Source(path, text))
        if not any(offence.startswith(f"{path}:{line}: {rule}: ") for offence in found):
            problems.append(f"{rule}: overlooked line {line} of {path}: {text[:200]!r}: {found}")
    for path, text in GOOD:
        problems += [f"reported where nothing is wrong: {offence}: {text[:200]!r}"
                     for offence in check_source(rules.Source(path, text))]
    untested = set(rules.RULES) - {case[0] for case in cases}
    problems += [f"{rule}: has no bad example" for rule in sorted(untested)]
    print("\n".join(problems + [f"{len(cases)} bad and {len(GOOD)} good examples, "
                                f"{len(problems)} problems"]))
    return 1 if problems else 0
