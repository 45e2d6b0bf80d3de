# Renews one token with one client of Ruby: ruby.rb NAME ENDPOINT TOKEN.
require 'oauth2'
require 'rack/oauth2'

CLIENTS = {
  'oauth2' => lambda do |endpoint, token|
    client = OAuth2::Client.new('app', nil, token_url: endpoint, auth_scheme: :request_body)
    OAuth2::AccessToken.new(client, 'x', refresh_token: token).refresh!
  end,
  'rack-oauth2' => lambda do |endpoint, token|
    client = Rack::OAuth2::Client.new(identifier: 'app', token_endpoint: endpoint)
    client.refresh_token = token
    client.access_token!
  end
}.freeze

name, endpoint, token = ARGV
CLIENTS.fetch(name).call(endpoint, token)
