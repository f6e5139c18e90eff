# SPDX-License-Identifier: Apache-2.0
"""The rules of tests/style/check: one function per rule, each yielding (line, message).

A rule looks at one `Source`; RULES names them. Paths are relative to the root of the tree.
"""

import ast
import posixpath
import re
import subprocess

import functions

COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = {".bpf.c": 300, ".bpf.h": 300, ".cc": 400, ".c": 400, ".h": 200}

C_SUFFIXES = (".cc", ".c", ".h")
SOURCE_SUFFIXES = C_SUFFIXES + (".py", ".sh", ".ps1", ".proto", ".cmake", ".sql")

# Who may include whom, in the order of the dependencies; `tests` may include everything.
FOLDERS = {
    "bpf": {"bpf"},
    "correlate": {"correlate", "bpf"},
    "proto": {"proto", "correlate", "bpf"},
    "agent": {"agent", "proto", "correlate", "bpf"},
    "collector": {"collector", "proto", "correlate", "bpf"},
    "cli": {"cli", "collector", "agent", "proto", "correlate", "bpf"},
}

# correlate/ runs in the collector, in the CLI and under the simulator: no clock, thread, file,
# socket, protobuf or log may reach it.
IMPURE = re.compile(
    r"^(chrono|ctime|time\.h|thread|mutex|shared_mutex|condition_variable|future|semaphore|latch"
    r"|barrier|stop_token|pthread\.h|fstream|filesystem|iostream|syncstream"
    r"|sys/.*|unistd\.h|fcntl\.h|poll\.h|signal\.h|csignal|netinet/.*|arpa/.*|net/.*|linux/.*"
    r"|sqlite3\.h|grpc.*|google/protobuf/.*|.*\.pb\.h|spdlog/.*"
    r"|absl/synchronization/.*|absl/time/clock\.h|absl/log/.*)$")
# What the headers that are allowed (<cstdio>, <cstdlib>, <random>) would let through.
IMPURE_NAMES = {"fopen", "freopen", "printf", "fprintf", "puts", "fputs", "getenv", "setenv",
                "rand", "srand", "random_device", "clock_gettime", "gettimeofday",
                "system_clock", "steady_clock", "high_resolution_clock"}

# Folders whose text is data: it is compared byte by byte and follows no style.
DATA = re.compile(r"(^|/)(golden|data|corpus|testdata|LICENSES)/")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', re.M)
SPDX = re.compile(r"SPDX-License-Identifier: (.*?)\s*(?:\*/|-->)?\s*$")
# A person's home, or a container's work folder, at the start of a path.
DEVELOPER_PATH = re.compile(
    r"(?<![\w.~$})/*-])(?:/(?:home|Users)/\w|/root/\.?\w|/wor[k]/|[A-Z]:\\Users\\)")
# Package sources come from the machine's own configuration.
REGISTRY = re.compile(
    r"\b(?:(?:deb|security|snapshot|archive|ftp\.\w+)\.(?:debian|ubuntu)\.(?:org|com)"
    r"|pypi\.org|pythonhosted\.org|registry\.npmjs\.org|crates\.io|proxy\.golang\.org"
    r"|(?:docker|quay|ghcr)\.io|repo\d?\.maven\.org)\b")
DISABLED_TEST = re.compile(
    r"(?://|/\*)\s*(?:TYPED_|FUZZ_)?TEST(?:_[FP])?\s*\(|\bDISABLED_\w|^\s*#\s*add_test\s*\("
    r"|^\s*#\s*gtest_discover_tests\s*\(|^\s*#\s*def test_\w*\(")


