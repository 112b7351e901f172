"""How gunicorn serves this: ``gunicorn -c example_app/gunicorn.conf.py ...``.

Every value here can be overruled on gunicorn's command line.
"""

from __future__ import annotations

from example_app.authentication import build_credential
from example_app.settings import (
    SettingsError,
    read_address,
    read_settings,
    write_address,
)
from redox_wsgi import ConfigurationError

wsgi_app = "example_app.wsgi:application"

try:
    # In the master, so that a setting that is missing or wrong is one sentence and not
    # the traceback of a worker that does not start.
    described = read_settings().authenticator
    if described is not None:
        build_credential(described)
    bind = write_address(*read_address())
except (SettingsError, ConfigurationError) as error:
    raise SystemExit(str(error)) from None

# Redox sends one transmission a subscription at a time, but many subscriptions at once,
# and somebody looks at the board: threads wait for the disk together, processes use the
# cores.
worker_class = "gthread"
workers = 2
threads = 8

# A query may take 120 s from end to end; a worker that is silent for longer is broken.
# -- https://developer.redoxengine.com/redox-json-api/processing-requests/
timeout = 150

# At a restart what has begun may end: an answer that does not come is sent again.
graceful_timeout = 30

# A front end such as nginx keeps its connections; Redox's verification closes its own.
keepalive = 5

# Beside the verification token there may be a JWT, with its certificates if need be.
limit_request_field_size = 16_384
limit_request_fields = 64
limit_request_line = 8_190

# Each worker loads the application itself, so that a reload takes new code as well.
preload_app = False

# A socket for a control program, which nobody here uses; since gunicorn 25.
control_socket_disable = True

# To standard output. A verification by GET has the token in its query, so of the
# request line only method and path are written: none of %(r)s, %(q)s and %(f)s.
accesslog = "-"
access_log_format = '%(h)s %(t)s "%(m)s %(U)s" %(s)s %(B)s bytes %(M)s ms'
