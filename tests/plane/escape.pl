# Attempts to get out of a container, one line each: its name and what came of it.
# "errno N" is a refusal, anything else is what was got. Arguments, all for the attempts:
# a directory of the host's, a pid of the world's, a TCP port of its loopback, an abstract socket
# of its, a file that belongs to another task's root, whose id that is, a network device, then
# frames: NAME=HEX. With "outside" as the first argument, what would
# leave something there is left out.
# No module is used: the container has none.

my ($where, $state, $pid, $port, $abstract, $foreign, $stranger, $device, @frames) = @ARGV;
$| = 1;

sub call {
    # Copies: a string is a buffer, which perl wants to be writable.
    my ($number, @given) = @_;
    my $got = syscall($number, @given);
    return $got == -1 ? "errno " . ($! + 0) : "got $got";
}

sub opened {
    my ($path, $flags) = @_;
    return sysopen(my $file, $path, $flags) ? "got it" : "errno " . ($! + 0);
}

sub connected {
    my ($family, $address) = @_;
    socket(my $socket, $family, 1, 0) or return "errno " . ($! + 0);
    return connect($socket, $address) ? "got it" : "errno " . ($! + 0);
}

sub device {
    my ($path, $kind, $number) = @_;
    my $made = call(133, $path, $kind | 0600, $number);
    return $made =~ /errno/ ? $made : opened($path, 0);
}

sub read_some {
    open(my $file, "<", shift) or return "errno " . ($! + 0);
    my $got = sysread($file, my $text, 64);
    return defined $got ? "got $got bytes" : "errno " . ($! + 0);
}

sub said {
    my $text = `$_[0] 2>&1`;
    return $text =~ /not permitted/ ? "errno 1" : "got it";
}

my @attempts = (
    ["mount a file system", sub { call(165, "none", "/mnt", "tmpfs", 0, 0) }],
    ["make the kernel's settings writable", sub { call(165, "none", "/proc/sys", 0, 0x1020, 0) }],
    ["mount the control groups", sub { call(165, "none", "/mnt", "cgroup2", 0, 0) }],
    ["uncover what is masked", sub { call(166, "/proc/sys", 2) }],
    ["another root", sub { call(155, "/", "/") }],
    ["a new mount interface", sub { call(430, "tmpfs", 0) }],
    ["a user namespace", sub { call(272, 0x10000000) }],
    [
        "a user namespace by clone",
        sub {
            my $child = call(56, 0x10000000 | 17, 0, 0, 0, 0);
            syscall(231, 0) if $child eq "got 0";
            return $child;
        }
    ],
    ["a user namespace by clone3", sub { call(435, 0, 0) }],
    ["another's namespace", sub { open(my $own, "<", "/proc/self/ns/net"); call(308, fileno($own), 0) }],
    ["a disk of the host's", sub { device("/dev/x-disk", 060000, 8 << 8) }, 1],
    ["the memory as a device", sub { device("/dev/x-mem", 020000, 1 << 8 | 1) }, 1],
    ["a device in the image", sub { device("/x-null", 020000, 1 << 8 | 3) }, 1],
    ["the memory as a file", sub { read_some("/proc/kcore") }],
    ["what runs on a crash", sub { opened("/proc/sys/kernel/core_pattern", 1) }],
    ["the magic key", sub { opened("/proc/sysrq-trigger", 1) }],
    ["the kernel's parameters", sub { opened("/sys/module/kernel/parameters/panic", 1) }],
    ["the kernel's log", sub { call(103, 3, my $log = " " x 4096, 4096) }],
    ["a program in the kernel", sub { call(321, 0, my $map = "\0" x 8, 8) }],
    ["a module", sub { call(175, 0, 0, "") }],
    ["another kernel", sub { call(246, 0, 0, 0, 0x8000) }],
    ["events of the processor", sub { call(298, 0, 0, -1, -1, 0) }],
    ["faults as a file", sub { call(323, 1) }],
    ["rings of requests", sub { call(425, 1, 0) }],
    ["the host's keyrings", sub { call(250, 0, -4, 1) }],
    ["a file by its handle", sub { call(304, -1, 0, 0) }],
    ["the ports of the machine", sub { call(172, 3) }],
    ["a call of a later kernel", sub { call(999) }],
    ["the clock", sub { call(164, 0, 0) }],
    ["a restart", sub { call(169, 0, 0, 0, 0) }],
    ["a swap file", sub { call(167, "/none", 0) }],
    ["a host name", sub { call(170, "evil", 4) }],
    ["addresses that are not random", sub { call(135, 0x40000) }],
    ["the kernel's ciphers", sub { call(41, 38, 5, 0) }],
    ["the hypervisor's sockets", sub { call(41, 40, 1, 0) }],
    ["the hypervisor's sockets by an older call", sub { "errno " . (system("/bin/old-vsock") >> 8) }, 1],
    ["a mount of its own to map", sub { call(428, -100, "/", 1) }],
    ["a mount with other owners", sub { call(442, -1, "", 0x1000, my $attr = "\0" x 32, 32) }],
    ["a mount in another place", sub { call(429, -1, "", -100, "/mnt", 4) }],
    ["another's file", sub { opened($foreign, 0) }],
    ["another's file as one's own", sub { call(92, $foreign, 0, 0) }],
    ["another's file with other rights", sub { call(90, $foreign, 0666) }],
    ["a file of another's", sub { call(92, "/escape.pl", $stranger + 0, $stranger + 0) }, 1],
    ["another's user", sub { call(117, ($stranger + 0) x 3) }],
    ["another's group", sub { call(116, 1, my $groups = pack("L", $stranger)) }],
    ["the network's settings", sub { opened("/proc/sys/net/ipv4/ip_forward", 1) }],
    ["the kernel's settings", sub { opened("/proc/sys/kernel/hostname", 1) }],
    ["a process of the world's", sub { kill(0, $pid) ? "got it" : "errno " . ($! + 0) }],
    ["files of the host's", sub { -e $state ? "got it" : "errno " . ($! + 0) }],
    ["files by way of another root", sub { -e "/proc/1/root$state" ? "got it" : "errno " . ($! + 0) }],
    [
        "out of a root in the root",
        sub {
            mkdir "/jail";
            chroot "/jail";
            chdir ".." for 1 .. 20;
            chroot ".";
            return -e $state ? "got it" : "errno " . ($! + 0);
        },
        1
    ],
    ["the host's loopback", sub { connected(2, pack("Snx0C4x8", 2, $port, 127, 0, 0, 1)) }],
    ["a socket without a file", sub { connected(1, pack("Sxa*", 1, $abstract)) }],
    ["another address", sub { said("ip addr add 10.0.11.8/32 dev $device") }],
    ["another hardware address", sub { said("ip link set $device address 0a:00:0a:00:0b:08") }],
    ["another route", sub { said("ip route add 10.9.0.0/16 dev $device") }],
    [
        "another user by a set-id file",
        sub {
            $) = "33 33";
            $( = 33;
            $< = $> = 33;
            my $uid = `/bin/suid-id -u`;
            return $uid eq "33\n" ? "errno 1" : "got $uid";
        },
        1
    ],
);