class Source:
    """One file of the tree, read as text."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.lines = text.split("\n")
        self.folder = path.split("/")[0]
        self.is_data = bool(DATA.search(path))
        self.shebang = self.lines[0] if self.lines[0].startswith("#!") else ""

    def has_suffix(self, *suffixes):
        return self.path.endswith(suffixes)

    @property
    def is_c(self):
        return self.has_suffix(*C_SUFFIXES)

    @property
    def is_python(self):
        return self.has_suffix(".py") or "python" in self.shebang

    @property
    def shell(self):
        """Name of the shell that runs it, or an empty string."""
        name = re.search(r"\b(bash|dash|sh)\b", self.shebang)
        if name:
            return name[1]
        return "bash" if self.has_suffix(".sh") else ""

    @property
    def is_source(self):
        name = posixpath.basename(self.path)
        return (self.has_suffix(*SOURCE_SUFFIXES) or bool(self.shebang)
                or name in ("CMakeLists.txt", ".clang-format", ".clang-tidy", ".gitignore"))


def line_at(text, offset):
    return text.count("\n", 0, offset) + 1


def rule_spdx(source):
    if not source.is_source or source.is_data:
        return
    for line, text in enumerate(source.lines[:5], 1):
        found = SPDX.search(text)
        if found:
            is_bpf = source.folder == "bpf" and source.is_c or source.has_suffix(".bpf.c", ".bpf.h")
            wanted = "GPL-2.0-only OR BSD-2-Clause" if is_bpf else "Apache-2.0"
            if found[1] != wanted:
                yield line, f"licence is '{found[1]}', but '{wanted}' holds here (deploy/README.md)"
            return
    yield 1, "no SPDX-License-Identifier in the first 5 lines"


def rule_columns(source):
    if not (source.is_c or source.is_python or source.shell) or source.is_data:
        return
    for line, text in enumerate(source.lines, 1):
        if len(text) > COLUMNS_MAX:
            yield line, f"{len(text)} columns; at most {COLUMNS_MAX}"


def rule_function_lines(source):
    if not source.is_c or source.is_data:
        return
    try:
        found = functions.find_functions(source.text)
    except functions.Unbalanced as problem:
        yield problem.line, f"cannot find the functions: {problem}"
        return
    for function in found:
        if function.lines > FUNCTION_LINES_MAX:
            yield (function.first, f"{function.name} has {function.lines} lines; at most "
                   f"{FUNCTION_LINES_MAX}")


def rule_file_lines(source):
    if source.is_data:
        return
    for suffix, limit in FILE_LINES_MAX.items():
        if source.has_suffix(suffix):
            count = source.text.count("\n")
            if count > limit:
                yield count, f"{count} lines; a {suffix} has at most {limit}"
            return


def rule_pure_correlate(source):
    if source.folder != "correlate" or not source.is_c:
        return
    for include in INCLUDE.finditer(source.text):
        if IMPURE.match(include[2]):
            yield (line_at(source.text, include.start()),
                   f"correlate/ is a pure library and may not include {include[2]}")
    for token in functions.tokenize(source.text):
        if token.text in IMPURE_NAMES:
            yield token.line, f"correlate/ is a pure library and may not use {token.text}"


def rule_dependencies(source):
    if source.folder not in FOLDERS or not source.is_c:
        return
    for include in INCLUDE.finditer(source.text):
        line, target = line_at(source.text, include.start()), include[2]
        if ".." in target.split("/"):
            yield line, f"include of {target}: write the path from the root of the tree"
            continue
        # <bpf/...> is libbpf, "bpf/..." is ours.
        folder = target.split("/")[0] if include[1] == '"' or not target.startswith("bpf/") else ""
        if folder == "tests" or folder in FOLDERS and folder not in FOLDERS[source.folder]:
            yield line, f"{source.folder}/ may not include {target} (dependencies point one way)"


def rule_disabled_tests(source):
    # The rules and their own bad examples would find themselves.
    if not source.is_source or source.is_data or source.path.startswith("tests/style/"):
        return
    for line, text in enumerate(source.lines, 1):
        if DISABLED_TEST.search(text):
            yield line, "a test is commented out or disabled: repair it, or remove it with a reason"


def rule_trailing_space(source):
    if source.is_data:
        return
    for line, text in enumerate(source.lines, 1):
        if text != text.rstrip(" \t\r"):
            yield line, "white space at the end of the line"
    if source.text and not source.text.endswith("\n"):
        yield len(source.lines), "no newline at the end of the file"


def rule_script_parses(source):
    if source.is_data:
        return
    if source.shell:
        run = subprocess.run([source.shell, "-n"], input=source.text, text=True,
                             capture_output=True, check=False)
        if run.returncode != 0:
            first = (run.stderr.splitlines() or ["no message"])[0]
            line = re.search(r"(?:line |: )(\d+):", first)
            yield int(line[1]) if line else 1, f"{source.shell} -n: {first}"
    elif source.is_python:
        try:
            ast.parse(source.text)
        except SyntaxError as problem:
            yield problem.lineno or 1, f"python: {problem.msg}"


def rule_developer_path(source):
    for line, text in enumerate(source.lines, 1):
        if not source.is_data and DEVELOPER_PATH.search(text):
            yield line, "an absolute path of somebody's machine"


def rule_registry_host(source):
    for line, text in enumerate(source.lines, 1):
        if not source.is_data and REGISTRY.search(text):
            yield line, "the host of a package registry; sources are the machine's own"


RULES = {
    "spdx": rule_spdx,
    "columns": rule_columns,
    "function-lines": rule_function_lines,
    "file-lines": rule_file_lines,
    "pure-correlate": rule_pure_correlate,
    "dependencies": rule_dependencies,
    "disabled-tests": rule_disabled_tests,
    "trailing-space": rule_trailing_space,
    "script-parses": rule_script_parses,
    "developer-path": rule_developer_path,
    "registry-host": rule_registry_host,
}
