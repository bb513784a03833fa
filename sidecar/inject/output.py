"""The text that comes out: what was not changed as it was written, what was changed with as few edits as it takes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from sidecar.inject.documents import Document
from sidecar.inject.rewrite import rewritten
from sidecar.inject.values import Value, block

_MARK = "---\n"

Edited = tuple[Document, Value, list[Value], bool]
"""A document, its value now, objects to be put in front of it, and whether it is left out."""


def joined(files: Sequence[Sequence[Edited]]) -> str:
    """Files as one stream. JSON alone stays JSON, one object after the other; beside YAML each is a document."""
    files = [file for file in files if file]
    if all(document.json for file in files for document, *_ in file):
        return "".join(_ended(text) for file in files for edited in file for text in _as_json(edited))
    texts: list[str] = []
    for file in files:
        if file[0][0].json:
            texts += [_MARK + _ended(text) for edited in file for text in _as_json(edited)]
            continue
        text = _as_yaml(file)
        marked = not texts or re.match(r"(?:[ \t]*(?:#[^\n]*)?\n)*---(?:\s|$)", text)
        texts.append(text if marked else _MARK + text)
    # What is last stays as it ends: a line break would be one of the block scalar that may stand there.
    return "".join([*map(_ended, texts[:-1]), *texts[-1:]])


def _as_json(edited: Edited) -> list[str]:
    document, value, before, gone = edited
    if gone:
        return []
    text = rewritten(document, value)
    first = re.match(r"\s*\{[ \t]*\r?\n([ \t]+)", document.text)
    return [*(json.dumps(one, indent=first[1] if first else None) + "\n" for one in before), text]


def _as_yaml(file: Sequence[Edited]) -> str:
    texts: list[str] = []
    bare = False
    for document, value, before, gone in file:
        if gone:
            # Whoever comes first then begins as this one did.
            bare = not texts and not document.marked
            continue
        own = rewritten(document, value)
        own, bare = (own.removeprefix(_MARK) if bare else own), False
        if before:
            if texts:
                texts[-1] = _ended(texts[-1])
            texts.append(_MARK if texts or document.marked else "")
            texts.append(_MARK.join(map(block, before)) + ("" if document.marked else _MARK))
        texts.append(own)
    return "".join(texts)


def _ended(text: str) -> str:
    return text if text.endswith("\n") or not text else text + "\n"
