"""What proves that a request comes from Redox: the token, or one of the strategies.

The signing here is the simulator's own: it shares no line with the code that verifies.
"""

from __future__ import annotations

from redox_wsgi.simulator.credentials.aws_sigv4 import AwsSigV4Credential
from redox_wsgi.simulator.credentials.credential import Credential
from redox_wsgi.simulator.credentials.hmac_signature import HmacCredential
from redox_wsgi.simulator.credentials.jwt_bearer import JwtCredential
from redox_wsgi.simulator.credentials.oauth import OAuthCredential
from redox_wsgi.simulator.credentials.reading import (
    read_credential,
    read_credential_file,
)
from redox_wsgi.simulator.credentials.smart_backend import SmartBackendCredential
from redox_wsgi.simulator.credentials.verification_token import TokenCredential

__all__ = [
    "AwsSigV4Credential",
    "Credential",
    "HmacCredential",
    "JwtCredential",
    "OAuthCredential",
    "SmartBackendCredential",
    "TokenCredential",
    "read_credential",
    "read_credential_file",
]
