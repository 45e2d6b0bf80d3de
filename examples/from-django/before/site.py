"""The application as it was: Django, with its sessions in SQLite. `docs/from-django.md` walks through what changes.

`site.py ADDRESS DATABASE SECRET`: makes the tables and the users if they are not there.
"""

import socketserver
import sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[2]}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    LOGIN_URL="/login",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY=sys.argv[3],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    USE_TZ=True,
)
django.setup()

from django.contrib import auth  # noqa: E402
from django.contrib.auth.decorators import login_required  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.template import engines  # noqa: E402

FORM = engines["django"].from_string(
    "<form method=post>{% csrf_token %}<input name=name><input name=password type=password>"
    "<button>Log in</button></form>"
)


def login(request):
    if request.method == "GET":
        return HttpResponse(FORM.render({}, request))
    given = request.POST
    user = auth.authenticate(request, username=given["name"], password=given["password"])
    if user is None:
        return HttpResponse(status=401)
    auth.login(request, user)
    return redirect("/")


def logout(request):
    auth.logout(request)
    return redirect("/login")


@login_required
def home(request):
    return HttpResponse(request.user.username)


@login_required
def note(request):
    """Counts the notes of this session."""
    notes = request.session.get("notes", 0) + 1
    request.session["notes"] = notes
    return HttpResponse(str(notes))


@login_required
def password(request):
    request.user.set_password(request.POST["password"])
    request.user.save()
    # Every other session of the user has another hash now, and is not taken any more.
    auth.update_session_auth_hash(request, request.user)
    return redirect("/")


urlpatterns = [
    path("", home),
    path("login", login),
    path("logout", logout),
    path("notes", note),
    path("password", password),
]


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def main():
    call_command("migrate", verbosity=0)
    users = auth.get_user_model().objects
    if not users.exists():
        for name in ["alice", "bob", "carol", "dave"]:
            users.create_user(name, password="wonderland")
    host, port = sys.argv[1].split(":")
    server = make_server(host, int(port), get_wsgi_application(), Server, Handler)
    print(f"http://{host}:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
