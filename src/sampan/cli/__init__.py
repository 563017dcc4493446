"""The command line: one command a file. Each has `COMMAND`, its table, and `main(parsed, context)`.

The table below is all that `sampan --help` needs. On the start-up path.
"""

from __future__ import annotations

# group -> command -> (module, what it does)
GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "images": {
        "pull": ("sampan.cli.pull", "fetch images from their registries and unpack them"),
        "push": ("sampan.cli.push", "send an image to a registry"),
        "images": ("sampan.cli.images", "list the images in the store"),
        "inspect": ("sampan.cli.inspect", "show what an image or a container is"),
        "history": ("sampan.cli.history", "show the steps that made an image"),
        "verify": ("sampan.cli.verify", "read an image again and compare it with its digests"),
        "tag": ("sampan.cli.tag", "give an image of the store another name"),
        "rmi": ("sampan.cli.rmi", "remove images"),
        "load": ("sampan.cli.load", "load images from an archive or a layout"),
        "save": ("sampan.cli.save", "write images to an archive"),
        "import": ("sampan.cli.import_", "make an image of a root file system"),
        "export": ("sampan.cli.export", "write the root file system of a container or an image"),
    },
    "registries": {
        "search": ("sampan.cli.search", "look for images at a registry"),
        "login": ("sampan.cli.login", "store a password for a registry, after asking it whether it is right"),
        "logout": ("sampan.cli.logout", "forget the password for a registry"),
    },
    "containers": {
        "run": ("sampan.cli.run", "run a program in an image"),
        "create": ("sampan.cli.create", "make a container that keeps its changes"),
        "start": ("sampan.cli.start", "run a container that was created"),
        "restart": ("sampan.cli.restart", "stop containers and start them again in the background"),
        "stop": ("sampan.cli.stop", "ask containers to end, and end them after a while"),
        "kill": ("sampan.cli.kill", "send a signal to containers"),
        "pause": ("sampan.cli.pause", "stop every process of containers"),
        "unpause": ("sampan.cli.unpause", "let paused containers go on"),
        "wait": ("sampan.cli.wait", "wait until containers have ended"),
        "exec": ("sampan.cli.exec", "run a program in a container that runs"),
        "attach": ("sampan.cli.attach", "put this terminal on the streams of a detached container"),
        "logs": ("sampan.cli.logs", "show what a detached container has written"),
        "top": ("sampan.cli.top", "list the processes of a container"),
        "stats": ("sampan.cli.stats", "show what running containers use"),
        "rename": ("sampan.cli.rename", "give a container another name"),
        "ps": ("sampan.cli.ps", "list containers"),
        "diff": ("sampan.cli.diff", "list what a container has changed"),
        "commit": ("sampan.cli.commit", "make an image of a container"),
        "cp": ("sampan.cli.cp", "copy files into or out of a container"),
        "rm": ("sampan.cli.rm", "remove containers"),
        "prune": ("sampan.cli.prune", "remove all containers that do not run"),
        "wrap": ("sampan.cli.wrap", "make an executable file that runs a program in an image"),
    },
    "applications": {
        "app": (
            "sampan.cli.app",
            "Boutiques applications: launch, simulate, show, example, validate, test, list, add, import, rm",
        ),
        "job": (
            "sampan.cli.job",
            "launch applications as many jobs: submit, bundle, take, list, show, logs, wait, cancel, retry, fetch, clean",
        ),
        "rerun": ("sampan.cli.rerun", "repeat the execution of a crate, and say what differs"),
        "bosh": ("sampan.cli.bosh", "the words of bosh: validate, exec, example, evaluate, invocation, test, version"),
    },
    "repositories": {
        "repo": (
            "sampan.cli.repo",
            "CVMFS repositories of images: init, publish, status, ls, cat, check, gc, resign, tag, rollback, mirror, serve",
        ),
    },
    "sampan itself": {
        "doctor": ("sampan.cli.doctor", "say what works on this machine, and why something does not"),
        "self-check": ("sampan.cli.self_check", "try on this node what a job's start does"),
        "completion": ("sampan.cli.completion", "print the completion script of a shell"),
        "config": ("sampan.cli.config", "show the settings and where they come from"),
        "shims": ("sampan.cli.shims", "write files named docker, podman, ... that call sampan"),
        "store": ("sampan.cli.store", "look after the store: du, gc, prune, fsck, pins, move, init, adopt"),
    },
}

# Other programs' command lines (`compat`): program -> (module, what it does)
PROGRAMS: dict[str, tuple[str, str]] = {
    "docker": ("sampan.compat.docker", "what `docker` would do, as far as it needs no daemon"),
    "podman": ("sampan.compat.podman", "what `podman` would do"),
    "udocker": ("sampan.compat.udocker", "what `udocker` would do, and with what it has left in ~/.udocker"),
}

# Words before the command -> how much is said
LEVELS = {"-q": 0, "--quiet": 0, "--debug": 2}


def find(word: str) -> tuple[str, str] | None:
    """The module and summary of a command."""
    for commands in GROUPS.values():
        if word in commands:
            return commands[word]
    return None
