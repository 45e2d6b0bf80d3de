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


def pyjwt_key_fetcher(world, **options):
    import jwt
    from pyjwt_key_fetcher import AsyncKeyFetcher

    async def read():
        entry = await AsyncKeyFetcher(valid_issuers=[world.issuer], **options).get_key(world.token)
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


def flask_jwt_extended(world):
    import flask
    from flask_jwt_extended import JWTManager, jwt_required
    from jwt.algorithms import get_default_algorithms

    public = get_default_algorithms()[world.alg].from_jwk(json.dumps(world.key))
    app = flask.Flask("interop")
    app.config["JWT_ALGORITHM"] = world.alg
    app.config["JWT_PUBLIC_KEY"] = pem(public)
    app.config["JWT_DECODE_ISSUER"] = world.issuer
    app.config["JWT_DECODE_AUDIENCE"] = world.audience
    JWTManager(app)
    app.add_url_rule("/", view_func=jwt_required()(lambda: "read"))
    answer = app.test_client().get("/", headers={"Authorization": f"Bearer {world.token}"})
    assert answer.status_code == 200, answer.text


def pyjwt_key_fetcher_set(world):
    pyjwt_key_fetcher(world, config_path="/.well-known/oauth-authorization-server")


def simplejwt(world):
    import django
    from django.conf import settings

    if not settings.configured:
        settings.configure(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"], SECRET_KEY="unused")
        django.setup()
    from rest_framework_simplejwt.backends import TokenBackend
    from rest_framework_simplejwt.tokens import AccessToken

    backend = TokenBackend(world.alg, "", "", world.audience, world.issuer, world.jwksUri)
    token = type("Token", (AccessToken,), {"token_backend": backend})(world.token)
    from rest_framework_simplejwt.settings import api_settings

    assert api_settings.USER_ID_CLAIM in token


def simplejwt_set(world):
    from rest_framework_simplejwt.settings import api_settings

    settings = {"TOKEN_TYPE_CLAIM": None, "USER_ID_CLAIM": "sub"}
    for name, value in settings.items():
        setattr(api_settings, name, value)
    try:
        simplejwt(world)
    finally:
        for name in settings:
            delattr(api_settings, name)


def fastmcp(world):
    from fastmcp.server.auth.providers.jwt import JWTVerifier

    verifier = JWTVerifier(
        jwks_uri=world.jwksUri, issuer=world.issuer, audience=world.audience, algorithm=world.alg, ssrf_safe=False
    )
    assert asyncio.run(verifier.verify_token(world.token)) is not None


def pem(public):
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


# By the name of the row: the package, and what raises if the token is not read. After ", set" with what the row says to set.
VERIFIERS = {
    "PyJWT": ("PyJWT", pyjwt),
    "pyjwt-key-fetcher": ("pyjwt-key-fetcher", pyjwt_key_fetcher),
    "pyjwt-key-fetcher, set": ("pyjwt-key-fetcher", pyjwt_key_fetcher_set),
    "joserfc": ("joserfc", joserfc),
    "Authlib": ("Authlib", authlib_rfc9068),
    "authlib.jose (deprecated)": ("Authlib", authlib_jose),
    "python-jose": ("python-jose", python_jose),
    "jwcrypto": ("jwcrypto", jwcrypto),
    "flask-jwt-extended": ("flask-jwt-extended", flask_jwt_extended),
    "djangorestframework-simplejwt": ("djangorestframework-simplejwt", simplejwt),
    "djangorestframework-simplejwt, set": ("djangorestframework-simplejwt", simplejwt_set),
    "fastmcp": ("fastmcp", fastmcp),
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
        rows.append({"name": name, "version": version(package), "reads": [reads(verify, world) for world in worlds]})
    print(json.dumps(rows))


main()
