# The rows of Ruby: reads servers and their tokens as JSON from standard input, and writes who reads which of them.
require 'json'
require 'jwt'
require 'json/jwt'

VERIFIERS = {
  'ruby-jwt' => lambda do |world|
    keys = ->(_) { { keys: world['keys'].map { |key| key.transform_keys(&:to_sym) } } }
    wanted = { iss: world['issuer'], verify_iss: true, aud: world['audience'], verify_aud: true }
    JWT.decode(world['token'], nil, true, algorithms: [world['alg']], jwks: keys, **wanted)
  end,
  'ruby-json-jwt' => lambda do |world|
    keys = JSON::JWK::Set.new(world['keys'])
    claims = JSON::JWT.decode(world['token'], keys, [world['alg'].to_sym])
    raise 'the issuer' unless claims[:iss] == world['issuer'] && claims[:aud] == world['audience']
  end
}.freeze

def reads(name, verify, world)
  verify.call(world)
  true
rescue StandardError => e
  warn "#{name} #{world['alg']}: #{e.class} #{e.message}"
  false
end

worlds = JSON.parse($stdin.read)
puts(VERIFIERS.map { |name, verify| { package: name, name:, reads: worlds.map { |world| reads(name, verify, world) } } }.to_json)
