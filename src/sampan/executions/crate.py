"""A Workflow Run RO-Crate (profile 0.5, on RO-Crate 1.1) of an execution: the JSON-LD document as a pure function of values.

The application's descriptor is the workflow, its inputs and outputs are the formal parameters, and each job that ended is one
action: what it took (`object`), what it made (`result`), when, where and in which image. A plain value that several jobs share is
one entity, and so is a file. Facts come from `provenance`; reading a crate again is the part of `rerun`.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from sampan.executions import states

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Entity = dict[str, Any]

METADATA = "ro-crate-metadata.json"
DESCRIPTOR = "application.json"
RECORD = "execution.json"
INPUTS = "inputs"
CONTEXT = ("https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context")
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
FORMAL = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"
NO_LICENSE = "No licence is stated. Ask whoever made this crate before you use its data."
_TYPES = {"String": "Text", "File": "File", "Flag": "Boolean", "Number": "Float"}
_STATUS = {
    # Texts, not links: the profile has them so.
    states.FINISHED: "http://schema.org/CompletedActionStatus",
    states.FAILED: "http://schema.org/FailedActionStatus",
    states.CANCELLED: "http://schema.org/FailedActionStatus",
}


@dataclass(frozen=True)
class Content:
    """A file or directory: where it lies (a path in the crate or a URI), the name it had, digest (`sha256:`...), bytes."""

    place: str
    name: str
    digest: str = ""
    size: int = -1
    directory: bool = False


@dataclass(frozen=True)
class Parameter:
    """An input or output of the application; `type` is Boutiques' word."""

    id: str
    name: str
    type: str
    description: str = ""
    optional: bool = False
    many: bool = False
    output: bool = False
    directory: bool = False


@dataclass(frozen=True)
class Action:
    """One job that ended. `used` and `made` go by parameter; `streams` are its logs, made under no parameter."""

    number: int
    name: str
    state: str
    started: str
    ended: str
    description: str = ""
    error: str = ""
    node: str = ""
    processor_seconds: float = 0.0
    memory: int = 0
    values: tuple[tuple[str, object], ...] = ()
    used: tuple[tuple[str, Content], ...] = ()
    made: tuple[tuple[str, Content], ...] = ()
    streams: tuple[Content, ...] = ()


@dataclass(frozen=True)
class Image:
    """A container image by its parts."""

    registry: str
    name: str
    tag: str
    digest: str


@dataclass(frozen=True)
class Crate:
    """All that a crate tells. Times are ISO 8601 with a zone."""

    id: str
    title: str
    description: str
    published: str
    user: str
    license: str
    application: str
    version: str
    summary: str
    digest: str
    url: str
    author: str
    image: Image | None
    sampan: str
    parameters: tuple[Parameter, ...]
    actions: tuple[Action, ...]


def document(crate: Crate) -> Entity:
    """The whole of `ro-crate-metadata.json`."""
    graph = _Graph(crate)
    return {"@context": list(CONTEXT), "@graph": graph.entities()}


