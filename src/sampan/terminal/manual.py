"""What a manual says of a command beyond its table: options by theme, exit status, related commands.

`--help`, the man pages and docs/reference are made of it, so they agree. Pure, and never on the start-up path: that is
why the themes stand here and not in the option tables, which every start reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.unserved import Unserved

if TYPE_CHECKING:
    from sampan.options.table import Command, Option

# Titles and option names, in the order of a page. A table with fewer options than MANY is shown as it is.
THEMES = (
    ("keeping", "name rm label cidfile scratch read_only"),
    ("files", "volume mount volumes_from tmpfs device shm_size workdir output force"),
    ("user", "root user userns subids group_add"),
    ("program", "entrypoint env env_file env_host interactive tty detach dry_run"),
    ("view of the host", "isolate net publish hostname add_host dns dns_search pid ipc uts x11 ssh_agent"),
    ("limits", "memory cpus gpus time limit_mode cpuset_cpus ulimit timeout"),
    ("end and health", "init stop_signal stop_timeout restart " + " ".join(
        f"health_{part}" for part in ("cmd", "interval", "timeout", "retries", "start_period")
    ) + " no_healthcheck"),
    ("inputs", "values directory no_container"),
    ("jobs", "over dot back_end option at_once wait retries json form pyz no_image"),
    ("image and engine", "pull platform offline cvmfs stage engine engine_trace landlock"),
)  # fmt: skip
# Of a command whose options mean something else.
_BOSH_EXEC = (
    ("launch", "volumes container_opts skip_data_collection provenance no_container no_pull"),
    ("simulate", "input complete json"),
    ("accepted", "debug user stream imagepath no_automounts force_docker force_singularity force_apptainer sandbox"),
)
THEMES_OF = {
    "bosh exec": _BOSH_EXEC,
    "bosh execute": _BOSH_EXEC,
    "repo publish": (
        ("what is published", "list only events platform dry_run"),
        ("what goes", "prune grace quota label"),
        ("where it lies", "base osg_names bind_point"),
        ("how", "parallel wait no_verify authfile"),
        ("the repository", "keys name endpoint gateway gateway_key"),
        ("what is told", "status notify webhook format"),
    ),
}
OTHER = "other"
UNSERVED = "known from the original, without effect here"
MANY = 14
# Commands that become, or end with the status of, a program.
BECOME = ("run", "start", "exec")
FOLLOW = ("attach",)
PARTLY = ("job submit", "job wait", "job retry", "job fetch")


def themes(command: Command) -> list[tuple[str, tuple[Option, ...]]]:
    """The options under titles; all under "options" where there are few."""
    left = {option.name: option for option in command.options}
    unserved = tuple(left.pop(option.name) for option in command.options if isinstance(option, Unserved))
    without = [(UNSERVED, unserved)] if unserved else []
    if len(left) < MANY:
        return [*([("options", tuple(left.values()))] if left else []), *without]
    found = [
        (title, tuple(left.pop(name) for name in names.split() if name in left))
        for title, names in THEMES_OF.get(command.words, THEMES)
    ]
    return [(title, options) for title, options in (*found, (OTHER, tuple(left.values())), *without) if options]


def exit_statuses(command: Command) -> list[tuple[str, str]]:
    """Each status and what it means."""
    failed = ("125", "sampan failed, or was used wrongly; the reason is on standard error")
    if command.words in BECOME:
        found = [
            ("0-255", "the program's own; 128 + N if signal N ended it"),
            failed,
            ("126", "the program is there and cannot be executed"),
            ("127", "the program is not there"),
        ]
        if any(option.name == "timeout" for option in command.options):
            found.insert(1, ("124", "the program ran longer than --timeout"))
        return found
    if command.words in FOLLOW:
        return [("0", "you left, and the container goes on"), ("0-255", "the container's own, if it ended meanwhile"), failed]
    if command.words == "repo publish":
        return [("0", "everything is as the lists want it"), ("1", "some images failed; the table says which and why"), failed]
    if command.words == "search":
        return [("0", "something was found"), ("1", "nothing was found"), failed]
    if command.words in PARTLY:
        return [("0", "all jobs finished, or none was waited for"), ("1", "some did not"), failed]
    if command.words == "rerun":
        return [("0", "nothing differs"), ("1", "something differs"), failed]
    return [("0", "all was done"), failed]


def related(command: Command, names: list[str]) -> list[str]:
    """The other commands, of all `names`, that its own texts name as `sampan NAME`."""
    texts = [command.description, *(option.help for option in command.options)]
    texts += [text for example in command.examples for text in example]
    words = " ".join(texts).replace("`", " ").replace("(", " ").replace(")", " ").replace(";", " ").replace(",", " ").split()
    found = set()
    for at, word in enumerate(words[:-1]):
        if word == "sampan":
            found |= {name for name in (words[at + 1], " ".join(words[at + 1 : at + 3])) if name in names}
    return sorted(found - {command.words})


def variables(command: Command) -> list[str]:
    """The settings that matter to it, by their keys."""
    if command.words.startswith("repo "):
        return ["repo_keys", *(("authfile", "insecure_registries") if command.words == "repo publish" else ())]
    found = ["home"] if command.words not in ("completion", "login", "logout", "search") else []
    names = {option.name for option in command.options}
    if "pull" in names:
        found += ["stores", "engine", "platform", "offline"]
    if "stage" in names:
        found.append("stage")
    if "pull" in names or command.words in ("pull", "push", "search", "login", "logout"):
        found += ["authfile", "insecure_registries"]
    if "pull" in names or command.words == "pull":
        found += ["parallel", "keep_blobs", "foreign_layers"]
    return found
