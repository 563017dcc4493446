#!/bin/bash
# The compiler, then the program with two garbage collectors, and a crash report of none.
. /tools/guest/cases.sh
unset JAVA_TOOL_OPTIONS
case_ javac javac -d /work /tools/guest/Session.java
java -Xmx256m -XX:+UseSerialGC -cp /work Session 2>&1
echo "== status"; echo $?
case_ "G1, interpreter only" sh -c 'rm -rf jf jl jh map lock java.sock; java -Xmx256m -Xint -XX:+UseG1GC -cp /work Session | sha256sum'
case_ "jar, jlink's modules" sh -c 'jar cf s.jar *.class && jar tf s.jar | wc -l; java --list-modules | wc -l'
case_ "shell of java" sh -c 'echo "System.out.println(6*7)" | jshell -s - 2>/dev/null | tail -n 1'
