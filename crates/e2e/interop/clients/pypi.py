"""Renews one token with one client of PyPI: pypi.py NAME ENDPOINT TOKEN. Prints what else it does."""

import asyncio
import os
import sys


def authlib(endpoint, token):
    from authlib.integrations.requests_client import OAuth2Session

    OAuth2Session("app", token_endpoint_auth_method="none").refresh_token(endpoint, refresh_token=token)


def requests_oauthlib(endpoint, token):
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    from requests_oauthlib import OAuth2Session

    OAuth2Session("app", token={"refresh_token": token}).refresh_token(endpoint, client_id="app")


def httpx_oauth(endpoint, token):
    from httpx_oauth.oauth2 import OAuth2

    client = OAuth2("app", "", "http://unused.example", endpoint, refresh_token_endpoint=endpoint)
    asyncio.run(client.refresh_token(token))


def google_auth(endpoint, token):
    from google.auth.transport.requests import Request
    from google.oauth2.credentials import Credentials

    credentials = Credentials(None, refresh_token=token, token_uri=endpoint, client_id="app", client_secret="")
    credentials.refresh(Request())


def httpx_auth(endpoint, token):
    import json
    import tempfile
    from unittest.mock import patch

    import httpx
    from httpx_auth import JsonTokenFileCache, OAuth2, OAuth2AuthorizationCode

    auth = OAuth2AuthorizationCode("http://login.example/", endpoint, client_id="app", timeout=5)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({auth.state: ["x", 0, token]}, file)
        file.flush()
        OAuth2.token_cache = JsonTokenFileCache(file.name)
        # What the API answers does not matter. The token is renewed by a client of its own.
        api = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200)), auth=auth)
        with patch("webbrowser.get", side_effect=lambda *_: print("opens the browser") or sys.exit()):
            api.get("http://api.example/")


def requests_oauth2client(endpoint, token):
    from requests_oauth2client import OAuth2Client

    OAuth2Client(endpoint, client_id="app", testing=True).refresh_token(token)


CLIENTS = {
    "Authlib": authlib,
    "requests-oauthlib": requests_oauthlib,
    "httpx-oauth": httpx_oauth,
    "httpx-auth": httpx_auth,
    "google-auth": google_auth,
    "requests_oauth2client": requests_oauth2client,
}

_, name, endpoint, token = sys.argv
CLIENTS[name](endpoint, token)
