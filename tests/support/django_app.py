"""The same application in Django: a view in guard mode, a database, no templates."""

from __future__ import annotations

import sys
from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from redox_wsgi import RedoxMiddleware
from tests.support.contract_app import build_calls, build_destinations, note


def calls(request: HttpRequest) -> HttpResponse:
    """Tell what reached a handler."""
    return HttpResponse(build_calls(), content_type="application/json")


# Redox cannot carry a CSRF token; RedoxMiddleware has checked who sends.
@csrf_exempt
def guarded(request: HttpRequest) -> HttpResponse:
    """Answer in guard mode."""
    transmission = request.META["redox_wsgi.transmission"]
    note(request.body, transmission.destination)
    return JsonResponse({"length": len(request.body), "event": transmission.event_type})


@csrf_exempt
def ours(request: HttpRequest) -> HttpResponse:
    """Answer what is no destination."""
    return JsonResponse({"body": request.body.decode(), "query": request.GET.dict()})


urlpatterns = [
    path("calls", calls),
    path("guard", guarded),
    path("ours", ours),
]


# While this module is imported: pytest looks into Django's lazy objects for doctests.
settings.configure(
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="only for tests",
    ROOT_URLCONF=sys.modules[__name__],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
)
django.setup()


def build_django() -> Any:
    """Wrap a Django application, with Django's usual middleware on."""
    return RedoxMiddleware(get_wsgi_application(), build_destinations())
