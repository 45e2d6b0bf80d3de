# The rows of Perl: reads servers and their tokens as JSON from standard input, and writes who reads which of them.
use v5.36;
use Crypt::JWT qw(decode_jwt);
use JSON::PP;
use Mojo::JWT;

my %verifiers = (
    'libcrypt-jwt-perl' => sub ($world) {
        my %wanted = (verify_iss => $world->{issuer}, verify_aud => $world->{audience});
        decode_jwt(token => $world->{token}, kid_keys => { keys => $world->{keys} }, accepted_alg => $world->{alg}, %wanted);
    },
    'libmojo-jwt-perl' => sub ($world) {
        my $claims = Mojo::JWT->new->add_jwkset({ keys => $world->{keys} })->decode($world->{token});
        die 'the issuer' unless $claims->{iss} eq $world->{issuer} && $claims->{aud} eq $world->{audience};
    },
);

my $worlds = decode_json(do { local $/; <STDIN> });
my @rows;
for my $name (sort keys %verifiers) {
    my @reads;
    for my $world (@$worlds) {
        my $read = eval { $verifiers{$name}->($world); 1 };
        print STDERR "$name $world->{alg}: $@" unless $read;
        push @reads, $read ? JSON::PP::true : JSON::PP::false;
    }
    push @rows, { package => $name, name => $name, reads => \@reads };
}
print encode_json(\@rows);
