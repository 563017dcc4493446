"""Run by the interpreter that has parsl and PSI/J: steps in containers of docker. usage: flows_job.py parsl|psij IMAGE DIRECTORY

Three steps write their squares side by side, a fourth adds them up; the sum is left in DIRECTORY/sum.
"""

import sys
from datetime import timedelta
from pathlib import Path

how, image, directory = sys.argv[1:]
place = Path(directory)
RUN = f"docker run --rm -v {directory}:/work -w /work {image}"
STEP = "sh -c 'echo $(({0} * {0})) > square-{0}'"
SUM = "sh -c 'cat square-* | { s=0; while read n; do s=$((s + n)); done; echo $s; } > sum'"


def by_parsl():
    import parsl
    from parsl.config import Config
    from parsl.executors import ThreadPoolExecutor

    parsl.load(Config(executors=[ThreadPoolExecutor(max_threads=2)], run_dir=f"{directory}/runinfo"))

    @parsl.bash_app
    def step(number, inputs=()):
        return f"{RUN} {STEP.format(number)}"

    @parsl.bash_app
    def add(inputs=()):
        return f"{RUN} {SUM}"

    codes = [step(number) for number in (2, 3, 4)]
    assert add(inputs=codes).result() == 0
    parsl.dfk().cleanup()


def by_psij():
    import psij

    def run(command, name):
        spec = psij.JobSpec(
            executable="/bin/sh", arguments=["-c", f"{RUN} {command}"], directory=place, stdout_path=place / f"{name}.out",
            stderr_path=place / f"{name}.err",
        )  # fmt: skip
        job = psij.Job(spec)
        executor.submit(job)
        return job

    executor = psij.JobExecutor.get_instance("local")
    for job in [run(STEP.format(number), f"step-{number}") for number in (2, 3, 4)]:
        assert job.wait(timedelta(seconds=60)).state == psij.JobState.COMPLETED, job.status
    assert run(SUM, "sum").wait(timedelta(seconds=60)).state == psij.JobState.COMPLETED
    # A failure has the container's status.
    failed = run("sh -c 'exit 7'", "failed").wait(timedelta(seconds=60))
    assert (failed.state, failed.exit_code) == (psij.JobState.FAILED, 7), failed


{"parsl": by_parsl, "psij": by_psij}[how]()
