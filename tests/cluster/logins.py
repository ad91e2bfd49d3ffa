"""Ways to log in to a hub, as a browser or a learning platform goes them."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from time import time
from typing import Any
from urllib.parse import quote, urljoin
from uuid import uuid4

import httpx2

from cluster.test_people import xsrf

OUT, PERSON, ADMIN = "out", "person", "admin"


async def standing(browser: httpx2.AsyncClient) -> str:
    """Who somebody is on the hub by now."""
    if not (await browser.get("hub/home")).is_success:
        return OUT
    return ADMIN if (await browser.get("hub/admin")).is_success else PERSON


async def by_form(browser: httpx2.AsyncClient, name: str, password: str) -> httpx2.Response:
    """The hub's own page."""
    await browser.get("hub/login")
    fields = {"username": name, "password": password, "_xsrf": xsrf(browser)}
    return await browser.post("hub/login", data=fields)


async def sign_up(browser: httpx2.AsyncClient, name: str, password: str) -> str:
    """For an account of the hub's own; what the page says then."""
    await browser.get("hub/signup")
    twice = {"signup_password": password, "signup_password_confirmation": password}
    answer = await browser.post("hub/signup", data={"username": name, **twice, "_xsrf": xsrf(browser)})
    return answer.text


async def by_launch(
    browser: httpx2.AsyncClient, fields: Mapping[str, str], key: str, secret: str
) -> httpx2.Response:
    """As a learning platform sends people in (LTI 1.1): a form that it signed (OAuth 1.0, HMAC-SHA1)."""
    url = str(browser.base_url.join("hub/lti/launch"))
    said = {
        "lti_message_type": "basic-lti-launch-request",
        "lti_version": "LTI-1p0",
        "resource_link_id": "1",
        "oauth_consumer_key": key,
        "oauth_nonce": uuid4().hex,
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": str(int(time())),
        "oauth_version": "1.0",
        **fields,
    }
    return await browser.post(url, data={**said, "oauth_signature": _signature(url, said, secret)})


def _signature(url: str, said: Mapping[str, str], secret: str) -> str:
    pairs = sorted((_encode(name), _encode(value)) for name, value in said.items())
    parameters = "&".join(f"{name}={value}" for name, value in pairs)
    text = "&".join(["POST", _encode(url), _encode(parameters)])
    digest = hmac.new(f"{_encode(secret)}&".encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def _encode(text: str) -> str:
    return quote(text, safe="-._~")


async def by_provider(
    browser: httpx2.AsyncClient, provider: str, name: str, password: str
) -> list[httpx2.Response]:
    """By OAuth, where the provider at this URL is a JupyterHub: every answer on the way, the hub's last."""
    answers = [await browser.get("hub/oauth_login")]
    while answers[-1].is_redirect and len(answers) < _LONGEST:
        url = urljoin(str(answers[-1].request.url), answers[-1].headers["location"])
        if "/hub/spawn" in url:
            break
        answers.append(await browser.get(url))
        if answers[-1].is_success and "password" in answers[-1].text:
            fields: dict[str, Any] = {
                "username": name,
                "password": password,
                "_xsrf": _xsrf_of(browser, provider),
            }
            answers.append(await browser.post(url, data=fields))
    return answers


_LONGEST = 15


def _xsrf_of(browser: httpx2.AsyncClient, provider: str) -> str:
    path = httpx2.URL(provider).path + "hub/"
    return str(next(c.value for c in browser.cookies.jar if c.name == "_xsrf" and c.path == path))
