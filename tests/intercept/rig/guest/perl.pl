#!/usr/bin/perl
# What perl's library does with files, processes and sockets.
use strict; use warnings;
use File::Find; use File::Temp qw(tempdir tempfile); use File::Path qw(make_path remove_tree); use File::Copy; use File::Spec; use Cwd qw(getcwd abs_path);
use IPC::Open3; use IO::Socket::UNIX; use IO::Handle; use POSIX qw(:sys_wait_h); use Socket; use Fcntl qw(:flock :mode);
$| = 1; chdir "/work" or die;
sub one { my ($name, $code) = @_; print "== $name\n"; my @r = eval { $code->() }; print $@ ? "died $@" : join("\n", map { defined $_ ? $_ : "undef" } @r), "\n"; }
one "paths" => sub { make_path("a/b/c"); symlink "a/b", "l"; (abs_path("l/c"), getcwd(), readlink("l"), File::Spec->rel2abs("x"), -d "l" ? "dir" : "no") };
one "find" => sub { my @f; find({ no_chdir => 1, wanted => sub { push @f, $_ if /\.pm$/ } }, "/usr/share/perl5", "/usr/lib/x86_64-linux-gnu/perl-base"); my $n = @f; my @s = sort @f; ($n, $s[0], $s[-1]) };
one "stat" => sub { open my $f, ">", "f" or die; print $f "text"; close $f; chmod 0640, "f"; utime 1000, 2000, "f"; my @s = stat "f"; ($s[7], sprintf("%o", $s[2] & 07777), $s[8], $s[9], S_ISREG($s[2])) };
one "copy and move" => sub { copy("f", "g"); move("g", "h"); (-s "h", -e "g" ? 1 : 0, unlink("h")) };
one "directories" => sub { opendir my $d, "/usr/lib" or die; my @n = sort readdir $d; (scalar(@n), mkdir("f") ? 1 : "$!", rmdir("a") ? 1 : "$!", chdir("/nowhere") ? 1 : "$!") };
one "fork and wait" => sub { my @k; for my $i (1 .. 20) { my $p = fork // die; if (!$p) { exit $i } push @k, $p } my $sum = 0; for (@k) { waitpid $_, 0; $sum += $? >> 8 } $sum };
one "pipes" => sub { open my $p, "-|", "cat /etc/passwd | wc -l" or die; my $x = <$p>; close $p; open my $q, "|-", "cat >q" or die; print $q "hello"; close $q; open my $r, "<", "q"; ($x, <$r>) };
one "backticks and system" => sub { my $x = `echo \$0; exit 3`; ($x, $? >> 8, system("true"), system("exit 5") >> 8, system("/nowhere/x")) };
one "open3" => sub { my $pid = open3(my $in, my $out, undef, "sh", "-c", "cat; echo err >&2"); print $in "data\n"; close $in; my @l = <$out>; waitpid $pid, 0; chomp @l; sort @l };
one "signals" => sub { my @got; local $SIG{USR1} = sub { push @got, "usr1" }; local $SIG{ALRM} = sub { die "alarm\n" }; kill USR1 => $$; eval { alarm 1; select undef, undef, undef, 5; alarm 0 }; (@got, $@) };
one "child killed" => sub { my $p = fork // die; if (!$p) { sleep 20; exit } kill KILL => $p; waitpid $p, 0; ($? & 127) };
one "unix sockets" => sub { my $s = IO::Socket::UNIX->new(Local => "/work/sock", Listen => 1) or die "$!"; my $p = fork // die; if (!$p) { my $c = IO::Socket::UNIX->new(Peer => "/work/sock") or die; print $c "hi\n"; exit } my $c = $s->accept; my $l = <$c>; waitpid $p, 0; ($l, $s->hostpath, -S "/work/sock" ? 1 : 0) };
one "flock" => sub { open my $a, ">", "lock"; open my $b, ">", "lock"; (flock($a, LOCK_EX), flock($b, LOCK_EX | LOCK_NB) ? 1 : 0) };
one "temporary files" => sub { my ($fh, $n) = tempfile(DIR => "/work"); my $d = tempdir(CLEANUP => 1); (-e $n ? 1 : 0, -d $d ? 1 : 0) };
one "remove" => sub { remove_tree("a"); -e "a" ? 1 : 0 };
one "exec" => sub { my $p = fork // die; if (!$p) { exec "/bin/sh", "-c", 'echo "exec $0"; readlink /proc/$$/exe' } waitpid $p, 0; $? };
one "100,000 looks" => sub { my $n = 0; for (1 .. 100000) { $n++ if -e "/etc/passwd" } $n };
one "many modules" => sub { my $n = 0; for my $m (qw(Data::Dumper Storable Encode Time::HiRes List::Util JSON::PP Digest::SHA MIME::Base64 Text::Wrap Getopt::Long Pod::Usage HTTP::Tiny Archive::Tar Compress::Zlib threads Math::BigInt DB_File Sys::Syslog IO::Zlib)) { eval "require $m" and $n++ } $n };
one "threads" => sub { require threads; my @t = map { my $i = $_; threads->create(sub { my @s = stat "/etc/passwd"; $i * scalar @s }) } 1 .. 8; my $s = 0; $s += $_->join for @t; $s };
one "tar" => sub { require Archive::Tar; my $t = Archive::Tar->new; $t->add_files("f", "q"); $t->write("p.tgz", 1); my $r = Archive::Tar->new("p.tgz"); sort $r->list_files };
