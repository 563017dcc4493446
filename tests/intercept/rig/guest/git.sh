#!/bin/bash
# A working day with git; all times and names are fixed, so every hash is.
. /tools/guest/cases.sh
export HOME=/work GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b GIT_AUTHOR_DATE="1700000000 +0000" GIT_COMMITTER_DATE="1700000000 +0000" GIT_CONFIG_NOSYSTEM=1
git config --global init.defaultBranch main; git config --global protocol.file.allow always; git config --global gc.auto 0; git config --global advice.detachedHead false
mkdir repo && cd repo || exit 1
case_ init git init -q
for d in 1 2 3 4 5 6 7 8 9 10; do mkdir -p dir$d/sub; for f in 1 2 3 4 5 6 7 8 9 10; do echo "$d $f" >dir$d/sub/file$f; done; done
case_ add git add .
case_ commit git commit -q -m first
case_ status git status --porcelain
case_ log git log --format='%H %s'
case_ branch sh -c 'git checkout -q -b topic && echo more >>dir1/sub/file1 && git mv dir2 moved && git rm -q dir3/sub/file3 && git commit -qam topic && git log --stat --format=%H -1'
case_ merge sh -c 'git checkout -q main && echo other >>dir9/sub/file9 && git commit -qam other && git merge -q --no-edit topic && git log --graph --format="%h %s"'
case_ rebase sh -c 'git checkout -q -b r HEAD~1 && echo z >z && git add z && git commit -qm z && git rebase -q main && git log --format=%H -2'
case_ conflict sh -c 'git checkout -q main && echo left >c && git add c && git commit -qm left && git checkout -q -b right HEAD~1 && echo right >c && git add c && git commit -qm right && git merge main; git status --porcelain; cat c; git merge --abort'
case_ stash sh -c 'git checkout -q main; echo dirty >>c; git stash -q && git status --porcelain && git stash pop -q && git diff && git checkout -q -- c'
case_ "clone, push, fetch" sh -c 'cd ..; git clone -q --bare repo bare.git && git clone -q bare.git second && cd second && echo s >s && git add s && git commit -qm s && git push -q origin main && cd ../repo && git fetch -q ../bare.git main && git log --format=%H -1 FETCH_HEAD'
case_ worktree sh -c 'git worktree add -q ../wt topic && git -C ../wt status --porcelain -b && git worktree list --porcelain | grep branch && git worktree remove ../wt'
case_ "gc and fsck" sh -c 'git gc -q --prune=now && git fsck --full && git count-objects -v | grep in-pack'
case_ hooks sh -c 'printf "#!/bin/sh\necho hook \$0 \$(git rev-parse --show-toplevel)\n" >.git/hooks/pre-commit; chmod +x .git/hooks/pre-commit; echo h >h; git add h; git commit -qm h'
case_ archive sh -c 'git archive --prefix=p/ HEAD | tar -tf - | sha256sum; git bundle create -q ../b.bundle --all && git clone -q ../b.bundle ../fromb -b main && ls ../fromb | head -n 3'
case_ "shell alias, blame, grep, bisect" sh -c 'git config alias.x "!echo alias in \$PWD"; git x; git blame -l c | head -n 1; git grep -c "1 1" | head -n 2; git bisect start -q HEAD $(git rev-list --max-parents=0 HEAD) >/dev/null; git bisect run test -e c | tail -n 1; git bisect reset -q'
