"""Inside: runs one test module of CPython and writes a line for each test as it ends: ID, tab, outcome. usage: cpython.py MODULE RESULT

A file and not a summary, because a test that ends the interpreter must not take the others' results along.
"""

import sys
import unittest


class Recorder(unittest.TestResult):
    def __init__(self, stream):
        super().__init__()
        self.stream = stream
        self.bad = False

    def note(self, test, outcome):
        self.stream.write(f"{test.id()}\t{outcome}\n")
        self.stream.flush()

    def startTest(self, test):
        super().startTest(test)
        self.bad = False

    def addSuccess(self, test):
        if not self.bad:
            self.note(test, "ok")

    def addError(self, test, err):
        self.bad = True
        self.note(test, f"error {err[0].__name__}")
        super().addError(test, err)

    def addFailure(self, test, err):
        self.bad = True
        self.note(test, "failure")
        super().addFailure(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.bad = True
            self.note(test, "failure")
        super().addSubTest(test, subtest, err)

    def addSkip(self, test, reason):
        self.bad = True
        self.note(test, "skipped")

    def addExpectedFailure(self, test, err):
        self.note(test, "expected failure")

    def addUnexpectedSuccess(self, test):
        self.note(test, "unexpected success")


def main():
    module, result = sys.argv[1:3]
    import faulthandler

    from test import support

    support.use_resources = []  # no foreign network, no gigabytes
    support.verbose = 0
    faulthandler.enable()
    with open(result, "a", encoding="utf-8") as stream:
        recorder = Recorder(stream)
        try:
            suite = unittest.defaultTestLoader.loadTestsFromName(f"test.{module}")
        except unittest.SkipTest:
            stream.write(f"{module}\tskipped\n")
            return
        suite.run(recorder)
        stream.write(f"{module} as a whole\tended\n")
    for _, text in recorder.errors + recorder.failures:
        print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
