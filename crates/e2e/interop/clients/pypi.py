"""Renews one token with one client of PyPI: clients.py NAME ENDPOINT TOKEN."""

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


CLIENTS = {
    "Authlib": authlib,
    "requests-oauthlib": requests_oauthlib,
    "httpx-oauth": httpx_oauth,
    "google-auth": google_auth,
}

_, name, endpoint, token = sys.argv
CLIENTS[name](endpoint, token)
