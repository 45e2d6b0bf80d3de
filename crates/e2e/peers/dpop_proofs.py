"""Proofs of a key (DPoP, RFC 9449) that joserfc makes, against a built example server.

HALLPASS_E2E_SERVER names the program."""

import hashlib
import json
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from base64 import urlsafe_b64encode

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey

REGISTRY = jws.JWSRegistry(algorithms=["ES256", "EdDSA", "Ed25519"], strict_check_header=False)


class Client:
    """A client with a key, and the nonce that the server has given it last."""

    def __init__(self, url, key, algorithm):
        self.url, self.key, self.algorithm, self.nonce = url, key, algorithm, None

    def prove(self, method, path, token=None, **changed):
        claims = {"jti": str(uuid.uuid4()), "htm": method, "htu": self.url + path, "iat": int(time.time())}
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

    def send(self, method, path, token=None, body=None, proof=None):
        headers = {"DPoP": proof or self.prove(method, path, token)}
        if token:
            headers["Authorization"] = f"DPoP {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error
        self.nonce = answer.headers.get("DPoP-Nonce", self.nonce)
        return answer.status, json.loads(answer.read() or b"{}")

    def ask(self, method, path, body):
        """Repeats what was refused for its nonce."""
        status, answer = self.send(method, path, body=body)
        if answer.get("error") == "use_dpop_nonce":
            status, answer = self.send(method, path, body=body)
        assert status == 200, (status, answer)
        assert answer["token_type"] == "DPoP", answer
        return answer


def check(url, key, algorithm):
    client = Client(url, key, algorithm)
    login = {"username": "alice", "password": "wonderland", "transport": "header"}
    tokens = client.ask("POST", "/auth/login", login)
    tokens = client.ask("POST", "/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    token = tokens["access_token"]
    status, me = client.send("GET", "/api/me", token)
    assert (status, me["sub"]) == (200, "alice"), (status, me)

    now = int(time.time())
    for wrong in (
        {"iat": now - 300},
        {"iat": now + 300},
        {"htm": "POST"},
        {"htu": url + "/api/Me"},
        {"ath": "AAAA"},
    ):
        proof = client.prove("GET", "/api/me", token, **wrong)
        status, refused = client.send("GET", "/api/me", token, proof=proof)
        assert (status, refused["error"]) == (401, "invalid_dpop_proof"), (wrong, status, refused)
    # A query, and escapes that are not needed, do not matter.
    for same in (url + "/api/me?page=1", url + "/api/%6de"):
        proof = client.prove("GET", "/api/me", token, htu=same)
        assert client.send("GET", "/api/me", token, proof=proof)[0] == 200, same
    thief = Client(url, ECKey.generate_key("P-256"), "ES256")
    status, refused = thief.send("GET", "/api/me", token)
    assert (status, refused["error"]) == (401, "invalid_token"), (status, refused)


def main():
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--listen=127.0.0.1:0", "--store=memory:", "--rate-limit=off", "--dpop=required"]
        keys = f"--keys={folder}/keys.json"
        program = os.environ["HALLPASS_E2E_SERVER"]
        server = subprocess.Popen([program, keys, *flags], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            url = server.stdout.readline().removeprefix("listening on ").strip()
            check(url, ECKey.generate_key("P-256"), "ES256")
            check(url, OKPKey.generate_key("Ed25519"), "EdDSA")
            check(url, OKPKey.generate_key("Ed25519"), "Ed25519")
        finally:
            server.kill()
            server.wait()
    print("joserfc's proofs are accepted, and the wrong ones refused")


main()
