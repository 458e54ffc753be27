#!/usr/bin/env python3
"""Compiles each program of this folder and checks that the first line containing "error:" says what is wrong.

Usage: check.py INCLUDE_DIR COMPILER [ARGUMENT...]

The first line of a program is `// expect: WORD...` (all of these must be in that line of the compiler's output, in
this order) or `// expect: success`.
"""
import pathlib
import re
import subprocess
import sys


def expectation(program):
    first = program.read_text().splitlines()[0]
    return first.removeprefix("// expect: ")


def phrases(text):
    """"A<1 got<2, 3" is two phrases: a comma binds."""
    return re.findall(r"(?:[^\s,]+,\s)*[^\s,]+", text)


def missing(line, expected):
    at = 0
    for phrase in phrases(expected):
        found = line.find(phrase, at)
        if found < 0:
            return phrase
        at = found + len(phrase)
    return None


def check(program, command):
    run = subprocess.run([*command, str(program)], capture_output=True, text=True)
    lines = (run.stderr + run.stdout).splitlines()
    errors = [line for line in lines if re.search(r"\berror: ", line)]
    expected = expectation(program)
    if expected == "success":
        return None if run.returncode == 0 else f"must compile, but: {errors[0] if errors else run.stderr}"
    if run.returncode == 0:
        return "compiled, but must not"
    if not errors:
        return f"failed without an error line:\n{run.stderr}"
    mentions = [line for line in lines if "error:" in line]  # namespace error is in g++'s context lines, too
    for line in (errors[0], mentions[0]):
        phrase = missing(line, expected)
        if phrase is not None:
            return f"'{phrase}' is missing in the first error line:\n  {line}"
    return None


def main():
    include, *command = sys.argv[1:]
    folder = pathlib.Path(__file__).parent
    command += ["-std=c++20", f"-I{include}"]
    if "nvcc" in pathlib.Path(command[0]).name:
        command += ["-x", "cu", "-arch=sm_75", "-cuda", "-o", "/dev/null"]
    else:
        command += ["-fsyntax-only"]
    failures = 0
    for program in sorted(folder.glob("*.cpp")):
        problem = check(program, command)
        print(f"{'ok  ' if problem is None else 'FAIL'} {program.stem}{'' if problem is None else ': ' + problem}")
        failures += problem is not None
    return 1 if failures else 0


sys.exit(main())
