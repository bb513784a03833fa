"""What others publish of their files: the JSON Schemas of check-jsonschema, and of Kubernetes' API.

Read in this process and once: what reads them takes longer to start than to look.
"""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import kubernetes_validate
from jsonschema.validators import validator_for
from kubernetes_validate import utils
from ruamel.yaml import YAML

LATEST = kubernetes_validate.latest_version()

utils.schema_contents = functools.cache(utils.schema_contents)


def complaints(schema: str, file: Path) -> list[str]:
    """What one of the schemas that check-jsonschema brings along has against a file of YAML."""
    told = json.loads(files("check_jsonschema").joinpath("builtin_schemas", "vendor", f"{schema}.json").read_text())
    kind = validator_for(told)
    read = YAML(typ="safe").load(file)  # YAML 1.2, in which `on` is a word
    return [f"{file.name} {each.json_path}: {each.message}" for each in kind(told).iter_errors(read)]


def strictly_valid(one: dict[str, Any], version: str = LATEST) -> None:
    """Raises where Kubernetes of that version would refuse an object, or does not know a field of it."""
    kubernetes_validate.validate(one, version, strict=True)
