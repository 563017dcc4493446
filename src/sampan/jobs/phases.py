"""The phases of a job and the exit codes that name them, and why a job failed.

The decades are those of VIP's wrapper: 20 before anything, 30 stage-out, 40 stage-in, 50 the payload, 60 credentials.
"""

from __future__ import annotations

PREPARE, STAGE_IN, IMAGE, RUN, STAGE_OUT = "prepare", "stage-in", "image", "run", "stage-out"

DONE = 0
BAD_JOB, BAD_NODE, TAKEN, NO_DISK = 20, 21, 22, 23
OUTPUT_MISSING, OUTPUT_REFUSED, OUTPUT_THERE, OUTPUT_NO_SPACE, OUTPUT_NOT_STORED, OUTPUT_DENIED = 30, 31, 32, 33, 34, 35
INPUT_MISSING, INPUT_DIFFERS, INPUT_NOT_FETCHED, INPUT_NO_SPACE, INPUT_DENIED, NO_IMAGE = 40, 41, 42, 43, 44, 45
ENDED, OVER_TIME, OVER_MEMORY, SIGNALLED, NOT_STARTED = 50, 51, 52, 53, 54
EXPIRED, CANCELLED, DEFECT = 60, 70, 79

# code -> (phase, words); the phase is empty where a status has to say it.
CODES: dict[int, tuple[str, str]] = {
    DONE: ("", "done"),
    BAD_JOB: (PREPARE, "its directory cannot be used"),
    BAD_NODE: (PREPARE, "the node lacks something"),
    TAKEN: (PREPARE, "somebody else runs it or has run it"),
    NO_DISK: (PREPARE, "not enough room for its files"),
    OUTPUT_MISSING: (STAGE_OUT, "an output is missing"),
    OUTPUT_REFUSED: (STAGE_OUT, "an output may not be taken"),
    OUTPUT_THERE: (STAGE_OUT, "the destination of an output is taken"),
    OUTPUT_NO_SPACE: (STAGE_OUT, "no room for an output"),
    OUTPUT_NOT_STORED: (STAGE_OUT, "an output could not be stored"),
    OUTPUT_DENIED: (STAGE_OUT, "the destination refused the credentials"),
    INPUT_MISSING: (STAGE_IN, "an input is missing"),
    INPUT_DIFFERS: (STAGE_IN, "an input is not what it should be"),
    INPUT_NOT_FETCHED: (STAGE_IN, "an input could not be fetched"),
    INPUT_NO_SPACE: (STAGE_IN, "no room for an input"),
    INPUT_DENIED: (STAGE_IN, "the source refused the credentials"),
    NO_IMAGE: (IMAGE, "the image is not to be had"),
    ENDED: (RUN, "the program failed"),
    OVER_TIME: (RUN, "ended at the time limit"),
    OVER_MEMORY: (RUN, "ended at the memory limit"),
    SIGNALLED: (RUN, "ended by a signal"),
    NOT_STARTED: (RUN, "the program could not be started"),
    EXPIRED: ("", "the credentials have expired"),
    CANCELLED: ("", "cancelled"),
    DEFECT: ("", "a defect of sampan"),
}
_MAY_PASS = frozenset(
    (BAD_NODE, NO_DISK, OUTPUT_NO_SPACE, OUTPUT_NOT_STORED, INPUT_NOT_FETCHED, INPUT_NO_SPACE, NO_IMAGE, EXPIRED)
)


def phase_of(code: int) -> str:
    """The phase that an exit code of a worker names; empty if it names none."""
    return CODES.get(code, ("", ""))[0]


def may_pass(code: int | None) -> bool:
    """Whether the same job could go well at another time or on another node; `None`: it left no status."""
    return code is None or code in _MAY_PASS


class Failed(Exception):
    """Why a job ends here; never leaves a worker, which writes it into the status."""

    def __init__(self, code: int, cause: str, hint: str | None = None, phase: str = "") -> None:
        super().__init__(cause)
        self.code = code
        self.cause = cause
        self.hint = hint
        self.phase = phase or phase_of(code)
