"""An imitated root manages a Debian of its own: packages, users, owners, devices, archives. There is no native side: a map of one id cannot do it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

import pytest

PACKAGE = r"""
set -e
mkdir -p p/DEBIAN p/opt/x p/usr/sbin
printf 'Package: x\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: x\n' >p/DEBIAN/control
printf '#!/bin/sh\nset -e\nuseradd -r -m svc >/dev/null\nchown svc:svc /opt/x/data\nchmod 4755 /usr/sbin/xprog\n' >p/DEBIAN/postinst
chmod 755 p/DEBIAN/postinst
echo d >p/opt/x/data; cp /bin/true p/usr/sbin/xprog
dpkg-deb -b p x.deb >/dev/null
apt-get install -y ./x.deb >log 2>&1 || { cat log; exit 1; }
stat -c '%U:%G %a' /opt/x/data /usr/sbin/xprog /home/svc
dpkg -s x | grep Status
su svc -s /bin/sh -c 'id -un; echo own >~/f; stat -c %U ~/f'
apt-get remove -y x >log 2>&1 || { cat log; exit 1; }
userdel -r svc 2>/dev/null; test ! -e /home/svc
"""
OWNERS = r"""
set -e
mkdir t u; cd t
echo 1 >a; chown 5:6 a; mkdir d; chmod 2770 d; mknod c c 1 3; ln -s a l; chown -h 7:8 l; mkfifo p; chmod 0 a; cat a
tar cf ../t.tar .; tar -C ../u -xpf ../t.tar; cd ../u; stat -c '%n %u:%g %a %F' a c d l p
"""
USERS = r"""
groupadd g; usermod -aG g nobody; id -Gn nobody; echo root:x | chpasswd; grep -c '^root:\$' /etc/shadow
setpriv --reuid 5 --regid 6 --clear-groups sh -c 'id -u; id -g; chown 0 /root/mine 2>/dev/null || echo refused'
python3 -c 'import os; os.setresuid(1, 2, 0); print(os.getresuid()); os.setresuid(-1, 0, -1); print(os.getresuid())'
chroot / id -u
"""


@dataclass(frozen=True)
class Root:
    """An imitated root in a private copy of the tree."""

    side: object

    def __call__(self, script: str) -> list[str]:
        done = self.side.run("/bin/bash", "-c", script, cwd="/root", env=("HOME=/root", "TMPDIR=/tmp"), check=False)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout.splitlines()


@pytest.fixture(scope="module")
def root(intercept, tree, tmp_path_factory):
    place = tmp_path_factory.mktemp("root")
    copy = place / "copy"
    copy.mkdir()
    less = [
        f"--exclude=./usr/{name}"
        for name in ("share/locale", "share/man", "share/doc", "lib/python3.11/test", "lib/git-core", "share/perl")
    ]
    with subprocess.Popen(["tar", "-C", tree, *less, "-cf", "-", "."], stdout=subprocess.PIPE) as packing:
        subprocess.run(["tar", "-xf", "-", "-C", copy], stdin=packing.stdout, check=True)
    yield Root(intercept.with_(inside=(0, 0), tree=copy))
    subprocess.run(["chmod", "-R", "u+rwX", copy], check=True)
    subprocess.run(["rm", "-rf", copy], check=True)


def test_a_package_with_a_user_of_its_own(root):
    assert root(PACKAGE) == ["svc:svc 644", "root:root 4755", "svc:svc 755", "Status: install ok installed", "svc", "svc"]


def test_owners_modes_and_devices_go_through_an_archive(root):
    assert root(OWNERS) == [
        "1", "a 5:6 0 regular file", "c 0:0 644 character special file", "d 0:0 2770 directory", "l 7:8 777 symbolic link", "p 0:0 644 fifo",
    ]  # fmt: skip


def test_users_and_ids(root):
    (root.side.tree / "root/mine").touch()
    assert root(USERS) == ["nogroup g", "1", "5", "6", "refused", "(1, 2, 0)", "(1, 0, 0)", "0"]


def test_nothing_on_disk_is_setuid_or_closed(root):
    found = subprocess.run(
        ["find", root.side.tree, "-xdev", "(", "-perm", "/7000", "-o", "!", "-perm", "-0400", ")", "!", "-type", "l", "-newer", root.side.tree / "root/mine"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert found.stdout == ""