class _Graph:
    """Entities by their ids, each once; what several jobs use is merged."""

    def __init__(self, crate: Crate) -> None:
        self._crate = crate
        self._found: dict[str, Entity] = {}

    def entities(self) -> list[Entity]:
        """The metadata file first, as readers expect it, then the root, the application and all that they name."""
        crate = self._crate
        actions = [self._action(action) for action in crate.actions]
        parameters = [self._parameter(parameter) for parameter in crate.parameters]
        self._workflow(parameters)
        parts = [id for id, entity in self._found.items() if _is_data(entity)]
        parts.append(self._add(RECORD, "File", name="the execution as sampan keeps it", encodingFormat="application/json"))
        root = {
            "@id": "./",
            "@type": "Dataset",
            "name": shown(crate.title),
            "description": shown(crate.description),
            "datePublished": crate.published,
            "conformsTo": _ids(PROFILES),
            "license": self._license(),
            "mainEntity": {"@id": DESCRIPTOR},
            "hasPart": _ids(parts),
            "mentions": _ids(actions),
            "identifier": crate.id,
            "author": {"@id": self._person()},
        }
        for uri, (name, version) in PROFILES.items():
            self._add(uri, "CreativeWork", name=name, version=version)
        descriptor: Entity = {
            "@id": METADATA,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": _ids(["https://w3id.org/ro/crate/1.1", "https://w3id.org/workflowhub/workflow-ro-crate/1.0"]),
            "sdPublisher": {"@id": self._sampan()},
        }
        return [_single(entity) for entity in (descriptor, root, *self._found.values())]

    def _add(self, id: str, type: str | list[str], **fields: object) -> str:
        self._found.setdefault(
            id, {"@id": id, "@type": type, **{name: _clean(value) for name, value in fields.items() if _says(value)}}
        )
        return id

    def _person(self) -> str:
        return self._add(f"#{quote(self._crate.user)}", "Person", name=self._crate.user)

    def _license(self) -> object:
        license = self._crate.license
        return (
            {"@id": self._add(license, "CreativeWork", name=license.rsplit("/", 1)[-1], url=license)}
            if "://" in license
            else license
        )

    def _sampan(self) -> str:
        return self._add("#sampan", "SoftwareApplication", name="sampan", softwareVersion=self._crate.sampan)

    def _workflow(self, parameters: list[tuple[str, bool]]) -> None:
        crate = self._crate
        language = self._add(
            "#boutiques", "ComputerLanguage", name="Boutiques", alternateName="Boutiques descriptor", version="0.5",
            identifier={"@id": "https://boutiques.github.io/"}, url={"@id": "https://boutiques.github.io/"},
        )  # fmt: skip
        author = self._add(f"#author-{quote(crate.author)}", "Person", name=crate.author) if crate.author else ""
        self._add(
            DESCRIPTOR,
            ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
            name=crate.application,
            version=crate.version,
            description=crate.summary,
            url=crate.url,
            sha256=_hex(crate.digest),
            encodingFormat="application/json",
            author={"@id": author} if author else None,
            programmingLanguage={"@id": language},
            input=_ids(id for id, output in parameters if not output),
            output=_ids(id for id, output in parameters if output),
        )

    def _parameter(self, parameter: Parameter) -> tuple[str, bool]:
        id = self._add(
            _formal(parameter.id, parameter.output),
            "FormalParameter",
            additionalType="Dataset" if parameter.directory else _TYPES.get(parameter.type, "Text"),
            name=parameter.id,
            alternateName=parameter.name if parameter.name != parameter.id else None,
            description=parameter.description,
            valueRequired=not parameter.optional,
            multipleValues=parameter.many or None,
            conformsTo={"@id": FORMAL},
        )
        self._add(FORMAL, "CreativeWork", name="FormalParameter", version="1.0-RELEASE")
        return id, parameter.output

    def _action(self, action: Action) -> str:
        used = [self._value(name, value) for name, value in action.values]
        used += [self._content(content, _formal(name, False)) for name, content in action.used]
        made = [self._content(content, _formal(name, True)) for name, content in action.made]
        made += [self._content(content, "") for content in action.streams]
        usage = []
        for name, value, unit in (("memory", action.memory, "byte"), ("cpu", action.processor_seconds, "second")):
            if value:
                id = f"#job-{action.number}-{name}"
                usage.append(self._add(id, "PropertyValue", name=name, propertyID=name, value=str(value), unitText=unit))
        return self._add(
            f"#job-{action.number}",
            "CreateAction",
            name=action.name,
            startTime=action.started,
            endTime=action.ended,
            actionStatus=_STATUS[action.state],
            error=action.error,
            description=action.description,
            instrument={"@id": DESCRIPTOR},
            agent={"@id": self._person()},
            location={"@id": self._add(f"#node-{quote(action.node)}", "Place", name=action.node)} if action.node else None,
            object=_ids(used),
            result=_ids(made),
            resourceUsage=_ids(usage),
            containerImage=self._image(),
        )

    def _image(self) -> Entity | None:
        image = self._crate.image
        if image is None:
            return None
        id = self._add(
            "#image", "ContainerImage", additionalType={"@id": "https://w3id.org/ro/terms/workflow-run#DockerImage"},
            registry=image.registry, name=image.name, tag=image.tag, sha256=_hex(image.digest),
        )  # fmt: skip
        return {"@id": id}

    def _value(self, name: str, value: object) -> str:
        text = json.dumps(value, sort_keys=True)
        id = f"#value-{quote(name)}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        shown = value if isinstance(value, (str, int, float)) and not isinstance(value, bool) else text
        return self._add(id, "PropertyValue", name=name, value=shown, exampleOfWork={"@id": _formal(name, False)})

    def _content(self, content: Content, formal: str) -> str:
        id = (
            content.place
            if ":" in content.place.split("/")[0]
            else quote(os.fsencode(content.place)) + ("/" if content.directory else "")
        )
        self._add(
            id, "Dataset" if content.directory else "File", name=content.name.rsplit("/", 1)[-1], alternateName=content.name,
            sha256=_hex(content.digest), contentSize=str(content.size) if content.size >= 0 and not content.directory else None,
            sdDatePublished=self._crate.published if ":" in content.place else None,
        )  # fmt: skip
        if formal:
            roles = self._found[id].setdefault("exampleOfWork", [])
            if {"@id": formal} not in roles:
                roles.append({"@id": formal})
        return id


def _single(entity: Entity) -> Entity:
    """A list of one is written as its only value."""
    return {name: value[0] if isinstance(value, list) and len(value) == 1 else value for name, value in entity.items()}


def shown(name: str) -> str:
    """A file name as JSON-LD can hold it: bytes that are no UTF-8 are escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _clean(value: object) -> object:
    return shown(value) if isinstance(value, str) else value


def _formal(name: str, output: bool) -> str:
    return f"#{'output' if output else 'input'}-{quote(name)}"


def _hex(digest: str) -> str:
    return digest.rpartition(":")[2]


def _says(value: object) -> bool:
    return value is not None and value not in ("", [], ())


def _ids(ids: Iterable[str]) -> list[Entity]:
    return [{"@id": id} for id in dict.fromkeys(ids)]


def _is_data(entity: Entity) -> bool:
    types = entity["@type"] if isinstance(entity["@type"], list) else [entity["@type"]]
    return "File" in types or "Dataset" in types
