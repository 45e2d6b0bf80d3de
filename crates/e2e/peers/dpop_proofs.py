"""Proofs of a key (DPoP, RFC 9449) that joserfc makes, against a built example server.

HALLPASS_E2E_SERVER names the program."""

import hashlib
import http.client
import json
import os
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey

# What clients see; the connection is to this machine.
ORIGIN = "https://app.example"

REGISTRY = jws.JWSRegistry(algorithms=["ES256", "EdDSA", "Ed25519"], strict_check_header=False)


class Client:
    """A client with a key, and the nonce that the server has given it last."""

    def __init__(self, address, key, algorithm):
        self.address, self.key, self.algorithm, self.nonce = address, key, algorithm, None

    def prove(self, method, path, token=None, **changed):
        claims = {"jti": str(uuid.uuid4()), "htm": method, "htu": ORIGIN + path, "iat": int(time.time())}
        if self.nonce:
            claims["nonce"] = self.nonce
        if token:
            digest = hashlib.sha256(token.encode()).digest()
            claims["ath"] = urlsafe_b64encode(digest).rstrip(b"=").decode()
        claims |= changed
        header = {"typ": "dpop+jwt", "alg": self.algorithm, "jwk": self.key.as_dict(private=False)}
        # The key has to be that of the header alone: members such as `kid` belong to no proof.
        header["jwk"] = {name: header["jwk"][name] for name in ("kty", "crv", "x", "y") if name in header["jwk"]}
        return jws.serialize_compact(header, json.dumps(claims), self.key, registry=REGISTRY)

    def send(self, method, path, token=None, body=None, proofs=None, scheme="DPoP"):
        connection = http.client.HTTPConnection(self.address)
        connection.putrequest(method, path)
        for proof in [self.prove(method, path, token)] if proofs is None else proofs:
            connection.putheader("DPoP", proof)
        if token:
            connection.putheader("Authorization", f"{scheme} {token}")
        body = b"" if body is None else json.dumps(body).encode()
        if body:
            connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        challenge = answer.headers.get("WWW-Authenticate", "")
        self.nonce = answer.headers.get("DPoP-Nonce", self.nonce)
        content = json.loads(answer.read() or b"{}")
        connection.close()
        return answer.status, content, challenge

    def ask(self, method, path, body):
        """Repeats what was refused for its nonce."""
        status, answer, _ = self.send(method, path, body=body)
        if answer.get("error") == "use_dpop_nonce":
            status, answer, _ = self.send(method, path, body=body)
        assert status == 200, (status, answer)
        assert answer["token_type"] == "DPoP", answer
        return answer


def check(address, key, algorithm):
    client = Client(address, key, algorithm)
    login = {"username": "alice", "password": "wonderland", "transport": "header"}
    tokens = client.ask("POST", "/auth/login", login)
    tokens = client.ask("POST", "/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    token = tokens["access_token"]
    status, me, _ = client.send("GET", "/api/me", token)
    assert (status, me["sub"]) == (200, "alice"), (status, me)

    def prove(**changed):
        return client.prove("GET", "/api/me", token, **changed)

    def call(proofs, scheme="DPoP"):
        status, answer, challenge = client.send("GET", "/api/me", token, proofs=proofs, scheme=scheme)
        assert status == 200 or challenge.startswith("DPoP "), (status, answer, challenge)
        assert status == 200 or f'error="{answer["error"]}"' in challenge, (answer, challenge)
        return status, answer.get("error")

    invalid = (401, "invalid_dpop_proof")
    now = int(time.time())
    for wrong in (
        {"iat": now - 300},
        {"iat": now + 300},
        {"htm": "POST"},
        {"htm": "get"},
        {"htu": "http://app.example/api/me"},
        {"htu": "https://api.example/api/me"},
        {"htu": "https://app.example:444/api/me"},
        {"htu": "https://app.example:80/api/me"},
        {"htu": "https://app.example/api/Me"},
        {"htu": "https://app.example/api/me/"},
        {"htu": "https://app.example/api"},
        {"htu": "/api/me"},
        {"ath": "AAAA"},
        {"jti": ""},
    ):
        assert call([prove(**wrong)]) == invalid, wrong
    # Two are refused, whatever they are; and none.
    assert call([prove(), prove()]) == invalid
    assert call([]) == invalid
    # What a proof may say in another way: the host's case, the port of the scheme, any query and fragment, and
    # escapes that are not needed.
    for same in (
        "https://APP.Example/api/me",
        "HTTPS://app.example/api/me",
        "https://app.example:443/api/me",
        "https://app.example/api/me?page=1",
        "https://app.example/api/me?",
        "https://app.example/api/me#top",
        "https://app.example/api/%6de",
    ):
        assert call([prove(htu=same)]) == (200, None), same
    # Once is enough.
    proof = prove()
    assert call([proof]) == (200, None)
    assert call([proof]) == invalid
    # A bound token is no bearer token, with a proof or without one.
    for proofs in ([], [prove()]):
        assert call(proofs, "Bearer") == (401, "invalid_token"), proofs
    # Proofs of another key.
    thief = Client(address, ECKey.generate_key("P-256"), "ES256")
    status, refused, _ = thief.send("GET", "/api/me", token)
    assert (status, refused["error"]) == (401, "invalid_token"), (status, refused)
    thief.nonce = client.nonce
    status, refused, _ = thief.send("POST", "/auth/refresh", body={"refresh_token": tokens["refresh_token"]})
    assert (status, refused["error"]) == (400, "invalid_grant"), (status, refused)
    # And at the authorization server each fault is 400.
    for wrong in ({"htm": "GET"}, {"htu": "https://app.example/auth/login"}, {"iat": now - 300}, {"iat": now + 300}):
        proofs = [client.prove("POST", "/auth/refresh", **wrong)]
        status, refused, _ = client.send("POST", "/auth/refresh", None, {"refresh_token": tokens["refresh_token"]}, proofs)
        assert (status, refused["error"]) == (400, "invalid_dpop_proof"), (wrong, status, refused)
    client.ask("POST", "/auth/refresh", {"refresh_token": tokens["refresh_token"]})


def main():
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--listen=127.0.0.1:0", "--store=memory:", "--rate-limit=off", "--dpop=required", "--access-ttl=5m"]
        flags.append(f"--origin={ORIGIN}")
        keys = f"--keys={folder}/keys.json"
        program = os.environ["HALLPASS_E2E_SERVER"]
        server = subprocess.Popen([program, keys, *flags], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            address = server.stdout.readline().removeprefix("listening on http://").strip()
            check(address, ECKey.generate_key("P-256"), "ES256")
            check(address, OKPKey.generate_key("Ed25519"), "EdDSA")
            check(address, OKPKey.generate_key("Ed25519"), "Ed25519")
        finally:
            server.kill()
            server.wait()
    print("joserfc's proofs are accepted, and the wrong ones refused")


main()
