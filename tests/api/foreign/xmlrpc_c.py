"""The command-line client of xmlrpc-c, a process for each call; what it prints is made JSON again."""
import json
import re
import subprocess
import sys


def octets(shown):
    """It writes what is not ASCII as \\xc3\\xab, and other signs that would harm a terminal in C's way."""
    return shown.encode().decode("unicode_escape").encode("latin-1").decode()


def value_of(text):
    """Its way to show a result: "Array of 3 items:", then an indented line for each; strings are in quotes."""
    body = text.split("Result:\n\n", 1)[1].rstrip("\n")
    items = re.split(r"\n?  Index \s*\d+ ", body) if body.startswith("Array") else [None, body]
    found = []
    for item in items[1:]:
        kind, shown = item.split(": ", 1)
        found.append({"String": lambda s: octets(s[1:-1]), "Integer": int,
                      "64-bit integer": int, "Boolean": lambda s: s.strip() == "TRUE"}[kind.strip()](shown))
    return found if body.startswith("Array") else found[0]


for line in sys.stdin:
    call = json.loads(line)
    words = [f"{kind}/{str(value).lower() if kind == 'b' else value}" for kind, value in call["arguments"]]
    ended = subprocess.run(["xmlrpc", sys.argv[1], call["method"], *words], capture_output=True, text=True, encoding="utf-8")
    fault = re.search(r"Fault Code: (-?\d+)|fault code (-?\d+)", ended.stderr + ended.stdout)
    print(json.dumps({"answer": value_of(ended.stdout)} if ended.returncode == 0 else
                     {"fault": [int(next(filter(None, fault.groups()))), ended.stderr]} if fault else
                     {"fault": [0, ended.stderr]}), flush=True)
