# Renews one token with one client of Perl: perl.pl NAME ENDPOINT TOKEN.
use v5.36;

my %clients = (
    'Net::OAuth2' => sub ($endpoint, $token) {
        require Net::OAuth2::Profile::WebServer;
        require Net::OAuth2::AccessToken;
        my $profile = Net::OAuth2::Profile::WebServer->new(client_id => 'app', client_secret => '', refresh_token_url => $endpoint);
        Net::OAuth2::AccessToken->new(profile => $profile, access_token => 'x', refresh_token => $token)->refresh;
    },
    'LWP::Authen::OAuth2' => sub ($endpoint, $token) {
        require JSON::PP;
        require LWP::Authen::OAuth2;
        my %own = (client_id => 'app', client_secret => '', redirect_uri => 'https://app.example/');
        my $client = LWP::Authen::OAuth2->new(%own, token_endpoint => $endpoint, authorization_endpoint => $endpoint);
        my %tokens = (_class => 'LWP::Authen::OAuth2::AccessToken::Bearer', token_type => 'bearer', access_token => 'x', refresh_token => $token);
        $client->load_token_string(JSON::PP::encode_json(\%tokens));
        $client->refresh_access_token;
    },
);

my ($name, $endpoint, $token) = @ARGV;
$clients{$name}->($endpoint, $token);
