"""Validate a crate by roc-validator without a network; runs in that program's own environment. Prints the findings as JSON.

The validator asks the network for the two contexts that crates name. The table below maps the terms that our crates use, as RO-Crate
1.1 and the terms of Workflow Run do; a term that is not in it ends the check, so none is ever dropped silently.
"""

from __future__ import annotations

import json
import sys

from rocrate_validator import services
from rocrate_validator.utils.http import HttpRequester

SCHEMA = [
    "Boolean",
    "CreateAction",
    "CreativeWork",
    "ComputerLanguage",
    "Dataset",
    "Person",
    "Place",
    "PropertyValue",
    "SoftwareApplication",
    "SoftwareSourceCode",
    "about",
    "actionStatus",
    "additionalType",
    "agent",
    "alternateName",
    "author",
    "contentSize",
    "datePublished",
    "description",
    "encodingFormat",
    "endTime",
    "error",
    "exampleOfWork",
    "hasPart",
    "identifier",
    "instrument",
    "license",
    "location",
    "mainEntity",
    "mentions",
    "multipleValues",
    "name",
    "object",
    "programmingLanguage",
    "propertyID",
    "result",
    "sdDatePublished",
    "sdPublisher",
    "softwareVersion",
    "startTime",
    "unitText",
    "url",
    "value",
    "valueRequired",
    "version",
]
RUN = ["ContainerImage", "DockerImage", "containerImage", "registry", "resourceUsage", "sha256", "tag"]
CRATE = {name: f"http://schema.org/{name}" for name in SCHEMA}
CRATE |= {
    "File": "http://schema.org/MediaObject",
    "conformsTo": "http://purl.org/dc/terms/conformsTo",
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}
CONTEXTS = {
    "https://w3id.org/ro/crate/1.1/context": CRATE,
    "https://w3id.org/ro/terms/workflow-run/context": {name: f"https://w3id.org/ro/terms/workflow-run#{name}" for name in RUN},
}


class Answer:
    def __init__(self, url: str) -> None:
        self.status_code = 200 if url in CONTEXTS else 504
        self.headers = {"Content-Type": "application/ld+json"}
        self.text = json.dumps({"@context": CONTEXTS.get(url, {})})

    def json(self):
        return json.loads(self.text)


def unknown_terms(crate: str) -> set[str]:
    with open(f"{crate}/ro-crate-metadata.json", encoding="utf-8") as stream:
        graph = json.load(stream)["@graph"]
    used = {key for entity in graph for key in entity if not key.startswith("@")}
    for entity in graph:
        types = entity["@type"]
        used.update(types if isinstance(types, list) else [types])
    return used - {term for context in CONTEXTS.values() for term in context}


def main(crate: str, severity: str) -> int:
    unknown = unknown_terms(crate)
    if unknown:
        print(json.dumps([f"terms of no context: {sorted(unknown)}"]))
        return 1
    for name in ("get", "head"):
        setattr(HttpRequester(), name, lambda url, **_: Answer(url))
    settings = services.ValidationSettings(
        rocrate_uri=crate, profile_identifier="workflow-run-crate", requirement_severity=severity, skip_availability_check=True
    )
    issues = services.validate(settings).get_issues()
    print(json.dumps([f"{issue.check.identifier}: {issue.message} ({issue.violatingEntity})" for issue in issues]))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
