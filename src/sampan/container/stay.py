"""Whether sampan stays beside a payload, and as what: the watcher's part of a plan. Pure; on the start-up path.

A plain foreground start needs nobody: sampan becomes the payload. Somebody has to stay for a detached container, an own pid
namespace, an init, a time limit, a health check, a control group and state on disk that goes with the run.
"""

from __future__ import annotations

from sampan.container import limits, view
from sampan.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.record import Record
    from sampan.oci.config import ImageConfig

# signal(7) on x86, ARM and most others; `signal` itself costs 2 ms of start-up.
SIGNALS = {
    "HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "BUS": 7, "FPE": 8, "KILL": 9, "USR1": 10, "SEGV": 11, "USR2": 12,
    "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17, "CONT": 18, "STOP": 19, "TSTP": 20, "TTIN": 21, "TTOU": 22, "URG": 23,
    "XCPU": 24, "XFSZ": 25, "VTALRM": 26, "PROF": 27, "WINCH": 28, "IO": 29, "PWR": 30, "SYS": 31,
}  # fmt: skip
FIRST_REALTIME, LAST_SIGNAL = 34, 64
STOP_SECONDS = 10.0


class Way:
    """How a container is started this time: in the foreground or detached, kept afterwards or not, watched in any case or not."""

    __slots__ = ("detach", "records", "remove", "socket", "watch")

    def __init__(
        self, *, detach: bool = False, remove: bool = False, socket: str = "", records: str = "", watch: bool = False
    ) -> None:
        self.watch = watch  # somebody stays, so that a payload that a signal ends gives 128 + n
        self.detach = detach
        self.remove = remove
        self.socket = socket  # where clients attach, a short path on this node; empty: nowhere
        # A job: the watcher writes its records into this directory, and everything ends with whoever started it.
        self.records = records


FOREGROUND = Way()


class Health:
    """A health check, times in seconds."""

    __slots__ = ("interval", "retries", "start_period", "timeout", "words")

    def __init__(self, words: tuple[str, ...], interval: float, timeout: float, retries: int, start_period: float) -> None:
        self.words = words
        self.interval = interval
        self.timeout = timeout
        self.retries = retries
        self.start_period = start_period


class Stay:
    """What the watcher does; `flags` as in the launch file, times in seconds, `directory` empty if it writes nothing."""

    __slots__ = ("bound", "directory", "flags", "grace", "health", "limit", "signal", "socket")

    def __init__(self, flags: tuple[str, ...], directory: str, signal: int, grace: float, limit: float, **rest: object) -> None:
        self.flags = flags
        self.directory = directory
        self.signal = signal
        self.grace = grace
        self.limit = limit
        self.socket = str(rest.get("socket", ""))
        self.health: Health | None = rest.get("health")  # type: ignore[assignment]
        self.bound = bool(rest.get("bound"))  # it dies with the thread that started it

    def without_health(self) -> Stay:
        """The same without a health check."""
        return Stay(self.flags, self.directory, self.signal, self.grace, self.limit, socket=self.socket)


def signal_number(text: str) -> int:
    """`TERM`, `SIGTERM`, `15`, `RTMIN+3`. Raises `UsageError`."""
    name = text.upper().removeprefix("SIG")
    if name.isdigit() and 0 < int(name) <= LAST_SIGNAL:
        return int(name)
    base, sign, offset = name.partition("+") if "+" in name else name.partition("-")
    if base in ("RTMIN", "RTMAX") and (not sign or offset.isdigit()):
        number = (FIRST_REALTIME if base == "RTMIN" else LAST_SIGNAL) + int(f"{sign}{offset}" if offset else 0)
        if FIRST_REALTIME <= number <= LAST_SIGNAL:
            return number
    if name not in SIGNALS:
        raise UsageError(f"there is no signal {text!r}", "write a name such as TERM, or a number")
    return SIGNALS[name]


def stay_of(record: Record, config: ImageConfig, way: Way, *, bounded: bool) -> Stay | None:
    """The watcher of a start; `None` if nobody has to stay. `bounded`: in a control group that has to be removed."""
    request = record.request
    signal = signal_number(request.stop_signal) if request.stop_signal else _signal_of(config)
    health = _health(record, config)
    limit = limits.parse_seconds(request.timeout, "--timeout") if request.timeout is not None else 0.0
    if not (way.detach or way.remove or way.records or way.watch or limit or health or bounded or view.own_pid(request)):
        return None
    flags = ["detach", "logs"] if way.detach else []
    if way.detach and request.tty:
        flags.append("pty")
    elif way.detach and request.interactive:
        flags.append("stdin")
    if way.remove:
        flags.append("remove")
    grace = limits.parse_seconds(request.stop_timeout, "--stop-timeout") if request.stop_timeout is not None else STOP_SECONDS
    socket = way.socket if way.detach else ""
    directory = way.records or record.directory
    return Stay(tuple(flags), directory, signal, grace, limit, health=health, socket=socket, bound=bool(way.records))


def _signal_of(config: ImageConfig) -> int:
    """The image's signal; one that this machine does not know is no reason not to start."""
    try:
        return signal_number(config.stop_signal or "TERM")
    except UsageError:
        return SIGNALS["TERM"]


def _health(record: Record, config: ImageConfig) -> Health | None:
    """From the options, else from the image; only a container with a directory has a place for the answer."""
    request = record.request
    if request.no_health or not record.directory:
        return None
    words = ("/bin/sh", "-c", request.health_command) if request.health_command else config.healthcheck.words
    if not words:
        return None
    image = config.healthcheck
    times = (
        (request.health_interval, image.interval, 30.0, "--health-interval"),
        (request.health_timeout, image.timeout, 30.0, "--health-timeout"),
        (request.health_start_period, image.start_period, 0.0, "--health-start-period"),
    )
    interval, timeout, start = (
        limits.parse_seconds(text, what) if text else own or default for text, own, default, what in times
    )
    retries = limits.parse_count(request.health_retries, "--health-retries") if request.health_retries else image.retries or 3
    return Health(words, interval, timeout, retries, start)
