#!/bin/bash
# gcc, make, sanitizers, a configure-like script.
. /tools/guest/cases.sh
cat >hello.c <<'X'
#include <stdio.h>
#include <math.h>
int main(int argc, char **argv) { printf("%d %s %.3f\n", argc, argv[1] ? argv[1] : "", cos(argc)); return argc; }
X
case_ "compile and run" sh -c 'gcc -O2 -o hello hello.c -lm && ./hello world'
case_ "static, static-pie, non-pie" sh -c 'for f in -static -static-pie -no-pie; do gcc $f -o h hello.c -lm && ./h $f; done'
case_ "shared library by rpath and preload" sh -c 'echo "int answer(void) { return 42; }" >l.c; gcc -shared -fPIC -o libl.so l.c; echo "int answer(void); int main(void) { return answer(); }" >m.c; gcc -o m m.c -L. -ll -Wl,-rpath,"\$ORIGIN"; ./m; echo $?; echo "int answer(void) { return 7; }" >p.c; gcc -shared -fPIC -o p.so p.c; LD_PRELOAD=./p.so ./m; echo $?; ldd ./m | sed "s/ (0x.*//"'
case_ "dlopen" sh -c 'printf "#include <dlfcn.h>\n#include <stdio.h>\nint main(void){void*h=dlopen(\"/work/libl.so\",2);int(*f)(void)=dlsym(h,\"answer\");Dl_info i;dladdr(f,&i);printf(\"%%d %%s\\\\n\",f(),i.dli_fname);return 0;}\n" >d.c; gcc -o d d.c && ./d'
cat >bad.c <<'X'
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) { char *p = malloc(10); memset(p, 0, 10); int r = p[9 + argc]; free(p); return r; }
X
case_ "address sanitizer" sh -c 'gcc -g -fsanitize=address -o bad bad.c && ./bad 2>&1 | grep -o "heap-buffer-overflow" | head -n 1; gcc -fsanitize=address -o hello hello.c -lm && ./hello'
case_ "undefined behaviour sanitizer" sh -c 'echo "int main(int c,char**v){int x=0x7fffffff;return (x+c)!=0;}" >u.c; gcc -fsanitize=undefined -o u u.c && ./u 2>&1 | grep -o "signed integer overflow"'
cat >race.c <<'X'
#include <pthread.h>
static int shared;
static void *run(void *a) { for (int i = 0; i < 1000; i++) shared++; return a; }
int main(void) { pthread_t t[2]; for (int i = 0; i < 2; i++) pthread_create(&t[i], 0, run, 0); for (int i = 0; i < 2; i++) pthread_join(t[i], 0); return 0; }
X
case_ "thread sanitizer" sh -c 'gcc -g -fsanitize=thread -o race race.c -pthread && setarch -R ./race 2>&1 | grep -o "data race" | head -n 1'
printf 'all: a b c\n%%: %%.in\n\tsleep 0.0%%; cp $< $@\na b c: %%: %%.in\n\tcp $< $@\nclean:\n\trm -f a b c\n' >Makefile
touch a.in b.in c.in
case_ "make -j" sh -c 'make -j4 | sort; make; make -s clean; ls a; touch -d "1 hour ago" a.in; make a; make -q a; echo $?'
case_ "a compiler that fails" sh -c 'echo "int main( {" >e.c; gcc e.c; gcc nowhere.c; gcc -o /nowhere/x hello.c'
case_ "assembler, linker, nm, objdump" sh -c 'gcc -c -o o.o l.c && nm o.o && objdump -h o.o | grep text && ar rcs l.a o.o && ar t l.a && strip o.o && size o.o | tail -n 1'
crash() { printf '%s\n' "$2" >"$1.c" && gcc -w -O0 -o "$1" "$1.c" && (ulimit -c 0; "./$1"; echo "$1 $?") 2>/dev/null; }
case_ "crashes" sh -c ':'
crash segv 'int main(void){*(volatile int*)0=1;}'
crash division 'int main(void){volatile int z=0; volatile int r=1/z; return 0;}'
crash abort '#include <stdlib.h>
int main(void){abort();}'
crash overflow 'int f(int n){volatile char room[1000]; room[n%1000]=1; return f(n+1)+room[0];} int main(void){return f(0);}'
case_ "configure-like" bash -c 'for h in stdio.h stdlib.h nope.h sys/stat.h math.h; do printf "#include <$h>\nint main(void){return 0;}\n" >conftest.c; if gcc -c conftest.c 2>/dev/null; then echo "$h yes"; else echo "$h no"; fi; rm -f conftest.*; done'
