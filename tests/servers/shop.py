"""A shop to log in to: a form with cookie and CSRF token, and a JSON API. A process of its own."""

import secrets
import sys
from typing import cast

from flask import Flask, Response, abort, jsonify, redirect, request, session
from werkzeug.wrappers import Response as AnyResponse

PASSWORD = "s3cret: &ü"
LOG: list[str] = []
TOKENS: set[str] = set()

app = Flask(__name__)
app.secret_key = secrets.token_bytes(16)
app.config.update(SESSION_COOKIE_SECURE=True, SESSION_COOKIE_PATH="/web")


@app.before_request
def note() -> None:
    LOG.append(f"{request.method} {request.full_path.rstrip('?')}")


@app.get("/log")
def log() -> Response:
    noted = jsonify(LOG[:-1])
    LOG.clear()
    return noted


@app.get("/web/login")
def form() -> str:
    session["csrf"] = secrets.token_urlsafe(16)
    return f'<form method=post><input name=csrf value="{session["csrf"]}"></form>'


@app.post("/web/login")
def log_in() -> AnyResponse:
    if "csrf" not in session or request.form["csrf"] != session["csrf"]:
        abort(400)
    if request.form["password"] != PASSWORD:
        abort(403)
    session["user"] = request.form["user"]
    return redirect("/web/basket", 303)


@app.get("/web/basket")
def basket() -> str:
    return f"The basket of {session.get('user') or abort(401)}"


@app.post("/web/logout")
def log_out() -> tuple[str, int]:
    session.clear()
    return "", 204


@app.post("/api/login")
def api_log_in() -> Response:
    given = cast("dict[str, str]", request.get_json())
    if given["password"] != PASSWORD:
        abort(403)
    token = secrets.token_hex(16)
    TOKENS.add(token)
    answer = jsonify(token=token, items=[{"id": "a/b ?ü", "count": 3}])
    answer.headers["X-Shop"] = "north"
    return answer


@app.get("/api/<shop>/item")
def item(shop: str) -> Response:
    if request.headers.get("Authorization", "").removeprefix("Bearer ") not in TOKENS:
        abort(401)
    return jsonify(shop=shop, id=request.args["id"], count=3)


@app.route("/api/broken", methods=["GET", "POST"])
def broken() -> tuple[str, int]:
    return "no", 500


@app.get("/api/echo")
def echo() -> str:
    return f"you said {request.headers.get('X-Say')}"


@app.post("/web/elsewhere")
def elsewhere() -> AnyResponse:
    return redirect(request.args["to"], 307)


if __name__ == "__main__":
    app.run("127.0.0.1", int(sys.argv[1]))
