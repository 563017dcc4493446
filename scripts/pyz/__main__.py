"""`python3 sampan.pyz`: the same first steps as those of the file's shell header."""

import sys

with open(sys.argv[0], "rb") as stream:
    front = stream.read(@FRONT@)
sys.argv.insert(1, sys.argv[0])
exec(front.partition(b"\n#python\n")[2])
