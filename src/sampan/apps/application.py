"""The values of an application: what a checked descriptor says, by the words of Boutiques. On the path of `app launch`.

They are made once by `apps.load` and never changed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    # What an input can hold once it is bound; a sub-command's values are a dict.
    Scalar = Union[str, bool, int, float]
    Value = Union[Scalar, "tuple[Value, ...]", "dict[str, Value]"]

STRING, FILE, FLAG, NUMBER, COMMAND = "String", "File", "Flag", "Number", "Command"
"""The types of inputs; `Command` is an extension: a sub-command, or one of several."""


class Slotted:
    """Fields by keyword; every one has to be given."""

    __slots__: tuple[str, ...] = ()

    def __init__(self, **fields: object) -> None:
        for name in self.__slots__:
            setattr(self, name, fields[name])


class Input(Slotted):
    """One input. Texts that were not given are empty, bounds `None`; `requires` and `disables` hold ids."""

    __slots__ = (
        "absolute", "choices", "commands", "default", "description", "disables", "exclusive_maximum", "exclusive_minimum", "flag",
        "flag_separator", "hidden", "id", "integer", "list", "max_entries", "maximum", "media_types", "min_entries", "minimum", "mutable",
        "name", "optional", "requires", "resolve_parent", "separator", "type", "value_disables", "value_key", "value_requires",
    )  # fmt: skip
    id: str
    name: str
    type: str
    description: str
    optional: bool
    list: bool
    separator: str
    value_key: str
    flag: str | None
    flag_separator: str
    default: object
    choices: tuple[str | int | float, ...]
    requires: tuple[str, ...]
    disables: tuple[str, ...]
    value_requires: dict[str, tuple[str, ...]]
    value_disables: dict[str, tuple[str, ...]]
    integer: bool
    minimum: float | None
    maximum: float | None
    exclusive_minimum: bool
    exclusive_maximum: bool
    min_entries: int | None
    max_entries: int | None
    absolute: bool
    hidden: bool
    """Another input's value is copied here (`vip:overriddenInputs`): no form shows it."""
    commands: tuple[Subcommand, ...]
    """For the type `Command`: the sub-commands to choose from."""
    mutable: bool
    """The program changes the file itself (niwrap)."""
    resolve_parent: bool
    """The file's neighbours are needed too (niwrap)."""
    media_types: tuple[str, ...]


class Output(Slotted):
    """A file or several that the program makes; with `template` a file that is written before it starts."""

    __slots__ = (
        "absolute", "conditions", "description", "flag", "flag_separator", "id", "list", "name", "optional", "path", "stripped",
        "template", "value_key",
    )  # fmt: skip
    id: str
    name: str
    description: str
    value_key: str
    path: str
    """The path template, or empty where `conditions` decide."""
    conditions: tuple[tuple[str, str], ...]
    """Conditions with their path templates; the last may be `default`."""
    stripped: tuple[str, ...]
    optional: bool
    list: bool
    flag: str | None
    flag_separator: str
    absolute: bool
    template: tuple[str, ...]
    """The lines of the file."""


class Group(Slotted):
    """Inputs that belong together."""

    __slots__ = ("all_or_none", "description", "exclusive", "id", "members", "name", "one_required")
    id: str
    name: str
    description: str
    members: tuple[str, ...]
    exclusive: bool
    one_required: bool
    all_or_none: bool


class Container(Slotted):
    """The image that an application runs in. `kind` is docker, singularity or rootfs; the last has only `url`."""

    __slots__ = ("entrypoint", "hash", "image", "index", "kind", "options", "url", "workdir")
    kind: str
    image: str
    index: str
    url: str
    options: tuple[str, ...]
    workdir: str
    hash: str
    entrypoint: bool


class Resources(Slotted):
    """What a job of it should be given: cores, memory and disk in GB, nodes, seconds."""

    __slots__ = ("cpu_cores", "disk_space", "nodes", "ram", "walltime")
    cpu_cores: int | None
    ram: float | None
    disk_space: float | None
    nodes: int | None
    walltime: float | None


class Test(Slotted):
    """A case of the descriptor: an invocation, the exit status and the files that must follow (id, MD5 or empty)."""

    __slots__ = ("exit_code", "files", "invocation", "name")
    name: str
    invocation: dict[str, object]
    exit_code: int | None
    files: tuple[tuple[str, str], ...]


class Vip(Slotted):
    """What VIP puts into `custom`; executions and forms act on it."""

    __slots__ = ("directory_inputs", "dot", "integer_iterators", "overridden", "results_suffix")
    dot: tuple[str, ...]
    """Inputs whose lists are walked together instead of crossed."""
    directory_inputs: dict[str, tuple[str, ...]]
    """Inputs that may be given a directory: the patterns of the files in it that count."""
    integer_iterators: tuple[str, ...]
    """Inputs whose number N stands for the jobs 0 to N-1."""
    overridden: dict[str, str]
    """Hidden input -> the input its value is copied from."""
    results_suffix: str | None


class Stream(Slotted):
    """Standard output or error as an output file (niwrap)."""

    __slots__ = ("description", "id", "name", "stream")
    id: str
    name: str
    description: str
    stream: str


class Subcommand(Slotted):
    """A command line inside of another one, with inputs and outputs of its own (niwrap)."""

    __slots__ = ("command_line", "id", "inputs", "name", "outputs")
    id: str
    name: str
    command_line: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]


class Application(Slotted):
    """One descriptor. `origin` is where it came from, `data` its bytes."""

    __slots__ = (
        "author", "command_line", "container", "custom", "data", "description", "environment", "error_codes", "groups", "inputs",
        "name", "origin", "outputs", "resources", "shell", "streams", "tags", "tests", "url", "version", "vip",
    )  # fmt: skip
    name: str
    version: str
    description: str
    author: str
    url: str
    command_line: str
    shell: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    groups: tuple[Group, ...]
    container: Container | None
    environment: tuple[tuple[str, str], ...]
    error_codes: dict[int, str]
    resources: Resources
    tests: tuple[Test, ...]
    tags: dict[str, object]
    custom: dict[str, object]
    vip: Vip
    streams: tuple[Stream, ...]
    origin: str
    data: bytes

    def input(self, id: str) -> Input:
        """The input of this id. Raises KeyError."""
        for one in self.inputs:
            if one.id == id:
                return one
        raise KeyError(id)

    def output(self, id: str) -> Output:
        """The output file of this id. Raises KeyError."""
        for one in self.outputs:
            if one.id == id:
                return one
        raise KeyError(id)

    @property
    def digest(self) -> str:
        """`sha256:...` of the descriptor's bytes, by which an execution names what it ran."""
        from sampan.oci.digest import sha256_of

        return str(sha256_of(self.data))

    @property
    def identifier(self) -> str:
        """`NAME/VERSION`, CARMIN's identifier of a pipeline."""
        return f"{self.name}/{self.version}"
