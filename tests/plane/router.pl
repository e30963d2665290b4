# The smallest log router: Fluentd's Forward protocol by its published specification, written down
# from that and MessagePack's alone. It reads the configuration that it is given, as Fluent Bit does,
# and prints each record that an output named stdout matches, as one line of JSON.
#
# https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1
# https://github.com/msgpack/msgpack/blob/master/spec.md
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;

$| = 1;
my ($conf, $how) = (@ARGV, "");
my @sections;

sub load {
    my ($path) = @_;
    open(my $file, "<", $path) or die "$path: $!\n";
    while (my $line = <$file>) {
        $line =~ s/\$\{(\w+)\}/exists $ENV{$1} ? $ENV{$1} : ""/ge;
        if ($line =~ /^\@INCLUDE\s+(\S+)/) { load($1) }
        elsif ($line =~ /^\[(\w+)\]/) { push @sections, [$1, {}] }
        elsif ($line =~ /^\s+(\S+)\s+(.*\S)/) { push @{$sections[-1][1]{$1}}, $2 }
    }
}

my ($data, $at);    # what is unpacked, and how far it is

sub bytes_of {
    my ($n) = @_;
    die "short\n" if $at + $n > length $data;
    $at += $n;
    return substr($data, $at - $n, $n);
}

sub array_of { my ($n) = @_; return [map { value() } 1 .. $n] }
sub map_of { my ($n) = @_; return {map { value() } 1 .. 2 * $n} }

my %sized = (
    0xc4 => ["C", 1, \&bytes_of], 0xc5 => ["n", 2, \&bytes_of], 0xc6 => ["N", 4, \&bytes_of],
    0xd9 => ["C", 1, \&bytes_of], 0xda => ["n", 2, \&bytes_of], 0xdb => ["N", 4, \&bytes_of],
    0xdc => ["n", 2, \&array_of], 0xdd => ["N", 4, \&array_of],
    0xde => ["n", 2, \&map_of], 0xdf => ["N", 4, \&map_of],
    0xcc => ["C", 1], 0xcd => ["n", 2], 0xce => ["N", 4], 0xcf => ["Q>", 8],
);

sub value {
    my $b = ord bytes_of(1);
    return $b if $b < 0x80;
    return map_of($b & 0x0f) if $b < 0x90;
    return array_of($b & 0x0f) if $b < 0xa0;
    return bytes_of($b & 0x1f) if $b < 0xc0;
    return undef if $b == 0xc0;
    if (my $s = $sized{$b}) {
        my ($format, $size, $make) = @$s;
        my $n = unpack($format, bytes_of($size));
        return $make ? $make->($n) : $n;
    }
    if ($b == 0xd7) {    # of eight bytes: a time
        my ($type, $seconds, $nanoseconds) = unpack("cNN", bytes_of(9));
        die "extension $type\n" if $type != 0;
        return sprintf("%d.%09d", $seconds, $nanoseconds);
    }
    die sprintf("what is 0x%02x\n", $b);
}

sub unpacked {    # all whole values, and what is left
    ($data, my @found) = @_;
    $at = my $done = 0;
    while ($at < length $data) {
        my $one = eval { value() };
        last if $@ eq "short\n";
        die $@ if $@;
        push @found, $one;
        $done = $at;
    }
    return (substr($data, $done), @found);
}

sub json {
    my ($s) = @_;
    $s =~ s/(["\\\x00-\x1f])/sprintf("\\u%04x", ord $1)/ge;
    return qq("$s");
}

sub matches {
    my ($pattern, $tag) = @_;
    my $expression = join ".*", map { quotemeta } split(/\*/, $pattern, -1);
    return $tag =~ /^$expression$/;
}

sub event {
    my ($tag, $time, $record) = @_;
    for (grep { $_->[0] eq "FILTER" } @sections) {
        my $s = $_->[1];
        next unless matches($s->{Match}[0], $tag);
        for my $rule (@{$s->{Regex} || []}, map { "! $_" } @{$s->{Exclude} || []}) {
            my ($not, $key, $pattern) = $rule =~ /^(! )?(\S+) (.*)/;
            my $found = ($record->{$key} // "") =~ /$pattern/;
            return if $not ? $found : !$found;
        }
        for my $field (@{$s->{Record} || []}) {
            my ($key, $value) = split / /, $field, 2;
            $record->{$key} = $value;
        }
    }
    for (grep { $_->[0] eq "OUTPUT" } @sections) {
        my $s = $_->[1];
        next unless $s->{Name}[0] eq "stdout" && matches($s->{Match}[0], $tag);
        my %all = (%$record, tag => $tag, time => $time);
        $all{label} = $s->{label}[0] if $s->{label};
        print "{" . join(",", map { json($_) . ":" . json($all{$_}) } sort keys %all) . "}\n";
    }
}

sub message {
    my ($from, $m) = @_;
    my ($tag, $entries) = @$m;
    my $options = $m->[2];
    if (ref $entries eq "ARRAY") { event($tag, @$_) for @$entries }
    elsif (defined $m->[2] && ref $m->[2] eq "HASH" && $entries =~ /^\d+(\.\d+)?$/) {
        event($tag, $entries, $m->[2]);
        $options = $m->[3];
    }
    else {
        my ($left, @entries) = unpacked($entries);
        event($tag, @$_) for @entries;
    }
    my $chunk = $options && $options->{chunk};
    return unless defined $chunk && $how ne "silent";
    print $from "\x81\xa3ack" . chr(0xa0 | length $chunk) . $chunk;
}

load($conf);
my $select = IO::Select->new;
my (%listens, %pending);
for (grep { $_->[0] eq "INPUT" } @sections) {
    my $s = $_->[1];
    my $socket;
    if ($s->{unix_path}) {
        unlink $s->{unix_path}[0];
        $socket = IO::Socket::UNIX->new(Local => $s->{unix_path}[0], Listen => 5);
    }
    else {
        $socket = IO::Socket::INET->new(
            LocalAddr => $s->{Listen}[0], LocalPort => $s->{Port}[0], Listen => 5, ReuseAddr => 1
        );
    }
    die "listen: $!\n" unless $socket;
    $listens{$socket} = 1;
    $select->add($socket);
}
my $over = 0;
$SIG{TERM} = sub { $over = 1 };
print "ready $ENV{HOME}\n";
until ($over) {
    for my $one ($select->can_read(1)) {
        if ($listens{$one}) {
            my $client = $one->accept or next;
            $client->autoflush(1);
            $pending{$client} = "";
            $select->add($client);
            next;
        }
        my $read = sysread($one, $pending{$one}, 1 << 20, length $pending{$one});
        if (!$read) {
            delete $pending{$one};
            $select->remove($one);
            close $one;
            next;
        }
        ($pending{$one}, my @found) = unpacked($pending{$one});
        message($one, $_) for grep { ref eq "ARRAY" } @found;
    }
}
print "bye\n";
