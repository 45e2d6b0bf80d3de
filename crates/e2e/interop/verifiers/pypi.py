"""The rows of PyPI: reads servers and their tokens as JSON from standard input, and writes who reads which of them."""

import asyncio
import json
import sys
from importlib.metadata import version
from types import SimpleNamespace


def pyjwt(world):
    import jwt

    key = jwt.PyJWKClient(world.jwksUri).get_signing_key_from_jwt(world.token)
    jwt.decode(world.token, key, algorithms=[world.alg], issuer=world.issuer, audience=world.audience)


def pyjwt_key_fetcher(world):
    import jwt
    from pyjwt_key_fetcher import AsyncKeyFetcher

    async def read():
        entry = await AsyncKeyFetcher(valid_issuers=[world.issuer]).get_key(world.token)
        jwt.decode(world.token, audience=world.audience, **entry)

    asyncio.run(read())


def joserfc(world):
    from joserfc import jwt
    from joserfc.jwk import KeySet

    token = jwt.decode(world.token, KeySet.import_key_set({"keys": world.keys}), algorithms=[world.alg])
    claims = {"iss": {"essential": True, "value": world.issuer}, "aud": {"essential": True, "value": world.audience}}
    jwt.JWTClaimsRegistry(**claims).validate(token.claims)


def authlib_rfc9068(world):
    from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
    from joserfc.jwk import KeySet

    class Validator(JWTBearerTokenValidator):
        def get_jwks(self):
            return KeySet.import_key_set({"keys": world.keys})

    validator = Validator(issuer=world.issuer, resource_server=world.audience)
    claims = validator.authenticate_token(world.token)
    validator.validate_token(claims, [], None)


def authlib_jose(world):
    from authlib.jose import JsonWebKey, JsonWebToken

    keys = JsonWebKey.import_key_set({"keys": world.keys})
    JsonWebToken([world.alg]).decode(world.token, keys).validate()


def python_jose(world):
    from jose import jwt

    keys = {"keys": world.keys}
    jwt.decode(world.token, keys, algorithms=[world.alg], issuer=world.issuer, audience=world.audience)


def jwcrypto(world):
    from jwcrypto.jwk import JWKSet
    from jwcrypto.jwt import JWT

    keys = JWKSet.from_json(json.dumps({"keys": world.keys}))
    JWT(jwt=world.token, key=keys, algs=[world.alg], check_claims={"iss": world.issuer, "aud": world.audience})


VERIFIERS = {
    "PyJWT": ("PyJWT", pyjwt),
    "pyjwt-key-fetcher": ("pyjwt-key-fetcher", pyjwt_key_fetcher),
    "joserfc": ("joserfc", joserfc),
    "Authlib": ("Authlib", authlib_rfc9068),
    "authlib.jose (deprecated)": ("Authlib", authlib_jose),
    "python-jose": ("python-jose", python_jose),
    "jwcrypto": ("jwcrypto", jwcrypto),
}


def reads(verify, world):
    try:
        verify(world)
        return True
    except Exception as error:
        print(f"{verify.__name__} {world.alg}: {error!r}", file=sys.stderr)
        return False


def main():
    worlds = [SimpleNamespace(**world) for world in json.load(sys.stdin)]
    rows = []
    for name, (package, verify) in VERIFIERS.items():
        row = {"from": "PyPI", "name": name, "version": version(package)}
        row |= {world.alg: reads(verify, world) for world in worlds}
        rows.append(row)
    print(json.dumps(rows))


main()
