#!/bin/sh
# sampan.pyz: run container images without root, without a daemon. This file is a shell script in front of a zip file.
# It needs a Python from 3.9 on, and nothing else: no network, no installation, no directory to write to.
for python in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9; do
    command -v "$python" >/dev/null 2>&1 && exec "$python" -I -S -c \
        'import sys; exec(open(sys.argv[1], "rb").read(@FRONT@).partition(b"\n#python\n")[2])' "$0" "$@"
done
echo "sampan: there is no python3 on PATH${PATH:+ ($PATH)}, and sampan.pyz needs Python 3.9 or later" >&2
echo "hint: install Python, or load it (module load python), or name it: /where/it/is/python3 $0" >&2
exit 125
#python
