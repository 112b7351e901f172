"""The WSGI side: which path is a destination's; everything else passes untouched.

Do not decide here what a request deserves: ``destination.py`` does.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from redox_wsgi.destination import Destination
from redox_wsgi.errors import ConfigurationError
from redox_wsgi.request import Request
from redox_wsgi.transmission import Transmission
from redox_wsgi.verification import blank_tokens

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

#: Where the wrapped application finds the transmission in guard mode.
TRANSMISSION_KEY = "redox_wsgi.transmission"


class RedoxMiddleware:
    """Makes paths of a WSGI application the destinations of Redox.

    A path matches exactly, with or without one trailing slash, and however many slashes
    it begins with: frameworks do not count them, and there must be no way around. When
    not to use it: where the application is not yours to restart. Then give a process of
    its own ``werkzeug.exceptions.NotFound()`` as the application.

    Args:
        application: The wrapped application; it gets every other request untouched.
        destinations: For each path a ``Destination``, or any WSGI application that
            shall answer there, such as a token endpoint.

    Raises:
        ConfigurationError: The application or a value cannot be called, there is no
            destination, a path does not begin with a slash or holds a query, or two are
            the same.

    Environ keys changed, at the path of a destination only: the value of a
    ``verification-token`` parameter becomes ``***`` in ``QUERY_STRING``, ``RAW_URI``
    and ``REQUEST_URI``, so that no access log prints it. In guard mode ``wsgi.input``
    holds the body again, ``CONTENT_LENGTH`` its length, ``HTTP_TRANSFER_ENCODING`` is
    gone, and ``redox_wsgi.transmission`` is the transmission.

    Example:
        >>> from werkzeug.exceptions import NotFound
        >>> def receive(transmission):
        ...     print(transmission.data_model, transmission.event_type)
        >>> application = RedoxMiddleware(
        ...     NotFound(),
        ...     {"/redox": Destination(receive, verification_token="x" * 32)},
        ... )
    """

    def __init__(
        self,
        application: WSGIApplication,
        destinations: Mapping[str, Destination | WSGIApplication],
    ) -> None:
        if not callable(application):
            raise ConfigurationError(
                "RedoxMiddleware wraps a WSGI application, such as app.wsgi_app of "
                "Flask or get_wsgi_application() of Django."
            )
        if not isinstance(destinations, Mapping) or not destinations:
            raise ConfigurationError(
                "RedoxMiddleware needs at least one destination: "
                '{"/redox": Destination(receive, verification_token=token)}.'
            )
        self.application = application
        self._at_path: dict[str, Destination | WSGIApplication] = {}
        for path, value in destinations.items():
            self._add(path, value)

    def _add(self, path: str, value: Destination | WSGIApplication) -> None:
        if not isinstance(path, str) or not path.startswith("/"):
            raise ConfigurationError(f"The path {path!r} must begin with a slash.")
        if "?" in path or "#" in path:
            raise ConfigurationError(
                f"The path {path!r} must hold no query and no fragment."
            )
        name = path.rstrip("/") or "/"
        if isinstance(value, Destination):
            value = value if value.name is not None else value.with_name(name)
        elif not callable(value):
            raise ConfigurationError(
                f"At {path} stands a {type(value).__name__}: give a Destination or a "
                "WSGI application."
            )
        # As it will stand in PATH_INFO: bytes read as latin-1.
        key = name.lstrip("/").encode().decode("latin-1")
        for variant in (key, f"{key}/" if key else key):
            if self._at_path.get(variant, value) is not value:
                raise ConfigurationError(
                    f"Two destinations at {name}: a trailing slash makes no difference."
                )
            self._at_path[variant] = value

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer at a destination's path, pass on everywhere else."""
        destination = self._at_path.get(environ.get("PATH_INFO", "").lstrip("/"))
        if destination is None:
            return self.application(environ, start_response)
        if not isinstance(destination, Destination):
            return destination(environ, start_response)

        request = Request(environ, destination.max_body_bytes)
        if request.query_string:
            _blank_environ(environ)
        answer = destination.respond(request)
        if isinstance(answer, Transmission):
            _restore_body(environ, answer)
            return self.application(environ, start_response)
        start_response(answer.status_line, answer.header_list)
        return [] if request.method == "HEAD" else [answer.body]


def _blank_environ(environ: WSGIEnvironment) -> None:
    # gunicorn builds its access line from environ when the application has returned.
    environ["QUERY_STRING"] = blank_tokens(environ["QUERY_STRING"])
    for key in ("RAW_URI", "REQUEST_URI"):
        if key in environ:
            path, mark, query = environ[key].partition("?")
            environ[key] = path + mark + blank_tokens(query)


def _restore_body(environ: WSGIEnvironment, transmission: Transmission) -> None:
    environ["wsgi.input"] = io.BytesIO(transmission.body)
    environ["CONTENT_LENGTH"] = str(len(transmission.body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ[TRANSMISSION_KEY] = transmission
