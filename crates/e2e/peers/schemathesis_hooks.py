"""Credentials for schemathesis: whoever asks is logged in, also after a request that logged out.

`HALLPASS_E2E_TRANSPORT` is `cookie` (an access token, and a refresh token in a cookie) or `session`
(a cookie alone).
"""

import base64
import json
import os
import zlib

import requests
import schemathesis
from schemathesis import GenerationMode

TRANSPORT = os.environ["HALLPASS_E2E_TRANSPORT"]
BASE = os.environ["HALLPASS_E2E_URL"]
INTROSPECTION_KEY = os.environ["HALLPASS_E2E_INTROSPECTION_KEY"]
ADMIN_KEY = os.environ["HALLPASS_E2E_ADMIN_KEY"]

# What the long-lived credential is for.
RENEWING = ["/auth/refresh", "/auth/step-up", "/auth/password", "/auth/logout"]

session = {}


def log_in():
    body = {"username": "alice", "password": "wonderland", "transport": TRANSPORT}
    answer = requests.post(f"{BASE}/auth/login", json=body, timeout=10)
    answer.raise_for_status()
    field = answer.headers["Set-Cookie"].split(";")[0]
    # As the page of the server's own origin would.
    session["cookie"] = {"Cookie": field, "Sec-Fetch-Site": "same-origin"}
    if TRANSPORT == "cookie":
        session["access"] = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    else:
        session["access"] = session["cookie"]


def live():
    """A session that is live now."""
    if session:
        answer = requests.get(f"{BASE}/auth/session", headers=session["access"], timeout=10)
        if answer.status_code == 200:
            return session
    log_in()
    return session


@schemathesis.auth(refresh_interval=None).skip_for(path="/auth/introspect").skip_for(path="/admin/keys")
class User:
    def get(self, case, context):
        return live()

    def set(self, case, data, context):
        renews = case.path in RENEWING
        case.headers.update(data["cookie" if renews else "access"])


@schemathesis.auth(refresh_interval=None).apply_to(path="/auth/introspect")
class ResourceServer:
    def get(self, case, context):
        secret = base64.b64encode(f"api:{INTROSPECTION_KEY}".encode()).decode()
        return f"Bearer {INTROSPECTION_KEY}" if TRANSPORT == "cookie" else f"Basic {secret}"

    def set(self, case, data, context):
        case.headers["Authorization"] = data


@schemathesis.auth(refresh_interval=None).apply_to(path="/admin/keys")
class Administrator:
    def get(self, case, context):
        return f"Bearer {ADMIN_KEY}"

    def set(self, case, data, context):
        case.headers["Authorization"] = data


# No made-up password is a right one.
RIGHT = {
    "/auth/login": {"username": "alice", "password": "wonderland"},
    "/auth/step-up": {"password": "wonderland"},
}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Gives half of the well-formed requests a right password, so that its answers are tested too."""
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    if not isinstance(case.body, dict):
        return
    # By what they are, not in turn: a case that is sent again has to get the same.
    chosen = zlib.crc32(json.dumps(case.body, sort_keys=True).encode()) % 2 == 1
    if case.path in RIGHT and chosen:
        # A refresh token that was made up would be refused before the password is looked at.
        kept = {name: value for name, value in case.body.items() if name != "refresh_token"}
        case.body = kept | RIGHT[case.path]
    elif case.path == "/auth/refresh":
        # A token in the body may be one that schemathesis was given, and a cookie beside it is one too many.
        case.headers.pop("Cookie", None)


@schemathesis.hook
def after_call(context, case, response):
    if case.path == "/auth/step-up" and response.status_code == 200:
        # It has ended the credential that was sent.
        session.clear()
