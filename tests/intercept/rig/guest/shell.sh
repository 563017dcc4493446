#!/bin/bash
# Shells, coreutils, find, tar, sed, awk, busybox.
. /tools/guest/cases.sh
mkdir -p tree/a/b/c tree/d && cd tree || exit 1
for i in 1 2 3 4 5 6 7 8 9; do echo "line $i" >"a/file$i"; done
ln -s ../a/file1 d/link; ln -s nowhere d/dangling; ln -s /etc/passwd d/absolute; ln a/file2 a/b/hard; mkfifo d/fifo; touch 'a/odd name' $'a/new\nline'
cd ..
case_ "find, sorted" sh -c 'find tree | sort'
case_ "find by type and links" sh -c 'find tree -type l -printf "%p %l\n" | sort; find -L tree -type f -samefile tree/a/file2 | sort'
case_ "find the whole tree" sh -c 'find / -xdev -not -path "/tmp/*" -not -path "/work/*" -printf "%y %m %s %p\n" 2>&1 | grep -v "^d" | sort | sha256sum'
case_ "ls -lR of the tree" sh -c 'ls -lR --time-style=+ /usr /etc /var/lib /bin/ | sha256sum'
case_ "du" du -s --apparent-size /usr/share
case_ "readlink" sh -c 'readlink -f tree/d/link tree/d/absolute tree/d/dangling; realpath tree/a/../d/link; cd tree/d; pwd -P; cd ../a/b; /bin/pwd'
case_ "tar there and back" sh -c 'tar -C tree -cf t.tar . && mkdir x && tar -C x -xpf t.tar && diff -r --no-dereference tree/a x/a && (cd x; find . | sort | sha256sum)'
case_ "tar of /usr" sh -c 'tar --sort=name --mtime=@0 --numeric-owner -cf - /usr/share/perl5 /usr/lib/python3.11/email 2>/dev/null | sha256sum'
case_ "cp -a, mv, rm -r" sh -c 'cp -a tree copy && diff -r --no-dereference tree/a copy/a && mv copy copy2 && rm -r copy2 && ls -d copy copy2'
case_ "cp over links and directories" sh -c 'cp tree/d/link one; cp -P tree/d/link two; stat -c "%F %s" one two; cp tree/a .; cp -r tree/a/ three; ls three'
case_ "permissions" sh -c 'echo x >p; chmod 000 p; cat p; chmod 400 p; cat p; echo y >p; mkdir q; chmod 0 q; ls q; cd q; touch q/x; chmod 700 q; rmdir q; stat -c %a p'
case_ "rename over things" sh -c 'mkdir r s; mv -T r s && ls -d r s; touch f; mv -T f s; mkdir -p s/x; mkdir t; mv -T t s; mv s s/x/y'
case_ "process substitution" bash -c 'diff <(sort tree/a/file1) <(sort tree/a/file1) && cat <(echo one) <(echo two); exec 5<tree/a/file3; cat /dev/fd/5; cat /proc/self/fd/0 </dev/null; echo hi >/dev/stdout | cat'
case_ "pipes and signals" bash -c 'yes | head -n 3; echo ${PIPESTATUS[*]}; (kill -TERM $BASHPID); echo $?; trap "echo caught" USR1; kill -USR1 $$; sleep 5 & kill $!; wait $!; echo $?; timeout 0.2 sleep 5; echo $?'
case_ "here documents and subshells" bash -c 'cat <<X
$(echo a; (cd /; pwd); basename $(readlink /proc/self/exe))
X
f() { local v=$(cat); echo "got $v"; }; f <<<"text"'
case_ "scripts with #!" sh -c 'printf "#!/bin/sh -e\necho \$0 \$1\n" >s1; chmod +x s1; ./s1 x; printf "#! /work/s1 arg\nx\n" >s2; chmod +x s2; ./s2 y; printf "#!/usr/bin/env -S bash -c\n" >s3; printf "#!/nowhere\n" >s4; chmod +x s4; ./s4; printf "echo plain\n" >s5; chmod +x s5; ./s5; ./s6; PATH=.:$PATH s1 z'
case_ "busybox" sh -c 'cd tree; busybox find . | sort | sha256sum; busybox ls -l a/b/hard | cut -c1-10; busybox sh -c "cd a; pwd; cat file1; busybox which busybox"; busybox readlink -f d/link'
case_ "busybox find /usr" sh -c 'busybox find /usr /etc | sort | sha256sum'
case_ "grep -r" sh -c 'grep -rl "Copyright" /usr/share/doc /usr/lib/python3.11/email 2>/dev/null | sort | sha256sum'
case_ "xargs and find -exec" sh -c 'find tree -type f -print0 | sort -z | xargs -0 -P 4 -n 1 basename | sort; find tree -name "file?" -exec sh -c "echo \$1" _ {} \; | sort | tail -n 2'
case_ "/proc of oneself" sh -c 'readlink /proc/self/exe /proc/self/cwd /proc/self/root; cat /proc/self/comm; tr "\0" " " </proc/self/cmdline; ls /proc/self/fd | head -n 3; cat /proc/self/environ | tr "\0" "\n" | sort | grep -v SHLVL; grep -c . /proc/self/status >/dev/null; cut -c1-4 /proc/self/maps | head -n 1 | tr 0-9a-f x'
case_ "what programs are mapped" sh -c 'sed -n "s,.* \(/.*\),\1,p" /proc/self/maps | sort -u'
case_ "mounts" sh -c 'for p in / /work /proc /dev /sys; do stat -f -c "%T" $p; done; findmnt -n -o TARGET / /work 2>/dev/null; df --output=target /work | tail -n 1'
case_ "ids" sh -c 'id; whoami; id -G; test -O /work && echo mine; stat -c "%U %G %u %g" /etc/passwd /work'
case_ "limits" bash -c 'ulimit -n 64; for i in {3..63}; do eval "exec $i</dev/null" || break; done; ls /proc/self/fd | tail -n 1; exec 63<&-; cat /etc/hostname >/dev/null; echo $?'
case_ "all descriptors closed" bash -c 'for fd in /proc/self/fd/*; do n=${fd##*/}; [ $n -gt 2 ] && eval "exec $n<&-"; done 2>/dev/null; ls /; cat /etc/passwd | wc -l'
case_ "long paths" bash -c 'd=$(printf "d%.0s" {1..200}); mkdir deep; cd deep; for i in {1..30}; do mkdir $d && cd $d || break; done; echo x >f; cat f; pwd | wc -c; cd ..; ls; cd /work; find deep -name f | wc -c; rm -r deep; ls -d deep'
case_ "sort, dd, split, cmp" sh -c 'seq 20000 | shuf --random-source=/etc/passwd | sort -n -S 50k -T . | sha256sum; dd if=/dev/zero of=z bs=4k count=100 conv=sparse 2>/dev/null; stat -c %s z; split -n 4 z p_; cat p_a? | cmp - z; truncate -s 10 z; stat -c %s z'
case_ "xattr and acl" sh -c 'command -v setfattr >/dev/null || exit 0; touch at; setfattr -n user.a -v one at; getfattr -d at; ln -s at al; getfattr -n user.a al; getfattr -h -n user.a al; setfacl -m u:nobody:r at; getfacl -c at; setfattr -x user.a at; getfattr -d at'
case_ "flock and inotify" sh -c 'flock lock sh -c "flock -n lock true; echo \$?"; flock -n lock true; echo $?'
case_ "login tools" sh -c 'getent passwd root tester; hostname >/dev/null; nproc >/dev/null; env -i /usr/bin/env; nice true; nohup true </dev/null; setsid true; stdbuf -o0 echo a; script -qc "echo in a pty" /dev/null </dev/null'