sub listed {
    opendir(my $directory, shift) or return;
    my @found = grep { !/^\.\.?$/ } readdir $directory;
    closedir $directory;
    return @found;
}

sub names { join ",", sort @_ }

# But for the one that lists them, which is closed by then.
print "fds: ", names(grep { defined } map { readlink "/proc/self/fd/$_" } listed("/proc/self/fd")), "\n";
print "variables: ", names(keys %ENV), "\n";
print "devices: ", names(listed("/dev")), "\n";
print "groups: ", names(listed("/sys/fs/cgroup")), "\n";
open(my $mounts, "<", "/proc/self/mounts") or die;
print "mounts: ", join(",", sort map { (split)[1] } <$mounts>), "\n";
open(my $status, "<", "/proc/self/status") or die;
my %status = map { /^(\w+):\s*(.*)/ } <$status>;
print "status: ", join(" ", map { "$_=$status{$_}" } qw(CapBnd NoNewPrivs Seccomp)), "\n";

open(my $ids, "<", "/proc/self/uid_map") or die;
print "ids: ", join(" ", split " ", <$ids>), "\n";

for (@attempts) {
    my ($name, $try, $leaves) = @$_;
    next if $leaves && $where eq "outside";
    # Each in a process of its own: what one gets is not there for the next.
    my $child = open(my $result, "-|") // die "fork: $!";
    if (!$child) {
        print $try->();
        syscall(231, 0);
    }
    print "$name: ", join("", <$result>), "\n";
    close $result;
}

if (@frames) {
    my $index = do { local @ARGV = "/sys/class/net/$device/ifindex"; <> };
    socket(my $raw, 17, 3, 0) or die "socket: $!";
    for (@frames) {
        my ($name, $hex) = split /=/;
        my $sent = send($raw, pack("H*", $hex), 0, pack("SnlSCCa8", 17, 0, $index, 0, 0, 6, ""));
        print "frame $name: ", defined $sent ? "sent" : "errno " . ($! + 0), "\n";
    }
}

my $children = 0;
my @alive;
while ($children < 200) {
    my $child = fork // last;
    if (!$child) { sleep 60; syscall(231, 0) }
    push @alive, $child;
    $children++;
}
print "children: $children\n";
kill 9, @alive;
