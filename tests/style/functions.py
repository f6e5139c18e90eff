# SPDX-License-Identifier: Apache-2.0
"""Finds the functions of a C or C++ file and their lengths, without a compiler.

A tokenizer drops comments, literals and preprocessor lines; a walk over the braces then decides by
the words before each `{` what it opens: a namespace, class or enum (whose functions are looked for
inside), an initializer (skipped), or a function (everything up to its `}`, lambdas included).

Limits: where the branches of an `#if` share a closing brace, only one of them is seen; a macro
that hides a brace is invisible. A file whose braces don't balance is reported.
"""

import re

TOKEN = re.compile(
    r"""(?P<comment>//(?:\\\n|[^\n])*|/\*.*?\*/)
      |(?P<raw>(?:u8|[uUL])?R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)")
      |(?P<string>(?:u8|[uUL])?"(?:\\.|[^"\\\n])*")
      |(?P<number>\.?\d(?:'?[\w.]|(?<=[eEpP])[+-])*)
      |(?P<char>(?:u8|[uUL])?'(?:\\.|[^'\\\n])+')
      |(?P<directive>(?m:^)[ \t]*\#(?:\\\n|/\*.*?\*/|[^\n])*)
      |(?P<word>[A-Za-z_]\w*)
      |(?P<arrow>->|::|\[\[|\]\]|[=!<>+*/%&|^-]=|<=>)
      |(?P<space>\s+)
      |(?P<other>.)""",
    re.S | re.X)

OPEN = {"(": ")", "[": "]", "[[": "]]", "{": "}"}
CLASS_WORDS = {"class", "struct", "union", "enum"}
# What may stand between a parameter list and a body.
AFTER_PARAMETERS = {"const", "volatile", "noexcept", "override", "final", "mutable", "constexpr",
                    "consteval", "static", "try", "&", "&&"}


class Token:
    __slots__ = ("text", "line", "kind")

    def __init__(self, text, line, kind):
        self.text, self.line, self.kind = text, line, kind

    def __repr__(self):
        return f"{self.text}@{self.line}"


class Function:
    """A function from the first line of its declaration to the line of its last brace."""

    def __init__(self, name, first, last):
        self.name, self.first, self.last = name, first, last

    @property
    def lines(self):
        return self.last - self.first + 1


class Unbalanced(Exception):
    def __init__(self, line, what):
        super().__init__(what)
        self.line = line


def tokenize(text):
    """Words, punctuation and (for #if) directives with their lines; literals become `""`."""
    tokens, line = [], 1
    for match in TOKEN.finditer(text):
        kind = match.lastgroup if match.lastgroup != "mark" else "raw"
        if kind in ("string", "raw", "char"):
            tokens.append(Token('""', line, "literal"))
        elif kind == "number":
            tokens.append(Token("0", line, "literal"))
        elif kind == "directive":
            word = re.match(r"[ \t]*#[ \t]*(\w*)", match[0])[1]
            if word in ("if", "ifdef", "ifndef", "else", "elif", "endif"):
                tokens.append(Token(word, line, "directive"))
        elif kind in ("word", "arrow", "other"):
            tokens.append(Token(match[0], line, kind))
        line += match[0].count("\n")
    return tokens


def is_balanced(tokens):
    depth = 0
    for token in tokens:
        depth += {"{": 1, "}": -1}.get(token.text, 0)
        if depth < 0:
            return False
    return depth == 0


def choose_branches(tokens, keep_first):
    """Of every #if with branches: those that hold whole functions, else only the first or last."""
    kept, starts = [], []  # starts: of each open #if, where its branch began and what it keeps
    for token in tokens:
        if token.kind != "directive":
            kept.append(token)
        elif token.text.startswith("if"):
            starts.append([len(kept), False])
        elif starts:
            start, settled = starts[-1]
            if not is_balanced(kept[start:]):
                is_last = token.text == "endif"
                if settled or not (keep_first or is_last):
                    del kept[start:]
                else:
                    starts[-1][1] = True
            starts[-1][0] = len(kept)
            if token.text == "endif":
                starts.pop()
    return kept


def matching(tokens, index):
    """Index of the bracket that closes the one at `index`."""
    stack = []
    for position in range(index, len(tokens)):
        text = tokens[position].text
        if text in OPEN:
            stack.append((OPEN[text], tokens[position].line))
        elif text == "]]" and stack and stack[-1][0] == "]" and len(stack) > 1:
            # `a[b[0]]`: not the end of an attribute, but two brackets.
            stack.pop()
            stack.pop()
        elif stack and text == stack[-1][0]:
            stack.pop()
        elif text in (")", "]", "}", "]]"):
            raise Unbalanced(tokens[position].line, f"'{text}' closes nothing")
        if not stack:
            return position
    raise Unbalanced(stack[0][1], f"nothing closes this with '{stack[0][0]}'")


def template_end(tokens, index):
    """Index after the `<...>` at `index`; `index` itself if there is none."""
    if index >= len(tokens) or tokens[index].text != "<":
        return index
    depth, position = 0, index
    while position < len(tokens):
        text = tokens[position].text
        if text == "<":
            depth += 1
        elif text == ">":
            depth -= 1
            if depth == 0:
                return position + 1
        elif text in OPEN:
            position = matching(tokens, position)
        position += 1
    return position


