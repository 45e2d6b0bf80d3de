#!/usr/bin/env bash
# From Authlib 1.6 to 1.7 its validator of RFC 9068 tokens stopped reading EdDSA and PS256, and has no setting for it
#
# Versions: Authlib 1.6.12 and 1.9.10, joserfc 1.8.0, cryptography 46.0.3 (PyPI, Python 3.11).
#
# `JWTBearerTokenValidator` takes keys and no list of algorithms. 1.6.12 read whatever the key set allowed. Since 1.7.0 it is
# built on joserfc, which reads by default only what it recommends: RS256 and ES256 of these. Tokens of EdDSA and PS256, under the
# same keys, are `invalid_token` from one minor release to the next, as if they were forged.
#
# Why it matters: an update of a dependency in a service refuses each token of an issuer that signs with EdDSA, and neither the
# error nor the release's name says so. Choose ES256 or RS256 for readers that you do not build, or use introspection.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for version in 1.6.12 1.9.10; do
  python3 -m venv "$version"
  "$version/bin/pip" install --quiet --disable-pip-version-check "Authlib==$version" joserfc==1.8.0 cryptography==46.0.3 requests==2.34.2
done
cat >make.py <<'PY'
import json
import time

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

made = {"RS256": RSAKey.generate_key(2048), "ES256": ECKey.generate_key("P-256"), "PS256": RSAKey.generate_key(2048), "EdDSA": OKPKey.generate_key("Ed25519")}
now = int(time.time())
claims = {"iss": "https://issuer.example", "aud": "api", "sub": "alice", "client_id": "app", "jti": "1", "iat": now, "exp": now + 600}
out = []
for alg, key in made.items():
    token = jwt.encode({"alg": alg, "kid": alg, "typ": "at+jwt"}, claims, key, algorithms=[alg])
    out.append([alg, token, {**key.as_dict(private=False), "kid": alg, "alg": alg, "use": "sig"}])
print(json.dumps(out))
PY
cat >read.py <<'PY'
import json
import sys

from authlib import __version__
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator


def keys(key):
    if __version__.startswith("1.6."):
        from authlib.jose import JsonWebKey

        return JsonWebKey.import_key_set({"keys": [key]})
    from joserfc.jwk import KeySet

    return KeySet.import_key_set({"keys": [key]})


def reads(token, key):
    class Validator(JWTBearerTokenValidator):
        def get_jwks(self):
            return keys(key)

    validator = Validator(issuer="https://issuer.example", resource_server="api")
    try:
        validator.validate_token(validator.authenticate_token(token), [], None)
    except Exception:
        return False
    return True


print(" ".join(alg for alg, token, key in json.load(sys.stdin) if reads(token, key)))
PY
1.9.10/bin/python -W ignore make.py >tokens.json
old=$(1.6.12/bin/python -W ignore read.py <tokens.json)
new=$(1.9.10/bin/python -W ignore read.py <tokens.json)
echo "1.6.12 reads: $old"
echo "1.9.10 reads: $new"
if [ "$old" = 'RS256 ES256 PS256 EdDSA' ] && [ "$new" = 'RS256 ES256' ]; then echo 'as described'; else echo CHANGED; exit 1; fi
