# abi_layout.py -- the layout of the public C structs and the values of the enums, read off the headers and
# a compiler, and held to a stored list: a struct may grow at its end if it begins with its size, an enum
# may have further values, and nothing else may change. Anything else takes a new SWAGE_ABI_VERSION
# (include/swage/version.h) and a new list.
#   abi_layout.py INCLUDE_DIR CC LIST            fails where they differ
#   abi_layout.py INCLUDE_DIR CC LIST --write    adds what is new to the list, and nothing else
import os
import re
import subprocess
import sys
import tempfile

HEADERS = ["dlpack.h", "embed.h", "swage.h"]


def declarations(body):
    """The parts of a struct's body, split at the semicolons outside inner braces."""
    parts, depth, part = [], 0, ""
    for character in body:
        depth += (character == "{") - (character == "}")
        if character == ";" and depth == 0:
            parts.append(" ".join(part.split()))
            part = ""
        else:
            part += character
    if part.strip():
        sys.exit(f"abi_layout.py: cannot read '{part.strip()}' in a struct")
    return parts


def fields(body, prefix=""):
    """(path, type) of each field, those of inner unions and structs included."""
    for declared in declarations(body):
        inner = re.fullmatch(r"(?:union|struct)\s*\{(.*)\}\s*(\w+)", declared)
        function = re.fullmatch(r"(.*)\(\s*\*\s*(\w+)\s*\)\s*(\(.*\))", declared)
        plain = re.fullmatch(r"(.*[\s*])(\w+)((?:\[\w+\])*)", declared)
        if inner:
            yield prefix + inner[2], declared.split("{")[0].strip()
            yield from fields(inner[1], prefix + inner[2] + ".")
        elif function:
            yield prefix + function[2], f"{function[1].strip()} (*){function[3]}"
        elif plain and "," not in declared and "{" not in declared:
            yield prefix + plain[2], plain[1].strip() + plain[3]
        else:
            sys.exit(f"abi_layout.py: cannot read the field '{declared}'")


def program(include):
    """A C program that prints one line for each fact."""
    lines = ["#include <stddef.h>", "#include <stdio.h>"]
    lines += [f'#include "swage/{name}"' for name in HEADERS]
    lines += ["#define WIDTH(s, f) sizeof(((s*)0)->f)", "int main(void) {"]
    declared = 0
    for name in HEADERS:
        with open(os.path.join(include, "swage", name), encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/", " ", file.read(), flags=re.DOTALL)
        text = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
        declared += len(re.findall(r"\btypedef\s+(?:struct|enum)\b[^;{]*\{", text))
        for kind, body, of in re.findall(
            r"\btypedef\s+(struct|enum)\b[^;{]*(\{(?:[^{}]|\{[^{}]*\})*\})\s*(\w+)\s*;", text
        ):
            declared -= 1
            if kind == "enum":
                lines.append(f'  printf("enum {of}: size %zu\\n", sizeof({of}));')
                for value in body.strip("{}").split(","):
                    if value.strip():
                        word = value.split("=")[0].strip()
                        lines.append(f'  printf("enum {of}: {word} = %d\\n", (int){word});')
                continue
            lines.append(
                f'  printf("struct {of}: size %zu, align %zu\\n", sizeof({of}), _Alignof({of}));'
            )
            for path, of_type in fields(body[1:-1]):
                lines.append(
                    f'  printf("struct {of}: {path} at %zu, %zu bytes, {of_type}\\n", '
                    f"offsetof({of}, {path}), WIDTH({of}, {path}));"
                )
    if declared:
        sys.exit(f"abi_layout.py: {declared} structs or enums of the headers could not be read")
    return "\n".join(lines + ["  return 0;", "}", ""])


def layout(include, compiler):
    with tempfile.TemporaryDirectory() as folder:
        source, binary = os.path.join(folder, "layout.c"), os.path.join(folder, "layout")
        with open(source, "w", encoding="utf-8") as file:
            file.write(program(include))
        subprocess.run([compiler, "-std=c11", "-I", include, source, "-o", binary], check=True)
        return subprocess.run(
            [binary], check=True, capture_output=True, text=True
        ).stdout.splitlines()


def size_of(line):
    found = re.fullmatch(r"(struct \w+): size (\d+), align (\d+)", line)
    return found and (found[1], int(found[2]), int(found[3]))


def differences(stored, now):
    """What a program that was compiled against `stored` would trip over, and what is not stored yet."""
    sizes = {size_of(line)[0]: size_of(line) for line in now if size_of(line)}
    grows = {line.split(":")[0] for line in stored if ": size at 0, " in line}
    for line in stored:
        if line in now:
            continue
        name, size, align = size_of(line) or (None, 0, 0)
        if name in grows and name in sizes and sizes[name][1] > size and sizes[name][2] == align:
            continue
        yield f"promised and changed:   {line}"
    ends = {name: size for name, size, _ in filter(None, map(size_of, stored))}
    for line in now:
        if line in stored:
            continue
        name = line.split(":")[0]
        at = re.search(r" at (\d+), ", line)
        # Within the size that was promised a new field lies where padding was, which nobody has set.
        if at and name in ends and int(at[1]) < ends[name]:
            yield f"new, and not at the end: {line}"
        elif name in ends and name not in grows:
            yield f"cannot grow:            {line}"
        else:
            yield f"not in the list yet:    {line}"


def main():
    include, compiler, path = sys.argv[1:4]
    now = layout(include, compiler)
    stored = []
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            stored = file.read().splitlines()
    found = list(differences(stored, now))
    if sys.argv[4:] == ["--write"] and all(line.startswith("not in the list") for line in found):
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(now) + "\n")
        return
    for difference in found:
        print(difference)
    if found:
        sys.exit(
            "the structs and enums of the C ABI are not those of " + path + ". A struct that begins "
            "with its size may grow at its end, an enum may have further values: then write the list "
            "anew with --write. Anything else takes a new SWAGE_ABI_VERSION"
        )


if __name__ == "__main__":
    main()
