"""Which engine starts a container here. On the start-up path."""

from __future__ import annotations

from sampan.errors import CannotHonour, HostError, NoEngine, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.asks import Ask, Can
    from sampan.engine.base import Engine
    from sampan.settings import Settings

# In the order in which `auto` takes them: name -> (module, class).
ENGINES = {
    "namespace": ("sampan.engine.namespace", "Namespace"),
    "intercept": ("sampan.engine.intercept", "Intercept"),
    "proot": ("sampan.engine.proot", "Proot"),
    "oci-runtime": ("sampan.engine.oci_runtime", "OciRuntime"),
}
# It needs what `namespace` needs, and costs more: only for those who ask for it.
ON_REQUEST = ("oci-runtime",)


def load(name: str, settings: Settings) -> Engine:
    """The engine of this name. Raises `UsageError`."""
    if name not in ENGINES:
        raise UsageError(f"there is no engine {name!r}", f"there are auto, {', '.join(ENGINES)}")
    module, cls = ENGINES[name]
    engine: Engine = getattr(__import__(module, fromlist=[cls]), cls)(settings)
    return engine


def choose(asks: tuple[Ask, ...], name: str, settings: Settings, place: str | None) -> tuple[Engine, Can]:
    """The named engine; of several, with commas between, or of all for `auto`, the first that meets every `must`; `place` holds kept changes.

    Raises `NoEngine` with every reason, and `CannotHonour` if engines work but none can do what is asked.
    """
    names = [engine for engine in ENGINES if engine not in ON_REQUEST] if name == "auto" else name.split(",")
    several = name == "auto" or len(names) > 1
    reasons: list[tuple[str, str, str]] = []
    missing: list[str] = []
    for candidate in names:
        engine = load(candidate, settings)
        try:
            probe = engine.probe(place)
        except HostError as error:
            if not several:
                raise
            reasons.append((candidate, error.sentence, error.hint or ""))
            continue
        if probe.can is None:
            reasons += [(candidate, reason, help) for reason, help in probe.obstacles]
            continue
        unmet = [ask for ask in probe.can.missing(asks) if ask.must]
        if not unmet or not several:
            return engine, probe.can
        missing.append(f"{candidate}: {', '.join(ask.words for ask in unmet)}")
    if missing:
        raise CannotHonour(
            f"no engine can do all that was asked ({'; '.join(missing)})", "`sampan doctor` says what each can do here"
        )
    sentence = "; ".join(f"{candidate}: {reason}" for candidate, reason, _ in reasons)
    raise NoEngine(f"no engine works on this machine: {sentence}", reasons[0][2] if reasons else "see `sampan doctor`")
