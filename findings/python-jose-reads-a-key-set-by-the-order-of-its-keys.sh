#!/usr/bin/env bash
# Whether python-jose reads a token depends on the order of the keys in the set
#
# Versions: python-jose 3.5.0 with cryptography 46.0.3 (PyPI, Python 3.11).
#
# A set has two keys, an RSA one and a P-256 one, each with `kid`, `alg` and `use`, as any issuer has while it changes its
# algorithm. A token of ES256 that names its `kid` is read if its key comes first, and refused with `JWKError` if the RSA key
# does. The keys are tried in their order, `kid` is not looked at, and the first of another kind ends it all. A token of RS256
# fails in the same way behind a P-256 key.
#
# Why it matters: an issuer that publishes its next key a day ahead, as it should, locks out these services with the key that is
# not yet used, or not, by chance of the order. Give them the one key that the token's `kid` names.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check 'python-jose[cryptography]==3.5.0' cryptography==46.0.3
cat >look.py <<'PY'
import sys
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jose import jwk, jwt

made = {"ES256": ec.generate_private_key(ec.SECP256R1()), "RS256": rsa.generate_private_key(65537, 2048)}
pem, public = {}, {}
for alg, key in made.items():
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem[alg] = key.private_bytes(*form).decode()
    public[alg] = {**jwk.construct(pem[alg], alg).public_key().to_dict(), "kid": alg, "use": "sig"}


def reads(alg, order):
    token = jwt.encode({"sub": "alice", "exp": int(time.time()) + 60}, pem[alg], alg, headers={"kid": alg})
    try:
        jwt.decode(token, {"keys": [public[name] for name in order]}, algorithms=[alg])
    except Exception as error:
        return f"{type(error).__name__}"
    return "read"


same = True
for alg, other in (("ES256", "RS256"), ("RS256", "ES256")):
    first, second, alone = reads(alg, [alg, other]), reads(alg, [other, alg]), reads(alg, [alg])
    print(f"{alg}: its key first: {first}; second: {second}; alone: {alone}")
    same &= (first, second, alone) == ("read", "JWKError", "read")
print("as described" if same else "CHANGED")
sys.exit(0 if same else 1)
PY
python/bin/python look.py
