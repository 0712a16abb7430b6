"""A server of OAuth 2 tokens, and of what they open: Authlib, in a process of its own."""

import sys
import time
from typing import Any, ClassVar, cast

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc6750.errors import InvalidTokenError
from flask import Flask, Response, jsonify

ISSUED: dict[str, dict[str, Any]] = {}


class Client(ClientMixin):  # type: ignore[misc]
    """The one client that there is."""

    def __init__(self, method: str) -> None:
        self.client_id = "monitor"
        self._method = method

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == "s3cret: &x"

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method == self._method

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "client_credentials"

    def get_allowed_scope(self, scope: str) -> str:
        return scope if scope in {"", "read"} else ""


class ClientCredentials(grants.ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = ["client_secret_basic", "client_secret_post"]


class Validator(BearerTokenValidator):  # type: ignore[misc]
    def authenticate_token(self, token_string: str) -> Any:
        return ISSUED.get(token_string)

    def validate_token(self, token: Any, *_: Any, **__: Any) -> None:
        if token is None:
            raise InvalidTokenError


def main(port: str, method: str) -> None:
    """Serve until killed; clients say who they are by ``method``."""
    app = Flask("oauth")
    asked = [0]

    def save(token: dict[str, Any], _request: Any) -> None:
        ISSUED[token["access_token"]] = {**token, "at": time.time()}

    server = AuthorizationServer(app, query_client=lambda _: Client(method), save_token=save)
    server.register_grant(ClientCredentials)
    protect = ResourceProtector()
    protect.register_token_validator(Validator())

    @app.post("/token")
    def token() -> Response:
        asked[0] += 1
        return cast("Response", server.create_token_response())

    @app.get("/resource")
    @protect("")  # type: ignore[untyped-decorator]
    def resource() -> Response:
        return jsonify(ok=True)

    @app.post("/forget")
    def forget() -> Response:
        ISSUED.clear()
        return jsonify(asked=asked[0])

    app.run(port=int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
