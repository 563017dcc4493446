#!/bin/bash
# Programs that look into others, keep data, or pack.
. /tools/guest/cases.sh
case_ "gdb: break, step, backtrace" sh -c 'printf "int f(int x){return x*2;}\nint main(void){return f(21);}\n" >g.c; gcc -g -O0 -o g g.c; gdb -batch -nx -iex "set debuginfod enabled off" -ex "handle SIGSYS nostop noprint pass" -ex "break f" -ex run -ex "print x" -ex bt -ex finish -ex c ./g 2>&1 | grep -E "^\\$|^#|exited" | sed "s/0x[0-9a-f]*/ADDR/g; s/process [0-9]*/process/"'
case_ "gdb attaches" sh -c 'sleep 20 & sleep 0.3; gdb -batch -nx -iex "set debuginfod enabled off" -p $! -ex "info proc exe" 2>/dev/null | grep "^exe"; kill $!'
case_ "strace counts" sh -c 'strace -f -o s.out -e trace=execve sh -c "cat /etc/hostname >/dev/null; true"; grep -c "exited with 0" s.out'
case_ sqlite3 sh -c 'sqlite3 a.db "pragma journal_mode=wal; create table t(x); with recursive c(n) as (select 1 union all select n+1 from c where n<5000) insert into t select n from c; select sum(x) from t;"; ls a.db*; sqlite3 a.db "vacuum; pragma integrity_check"'
case_ compressors sh -c 'cat /usr/lib/python3.11/*.py >all; for c in gzip bzip2 xz "zstd -q"; do $c -k -c all >all.z && $c -dc all.z | cmp - all && echo "$c ok"; done'
case_ file sh -c 'file -b /bin/sh /etc/passwd /work | cut -c1-40; file -b --mime-type all'
case_ "ldconfig and ldd" sh -c '/sbin/ldconfig -p | wc -l; ldd /usr/bin/git | sed "s/ (0x.*//"'
case_ "ps and top" sh -c 'ps -o pid= -p $$ | wc -l; ps -e -o comm= | grep -c . >/dev/null; pgrep -x nosuchprogram; echo $?; cat /proc/loadavg | wc -w; free | head -n 1'
case_ "python venv and zipapp" sh -c 'python3 -m venv --without-pip v && v/bin/python -c "import sys; print(sys.prefix, sys.executable)"; mkdir z; echo "print(42)" >z/__main__.py; python3 -m zipapp z -p "/usr/bin/env python3" && ./z.pyz; python3 -m compileall -q z; ls z'
case_ "20 pythons with imports" sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do python3 -c "import json, re, asyncio, subprocess, sqlite3, decimal; print(json.dumps([1]))"; done | sort | uniq -c'
case_ "fork server of python" python3 -c 'import multiprocessing as m, os
if __name__ == "__main__":
    with m.get_context("fork").Pool(4) as p: print(sum(p.map(abs, range(-500, 0))))'
case_ "asyncio subprocesses" python3 -c 'import asyncio
async def one(i):
    p = await asyncio.create_subprocess_exec("sh", "-c", f"echo {i}; exit {i % 7}", stdout=-1)
    out, _ = await p.communicate()
    return int(out) + p.returncode
async def main(): print(sum(await asyncio.gather(*map(one, range(40)))))
asyncio.run(main())'
case_ "dpkg and apt read" sh -c 'dpkg -l | wc -l; dpkg -S /bin/ls; dpkg --verify perl-base; apt-cache policy bash 2>/dev/null | head -n 2; apt list --installed 2>/dev/null | wc -l'