def strip_prefix(head):
    """The head of a declaration without template<...>, [[...]], labels and BPF sections."""
    position = 0
    while position < len(head):
        text = head[position].text
        if text == "template":
            position = template_end(head, position + 1)
        elif text == "[[":
            position = matching(head, position) + 1
        elif text in ("public", "protected", "private") and head[position + 1:] and \
                head[position + 1].text == ":":
            position += 2
        elif text == "SEC" and head[position + 1:] and head[position + 1].text == "(":
            position = matching(head, position + 1) + 1
        else:
            break
    return head[position:]


def last_parameters(head):
    """(open, close) of the last top-level parentheses that can be a parameter list, or None."""
    found, position = None, 0
    while position < len(head):
        text = head[position].text
        if text in OPEN:
            end = matching(head, position)
            before = head[position - 1].text if position else ""
            if text == "(" and before not in ("noexcept", "requires", "__attribute__", "alignas",
                                              "decltype", "throw", "operator"):
                if not (found and before.isupper() and position - 1 > found[1]):
                    found = (position, end)
            position = end
        elif text == ":" and found:
            break  # a constructor's initializers follow
        elif text == "->" and found:
            break  # a return type follows
        position += 1
    return found


def has_assignment(head):
    position = 0
    while position < len(head):
        text = head[position].text
        if text in OPEN:
            position = matching(head, position)
        elif text == "=" and not (position and head[position - 1].text == "operator"):
            return True
        position += 1
    return False


def initializes_member(rest):
    """Whether a `{` after `rest` (what follows a parameter list) is that of `Foo() : member_{`."""
    if not any(token.text == ":" for token in rest):
        return False
    return rest[-1].kind == "word" or rest[-1].text == ">"


def opens_requirements(head):
    """Whether a `{` after this head is that of `requires {` or `requires requires(T t) {`."""
    if head[-1].text == "requires":
        return True
    if head[-1].text != ")":
        return False
    depth = 0
    for index in range(len(head) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(head[index].text, 0)
        if depth == 0:
            return [token.text for token in head[max(0, index - 2):index]] == ["requires"] * 2
    return False


def follows_parameters(rest):
    """Whether these tokens can stand between a parameter list and a function's body."""
    for token in rest:
        if token.text in ("->", ":", "requires", "__attribute__", "[["):
            return True
        known = token.text in AFTER_PARAMETERS or token.text in ("(", ")", '""', ",")
        if not known and not (token.kind == "word" and token.text.isupper()):
            return False
    return True


def is_lambda(head):
    """Whether what is assigned starts with a capture list."""
    for index, token in enumerate(head[:-1]):
        if token.text == "=":
            return head[index + 1].text == "["
    return False


def what_opens(head):
    """What a `{` after these tokens opens: 'scope', 'function' or 'braces' (of an expression)."""
    if not head:
        return "scope"
    words = [token.text for token in head]
    if "namespace" in words[:2] or words == ["extern", '""']:
        return "scope"
    if opens_requirements(head):
        return "braces"
    if has_assignment(head):
        return "function" if is_lambda(head) else "braces"
    is_class = any(word in CLASS_WORDS for word in words)
    parameters = last_parameters(head)
    if parameters:
        rest = head[parameters[1] + 1:]
        if words[0] not in CLASS_WORDS and initializes_member(rest):
            return "braces"
        if not is_class or follows_parameters(rest):
            return "function"
    return "scope" if is_class else "braces"


def name_of(head):
    parameters = last_parameters(head)
    if has_assignment(head) or not parameters or not parameters[0]:
        return next((token.text for token in head if token.text.startswith("k")), "lambda")
    start, end = parameters
    name = head[start - 1].text
    # TEST(Suite, Name), BPF_PROG(name, ...): the macro alone would not say which one.
    if name.isupper() and end > start + 1:
        inside = " ".join(token.text for token in head[start + 1:start + 4] if token.text != ")")
        return f"{name}({inside})".replace(" ,", ",")
    return "operator()" if name == ")" else name


class Walk:
    """One pass over a file's tokens, outside of functions."""

    def __init__(self, tokens):
        self.tokens = tokens
        self.head = []
        self.scopes = []
        self.functions = []

    def open_brace(self, position):
        """Index of the last token that belongs to what opens at `position`."""
        line = self.tokens[position].line
        head = strip_prefix(self.head)
        kind = what_opens(head)
        if kind == "scope":
            self.scopes.append(line)
            self.head = []
            return position
        end = matching(self.tokens, position)
        if kind == "function":
            self.functions.append(Function(name_of(head), head[0].line, self.tokens[end].line))
            self.head = []
        else:
            self.head += [Token("{", line, "other"), Token("}", line, "other")]
        return end

    def step(self, position):
        token = self.tokens[position]
        if token.text == "{":
            return self.open_brace(position)
        if token.text in OPEN:
            end = matching(self.tokens, position)
            self.head += self.tokens[position:end + 1]
            return end
        if token.text == "}":
            if not self.scopes:
                raise Unbalanced(token.line, "'}' closes nothing")
            self.scopes.pop()
            self.head = []
        elif token.text == ";":
            self.head = []
        else:
            self.head.append(token)
        return position

    def run(self):
        position = 0
        while position < len(self.tokens):
            position = self.step(position) + 1
        if self.scopes:
            raise Unbalanced(self.scopes[-1], "nothing closes this '{'")
        return self.functions


def find_functions(text):
    """All outermost functions of a file, in order; raises Unbalanced."""
    tokens = tokenize(text)
    try:
        return Walk(choose_branches(tokens, keep_first=True)).run()
    except Unbalanced:
        return Walk(choose_branches(tokens, keep_first=False)).run()
