# The first steps of sampan.pyz, compiled at each start, so as short as possible: find the compiled modules of this
# interpreter, and hand over to sampan_pyz.boot. It must also compile on a Python that is too old, to be able to say so.
import sys


def end(sentence, hint):
    sys.stderr.write("sampan: %s\nhint: %s\n" % (sentence, hint))
    sys.exit(125)


def other(file):
    # This Python is too old (or Python 2). Another one may be on PATH; it is asked, since a name may be a wrapper around nothing.
    import os
    import subprocess

    nothing = open(os.devnull, "w")
    for minor in range(14, 8, -1):
        program = "python3.%d" % minor
        ask = [program, "-I", "-S", "-c", "import sys; sys.exit(sys.version_info < (3, 9))"]
        try:
            if subprocess.call(ask, stdout=nothing, stderr=nothing) == 0:
                os.execvp(program, [program, "-I", "-S", file] + sys.argv[2:])
        except OSError:
            pass
    end(
        "sampan.pyz needs Python 3.9 or later, and %s is %d.%d" % ((sys.executable,) + sys.version_info[:2]),
        "load a newer one (module load python), or name it: /where/it/is/python3 %s" % file,
    )


def head(stream, offset):
    # What a bundle begins with, if it is whole: 8 bytes of check, 8 of length, then marshalled objects.
    import _imp
    import marshal

    stream.seek(offset)
    check = stream.read(8)
    size = int.from_bytes(stream.read(8), "little")
    data = stream.read(size) if size < 1 << 26 else b""
    return marshal.loads(data) if data and _imp.source_hash(KEY, data) == check else None


def main(file):
    from _frozen_importlib_external import MAGIC_NUMBER

    stream = open(file, "rb", 0)
    if stream.seek(0, 2) != SIZE:
        end("%s is cut off or changed: it has %d bytes of %d" % (file, stream.tell(), SIZE), "copy it again")
    offset = BUNDLES.get((sys.implementation.cache_tag, MAGIC_NUMBER))
    if offset is None:
        # No compiled modules for this interpreter: they are made once, from the sources in the zip file.
        sys.path.insert(0, file)
        from sampan_pyz.prepare import prepared

        cached = prepared(file, DIGEST, head)
        if cached is None:
            from sampan.__main__ import main_and_exit

            return main_and_exit()
        sys.path.remove(file)
        stream, offset, found = cached
    else:
        found = head(stream, offset)
    if found is None:
        end("%s is damaged" % file, "copy it again")
    scope = {}
    exec(found["boot"], scope)
    scope["start"](file, stream, offset, found)


if sys.version_info < (3, 9):
    other(sys.argv[1])
main(sys.argv.pop(1))
