"""The bill of materials of a root file system: CycloneDX 1.6 as JSON, on standard output.

Owns what is read (dpkg's metadata, and that of the Python distributions) and what it becomes. Knows nothing of how the
root was made. The same root gives the same text, when SOURCE_DATE_EPOCH says the time.

usage: sbom.py FOLDER
"""

from __future__ import annotations

import json
import os
import re
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.parser import Parser
from importlib.metadata import Distribution, PackageMetadata, distributions
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

OURS = "sidecar-proxy"
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")


def main(root: Path) -> str:
    """The document. Raises OSError when the root lacks what is read, ValueError when it lacks the program."""
    packages = dict(debian(root))
    found = {component.name: (component, needs) for component, needs in python(root)}
    if OURS not in found:
        raise ValueError(f"{root} has no {OURS} inside")
    ours, needs = found.pop(OURS)
    ours.type = ComponentType.APPLICATION
    bom = Bom(version=1, components=[*packages, *(component for component, _ in found.values())])
    bom.metadata.component = ours
    bom.metadata.timestamp = _now()
    interpreter = [component for component in packages if re.fullmatch(r"python[\d.]+-minimal", component.name)]
    _depend(bom, ours, [*needs, *(component.name for component in interpreter)], found, packages)
    for component, needed in found.values():
        _depend(bom, component, needed, found, packages)
    for component, needed in packages.items():
        _depend(bom, component, needed, {}, packages)
    # The same content has the same number.
    bom.serial_number = uuid.uuid5(
        uuid.NAMESPACE_OID, " ".join(sorted(str(one.purl) for one in [ours, *bom.components]))
    )
    text: str = JsonV1Dot6(bom).output_as_string(indent=1)
    return f"{text}\n"


def _now() -> datetime:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC).replace(microsecond=0)


def _depend(
    bom: Bom,
    component: Component,
    names: Iterable[str],
    found: Mapping[str, tuple[Component, list[str]]],
    packages: Iterable[Component],
) -> None:
    known = {package.name: package for package in packages} | {name: one for name, (one, _) in found.items()}
    bom.register_dependency(component, [known[name] for name in sorted({*names}) if name in known])


def debian(root: Path) -> Iterator[tuple[Component, list[str]]]:
    """Each Debian package, with the names of what it depends on."""
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)', (root / "etc/os-release").read_text(), flags=re.MULTILINE))
    for path in sorted((root / "var/lib/dpkg/status.d").iterdir()):
        told = Parser().parsestr(path.read_text())
        name, version, machine = told["Package"], told["Version"], told["Architecture"]
        distro = f"{release['ID']}-{release['VERSION_ID']}"
        purl = PackageURL("deb", release["ID"], name, version, {"arch": machine, "distro": distro})
        component = Component(
            name=name,
            version=version,
            type=ComponentType.LIBRARY,
            bom_ref=str(purl),
            purl=purl,
            description=told["Description"].partition("\n")[0],
            licenses=[
                DisjunctiveLicense(name=one) for one in _debian_licences(root / f"usr/share/doc/{name}/copyright")
            ],
            properties=[Property(name="debian:source", value=told["Source"] or name)],
        )
        alternatives = ",".join(filter(None, (told["Depends"], told["Pre-Depends"]))).replace("|", ",").split(",")
        yield component, [match[0] for one in alternatives if (match := _NAME.match(one.strip()))]


def _debian_licences(copyright_file: Path) -> list[str]:
    """The short names in a machine-readable copyright file; of another form, where to read it."""
    text = copyright_file.read_text(encoding="utf-8", errors="replace")
    if text.startswith("Format:"):
        return sorted({" ".join(name.split()) for name in re.findall(r"^License: *(\S.*)$", text, flags=re.MULTILINE)})
    return [f"see /usr/share/doc/{copyright_file.parent.name}/copyright"]


def python(root: Path) -> Iterator[tuple[Component, list[str]]]:
    """Each Python distribution, with the names of what it requires."""
    places = sorted(str(place) for place in root.glob("opt/sidecar/lib/python*/site-packages"))
    for one in sorted(distributions(path=places), key=lambda one: _normal(one.name)):
        name = _normal(one.name)
        purl = PackageURL("pypi", None, name, one.version)
        component = Component(
            name=name,
            version=one.version,
            type=ComponentType.LIBRARY,
            bom_ref=str(purl),
            purl=purl,
            description=one.metadata["Summary"],
            licenses=_python_licence(one),
            external_references=_places(one.metadata),
            components=_linked(one, str(purl)),
        )
        required = (_NAME.match(text) for text in one.requires or () if "extra ==" not in text or name == OURS)
        yield component, [_normal(match[0]) for match in required if match]


def _linked(one: Distribution, within: str) -> list[Component]:
    """What was linked into it where it was built, an OpenSSL say, as far as it tells (PEP 770)."""
    files = [file for file in one.files or () if ".dist-info/sboms/" in str(file) and file.suffix == ".json"]
    documents = [json.loads(Path(str(one.locate_file(file))).read_text(encoding="utf-8")) for file in sorted(files)]
    told = [part for document in documents for part in document.get("components", ()) if part.get("purl")]
    return [
        Component(
            name=part["name"],
            version=part.get("version"),
            type=ComponentType.LIBRARY,
            bom_ref=f"{within}#{part['purl']}",
            purl=PackageURL.from_string(part["purl"]),
            licenses=[
                LicenseFactory().make_from_string(licence["expression"])
                for licence in part.get("licenses", ())
                if "expression" in licence
            ],
        )
        for part in told
    ]


def _normal(name: str) -> str:
    """As indexes of Python packages compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _python_licence(one: Distribution) -> list[License]:
    told = [text for key in ("License-Expression", "License") for text in one.metadata.get_all(key) or ()]
    # Some put the whole text there.
    short = [text for text in told if text and "\n" not in text]
    short += [text.rpartition(" :: ")[2] for text in one.metadata.get_all("Classifier") or () if "License ::" in text]
    return [LicenseFactory().make_from_string(short[0])] if short else []


def _places(metadata: PackageMetadata) -> list[ExternalReference]:
    pairs = [text.partition(", ")[::2] for text in metadata.get_all("Project-URL") or ()]
    home = [url for label, url in pairs if label.lower() in ("homepage", "source", "repository")][:1]
    return [ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(url)) for url in home]


if __name__ == "__main__":
    sys.stdout.write(main(Path(sys.argv[1])))
