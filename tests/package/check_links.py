#!/usr/bin/env python3
"""check_links.py ROOT -- every link of the documents that names a file or a heading finds it.

Documents are the README and its neighbours, and all of docs/. Links into the web are not followed.
"""

import pathlib
import re
import sys

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*?) *$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(text):
    """As GitHub makes them: lower case, punctuation gone, dashes for blanks, numbers for what repeats."""
    found = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        count = 1
        name = anchor
        while name in found:
            name, count = f"{anchor}-{count}", count + 1
        found.add(name)
    return found


def broken(root, document):
    text = document.read_text(encoding="utf-8")
    for link in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists():
            yield f"{link}: there is no {path}"
        elif root not in target.parents:
            yield f"{link}: outside the project"
        elif anchor and target.suffix == ".md" and \
                anchor not in anchors(target.read_text(encoding="utf-8")):
            yield f"{link}: {target.name} has no such heading"


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    documents = sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")])
    links = 0
    wrong = []
    for document in documents:
        links += len(LINK.findall(document.read_text(encoding="utf-8")))
        wrong += [f"{document.relative_to(root)}: {what}" for what in broken(root, document)]
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"{len(documents)} documents, {links} links, {len(wrong)} broken")
    return 1 if wrong or not links else 0


if __name__ == "__main__":
    sys.exit(main())
