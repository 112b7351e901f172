"""Deliver transmissions as Redox does: in order in each subscription, with retries.

A few lines deliver a folder, and an hour of Redox's patience passes in a second::

    outgoing = Plan(read_paths([Path("payloads")])).build()
    deliverer = Deliverer(sender.send, retries=Retries(time_scale=0.001))
    for attempt in deliverer.deliver(outgoing):
        print(attempt.outgoing.name, attempt.number, attempt.answer.status)
"""

from __future__ import annotations

from redox_wsgi.simulator.delivery.attachment import Attachment as Attachment
from redox_wsgi.simulator.delivery.attachment import read_attachment as read_attachment
from redox_wsgi.simulator.delivery.changes import Changes as Changes
from redox_wsgi.simulator.delivery.deliverer import Deliverer as Deliverer
from redox_wsgi.simulator.delivery.documents import Document as Document
from redox_wsgi.simulator.delivery.documents import read_paths as read_paths
from redox_wsgi.simulator.delivery.documents import split_stream as split_stream
from redox_wsgi.simulator.delivery.envelope import Envelope as Envelope
from redox_wsgi.simulator.delivery.outgoing import Attempt as Attempt
from redox_wsgi.simulator.delivery.outgoing import Outgoing as Outgoing
from redox_wsgi.simulator.delivery.plan import Plan as Plan
from redox_wsgi.simulator.delivery.prepared import count_repeats as count_repeats
from redox_wsgi.simulator.delivery.retries import NO_RETRIES as NO_RETRIES
from redox_wsgi.simulator.delivery.retries import Retries as Retries
from redox_wsgi.simulator.delivery.settings import Setting as Setting
from redox_wsgi.simulator.delivery.settings import parse_setting as parse_setting

__all__ = [
    "NO_RETRIES",
    "Attachment",
    "Attempt",
    "Changes",
    "Deliverer",
    "Document",
    "Envelope",
    "Outgoing",
    "Plan",
    "Retries",
    "Setting",
    "count_repeats",
    "parse_setting",
    "read_attachment",
    "read_paths",
    "split_stream",
]
