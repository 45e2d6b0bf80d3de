"""PyPI's joserfc as a peer: see tests/peers.rs for what comes in and goes out."""

import json
import sys

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey, import_key

asked = json.load(sys.stdin)

verdicts = {}
for case in asked["cases"]:
    try:
        token = jwt.decode(case["token"], import_key(case["key"]), algorithms=[case["alg"]])
        registry = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": case["issuer"]},
            aud={"essential": True, "value": case["audience"]},
            exp={"essential": True},
            sub={"essential": True},
        )
        registry.validate(token.claims)
        verdicts[case["name"]] = ""
    except (JoseError, ValueError) as error:
        verdicts[case["name"]] = type(error).__name__


def generate(alg, named):
    if alg.startswith("HS"):
        return OctKey.generate_key(int(alg[2:]), named)
    if alg == "EdDSA":
        return OKPKey.generate_key("Ed25519", named)
    if alg.startswith("ES"):
        return ECKey.generate_key({"ES256": "P-256", "ES384": "P-384"}[alg], named)
    return RSAKey.generate_key(2048, named)


issued = []
for wanted in asked["issue"]:
    alg, kid = wanted["alg"], wanted["kid"]
    named = {"alg": alg, "kid": kid}
    key, other = generate(alg, named), generate(alg, named)
    header = {"alg": alg, "kid": kid, "typ": "at+jwt"}
    token = jwt.encode(header, wanted["claims"], key, algorithms=[alg])
    private = alg.startswith("HS")
    issued.append({
        "alg": alg,
        "token": token,
        "key": key.as_dict(private=private),
        "other": other.as_dict(private=private),
    })
json.dump({"verdicts": verdicts, "issued": issued}, sys.stdout)
