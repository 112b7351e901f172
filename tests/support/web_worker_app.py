"""An application whose processes handle what they keep, for servers to run."""

from __future__ import annotations

import logging
import os

from werkzeug.exceptions import NotFound

from redox_wsgi import Destination, RedoxMiddleware
from redox_wsgi.inbox import Inbox
from tests.support.builders import TOKEN
from tests.support.worked import handle

logging.basicConfig(level=logging.INFO)

inbox = Inbox(os.environ.get("REDOX_INBOX", "memory://"))
web_worker = inbox.start_worker(handle, lease_seconds=5, grace_seconds=3)
application = RedoxMiddleware(
    NotFound(), {"/redox": Destination(inbox, verification_token=TOKEN)}
)
