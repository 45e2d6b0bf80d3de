"""PyPI's PyJWT as a peer: see tests/peers.rs for what comes in and goes out."""

import json
import os
import sys

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

asked = json.load(sys.stdin)

verdicts = {}
for case in asked["cases"]:
    try:
        key = jwt.PyJWK.from_dict(case["key"], algorithm=case["alg"])
        jwt.decode(
            case["token"],
            key,
            algorithms=[case["alg"]],
            audience=case["audience"],
            issuer=case["issuer"],
            options={"require": ["exp", "iat", "sub", "jti"]},
        )
        verdicts[case["name"]] = ""
    except jwt.PyJWTError as error:
        verdicts[case["name"]] = type(error).__name__


def generate(alg):
    """A private key, and what verifies it as a JWK."""
    if alg.startswith("HS"):
        secret = os.urandom(int(alg[2:]) // 8)
        return secret, HMACAlgorithm.to_jwk(secret, as_dict=True)
    if alg == "EdDSA":
        key = ed25519.Ed25519PrivateKey.generate()
        return key, OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    if alg.startswith("ES"):
        key = ec.generate_private_key({"ES256": ec.SECP256R1, "ES384": ec.SECP384R1}[alg]())
        return key, ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key, RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)


issued = []
for wanted in asked["issue"]:
    alg, kid = wanted["alg"], wanted["kid"]
    (key, jwk), (_, other) = generate(alg), generate(alg)
    token = jwt.encode(wanted["claims"], key, algorithm=alg, headers={"kid": kid, "typ": "at+jwt"})
    named = {"alg": alg, "kid": kid}
    issued.append({"alg": alg, "token": token, "key": {**jwk, **named}, "other": {**other, **named}})
json.dump({"verdicts": verdicts, "issued": issued}, sys.stdout)
