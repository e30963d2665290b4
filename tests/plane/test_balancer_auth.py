"""authenticate-oidc and jwt-validation: a real HAProxy, its agent, a provider over TLS, a browser.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-verify-jwt.html
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.plane.balancer_world import (
    ADDRESS,
    ENI,
    GOOD,
    Place,
    bundle,
    group,
    node,
    place,
    rule,
    target,
)
from tests.plane.oidc_world import (
    CLIENT,
    HOST,
    ISSUER,
    SECRET,
    Answer,
    Browser,
    Idp,
    opened,
    serving,
)

from hiyoko.blueprint.balancers import (
    Claim,
    Condition,
    FixedResponse,
    Forward,
    Jwt,
    Oidc,
    Rule,
)
from hiyoko.plane.balancer.agent import oidc
from hiyoko.plane.balancer.agent.seal import Seal
from hiyoko.plane.balancer.agents import AgentPlane, drops, puts
from hiyoko.plane.balancer.guards import Trust, render_agent
from hiyoko.plane.balancer.log_line import LOGIN, RequestLine, parse_line
from hiyoko.plane.balancer.nodes import BalancerPlane
from hiyoko.plane.balancer.pipe import PIPE
from hiyoko.plane.balancer.seals import SealKey
from hiyoko.plane.balancer.signing import signing_key
from hiyoko.plane.ca.issuing import certificate_path
from hiyoko.plane.process import run
from hiyoko.reconcile.balancers import BalancerReconciler
from hiyoko.services import elbv2
from hiyoko.services.elbv2 import model, rows
from hiyoko.settings import Settings
from hiyoko.store.database import Store

__all__ = ["place"]

SITE = "https://default.test"
GUARD = Oidc(
    issuer=ISSUER,
    authorization_endpoint=f"{ISSUER}/authorize?tenant=1",
    token_endpoint=f"{ISSUER}/token",
    user_info_endpoint=f"{ISSUER}/userinfo",
    client_id=CLIENT,
    client_secret=SECRET,
    extra=(("display", "page"), ("prompt", "login")),
)
COOKIE = "AWSELBAuthSessionCookie-0"
BEARER = Jwt(f"{ISSUER}/jwks", "https://issuer.test")


@dataclass
class Auth:
    """A node with an agent, and the provider."""

    place: Place
    idp: Idp
    settings: Settings
    trust: Path

    @property
    def agents(self) -> AgentPlane:
        return AgentPlane.beside(self.place.plane.directory)

    @property
    def material(self) -> Trust:
        return Trust(b"cloud", signing_key(self.settings), self.trust)

    def browser(self) -> Browser:
        return Browser(self.trust)

    async def become(self, *rules: Rule) -> None:
        wish = node(group(replace(GOOD, settled=True)), rules=rules)
        # Guards are for HTTPS listeners only.
        secure = tuple(item for item in wish.listeners if item.protocol == "HTTPS")
        wish = replace(wish, listeners=secure)
        text = render_agent(wish, self.material)
        wished = {ENI: text} if text else {}
        observed = await self.agents.observe()
        for step in puts(wished, observed):
            await self.agents.apply(step)
        await self.place.become(wish)
        for step in drops(wished, observed):
            await self.agents.apply(step)
        observed = await self.agents.observe()
        assert puts(wished, observed) + drops(wished, observed) == []

    def seal(self) -> Seal:
        return Seal(SealKey.of(b"cloud", "session lb").key)


class Told:
    """What an agent tells of logins, read in the collector's place."""

    def __init__(self, auth: Auth) -> None:
        directory = auth.place.plane.directory / ENI
        self.pipe = os.open(directory / PIPE, os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(self.pipe, fcntl.F_SETPIPE_SZ, 1 << 20)

        self.lines = b""

    def counts(self) -> Counter[str]:
        self.lines += os.read(self.pipe, 1 << 20)
        return Counter(name.decode() for name, _ in LOGIN.findall(self.lines))

    async def reasons(self, last: str) -> Counter[str]:
        """The reasons of errors in the access log, up to one that must come."""
        found: Counter[str] = Counter()
        async with asyncio.timeout(30):
            while last not in found:
                with contextlib.suppress(BlockingIOError):
                    self.lines += os.read(self.pipe, 1 << 20)
                lines = [parse_line(line) for line in self.lines.splitlines()]
                found = Counter(
                    line.error_reason
                    for line in lines
                    if isinstance(line, RequestLine) and line.error_reason
                )
                await asyncio.sleep(0.01)
        return found

    def close(self) -> None:
        os.close(self.pipe)


def guarded(priority: int, path: str, guard: Oidc | Jwt, **changes: Any) -> Rule:
    made = rule(priority, Forward(((group().arn, 1),)), Condition("path-pattern", (path,)))
    return replace(made, guards=(replace(guard, **changes),))


@pytest.fixture
async def auth(place: Place, tmp_path: Path) -> AsyncIterator[Auth]:
    bundle(tmp_path / "idp.pem", HOST)
    trust = tmp_path / "trust.pem"
    trust.write_bytes(
        b"".join((tmp_path / f"{name}.pem").read_bytes() for name in ("default", "other", "idp"))
    )
    made = Auth(place, Idp(), Settings(tmp_path), trust)
    async with serving(made.idp, tmp_path / "idp.pem"), target(9001, "hello"):
        try:
            yield made
        finally:
            for step in drops({}, await made.agents.observe()):
                await made.agents.apply(step)
            assert not list(made.agents.directory.glob("*"))


def own(answer: Answer, title: str) -> bool:
    """Whether the balancer itself has answered so, as AWS does."""
    assert answer.headers["server"] == "awselb/2.0"
    assert answer.headers["date"].endswith(" GMT")
    assert answer.headers["content-type"] == "text/html"
    return answer.status == int(title[:3]) and f"<h1>{title}</h1>" in answer.body


async def test_a_user_logs_in_and_the_target_is_told_who_it_is(auth: Auth) -> None:
    await auth.become(guarded(1, "/echo*", GUARD))
    browser = auth.browser()
    first = await browser.get(f"{SITE}/echo?x=1&y=%20", x_amzn_oidc_identity="forged")
    assert own(first, "302 Found")
    place = urlsplit(first.location)
    asked = {name: values[0] for name, values in parse_qs(place.query).items()}
    assert f"{place.scheme}://{place.netloc}{place.path}" == f"{ISSUER}/authorize"
    assert asked.pop("state")
    assert asked == {
        "tenant": "1",
        "client_id": CLIENT,
        "redirect_uri": f"{SITE}/oauth2/idpresponse",
        "response_type": "code",
        "scope": "openid",
        "display": "page",
        "prompt": "login",
    }
    assert first.cookies["AWSALBAuthNonce"].endswith("; Path=/; Secure; HttpOnly")
    there = await browser.get(first.location)
    back = await browser.get(there.location)
    assert own(back, "302 Found")
    assert back.location == f"{SITE}/echo?x=1&y=%20"
    assert list(back.cookies) == [COOKIE, "AWSALBAuthNonce"]
    expires, attributes = back.cookies[COOKIE].split("; ", 2)[1:]
    assert attributes == "Path=/; Secure; HttpOnly"
    until = parsedate_to_datetime(expires.removeprefix("Expires="))
    assert abs(until.timestamp() - time.time() - 604_800) < 60
    form = auth.idp.seen("/token")[0]
    assert form["redirect_uri"] == [f"{SITE}/oauth2/idpresponse"]
    forged = {"x_amzn_oidc_identity": "forged", "X_Amzn_Oidc_Other": "forged"}
    last = await browser.get(f"{SITE}/echo", **forged)
    assert (last.status, "forged" in last.body) == (200, False)
    assert last.told["x-amzn-oidc-accesstoken"] == "access-2"
    assert last.told["x-amzn-oidc-identity"] == "user-1"
    data = last.told["x-amzn-oidc-data"]
    header, payload, _ = data.split(".")
    key = signing_key(auth.settings)
    assert opened(header) == {
        "typ": "JWT",
        "kid": key.kid,
        "alg": "ES256",
        "iss": ISSUER,
        "client": CLIENT,
        "signer": "lb",
        "exp": opened(payload)["exp"],
    }
    # As AWS's own example for targets does it.
    claims = jwt.decode(data, key.public, algorithms=["ES256"])
    assert (claims["sub"], claims["email"], claims["iss"]) == ("user-1", "a@b.test", ISSUER)
    # What comes after needs no provider, and whatever it is is not told of other rules' requests.
    assert len(auth.idp.asked) == 3
    assert (await browser.get(f"{SITE}/echo")).status == 200
    assert len(auth.idp.asked) == 3
    # A code cannot be used again, and another browser has not begun this login.
    assert own(await auth.browser().get(there.location), "401 Authorization Required")


async def test_without_a_session_a_rule_lets_pass_or_denies(auth: Auth) -> None:
    await auth.become(
        guarded(1, "/echo", GUARD, on_unauthenticated="allow"),
        guarded(2, "/deny", GUARD, on_unauthenticated="deny"),
        guarded(3, "/login", GUARD),
        replace(
            guarded(4, "/fixed", GUARD, on_unauthenticated="deny"),
            action=FixedResponse(200, "", "in"),
        ),
    )
    browser = auth.browser()
    passed = await browser.get(f"{SITE}/echo", x_amzn_oidc_data="forged")
    assert (passed.status, "x-amzn-oidc" in passed.body.lower()) == (200, False)
    assert own(await browser.get(f"{SITE}/deny"), "401 Authorization Required")
    assert own(await browser.get(f"{SITE}/fixed"), "401 Authorization Required")
    assert (await browser.get(f"{SITE}/other")).body == "hello"
    # One login serves all rules with the same provider and client.
    assert (await browser.follow(f"{SITE}/login")).status == 200
    assert (await browser.get(f"{SITE}/deny")).status == 200
    assert (await browser.get(f"{SITE}/fixed")).body == "in"
    assert "user-1" in (await browser.get(f"{SITE}/echo")).told["x-amzn-oidc-identity"]
    # Nobody but the balancer makes a session, and none is longer than its timeout.
    cookie = browser.jar["default.test"][COOKIE]
    for bad in (cookie[:-2] + "AA", cookie[1:], "1", "1" + "A" * 60, "9" + cookie[1:]):
        browser.jar["default.test"][COOKIE] = bad
        assert own(await browser.get(f"{SITE}/deny"), "401 Authorization Required"), bad


async def test_what_goes_wrong_at_a_login_is_answered_as_aws_answers_it(auth: Auth) -> None:
    await auth.become(guarded(1, "/echo", GUARD), guarded(2, "/elsewhere", GUARD))
    idp, told = auth.idp, Told(auth)

    async def login() -> Answer:
        return await auth.browser().follow(f"{SITE}/echo")

    unauthorized, failed = "401 Authorization Required", "500 Internal Server Error"
    no = "561 Authentication Error"
    idp.login_error = "server_error"
    assert own(await login(), no)
    answer = await login()
    assert (answer.status, answer.reason) == (561, "Authentication Error")
    idp.login_error = "access_denied"
    assert own(await login(), unauthorized)
    idp.login_error = ""
    for path in ("/token", "/userinfo"):
        for status, title in ((400, no), (503, failed), (302, failed)):
            idp.broken = {path: status}
            assert own(await login(), title), (path, status)
    idp.broken = {}
    for wrong in ({"iss": "https://x.test"}, {"aud": "x"}, {"exp": 1}, {"sub": "another"}):
        idp.id_token = dict(wrong)
        assert own(await login(), unauthorized), wrong
    idp.id_token, idp.tokens = {}, {"id_token": None}
    assert own(await login(), unauthorized)
    idp.tokens = {"access_token": "access-\r\nx: y"}
    assert own(await login(), failed)
    idp.tokens, idp.claims = {}, {"sub": "user-1", "groups": "g" * 11_400}
    assert own(await login(), failed)
    idp.claims = {"sub": "user-1"}
    # The state: none, another's, an old one, one of a rule that is gone.
    browser = auth.browser()
    first = await browser.get(f"{SITE}/echo")
    back = (await browser.get(first.location)).location
    where, _, query = back.partition("?")
    state, code = (parse_qs(query)[name][0] for name in ("state", "code"))
    seal = auth.seal()
    known = seal.open("login", state)
    assert known is not None
    assert seal.open("session", state) is None
    for bad in (
        f"code={code}",
        f"code={code}&state=x",
        f"state={state}",
        f"code={code}&state={seal.close('login', {**known, 'at': known['at'] - oidc.LOGIN_S - 1})}",
        f"code={code}&state={seal.close('login', {**known, 'rule': 'gone'})}",
        f"code={code}&state={seal.close('login', {**known, 'host': 'other.test'})}",
    ):
        assert own(await browser.get(f"{where}?{bad}"), unauthorized), bad
    assert (await browser.get(back)).location == f"{SITE}/echo"
    assert own(await browser.get(back), unauthorized)  # the nonce is used up
    assert told.counts() == {
        "ELBAuthFailure": 5,  # three times at the login page, twice by a status of 400
        "ELBAuthError": 11,
        "ELBAuthUserClaimsSizeExceeded": 1,
        "ELBAuthSuccess": 1,
        "ELBAuthLatency": 14,
    }
    # Without a Host there is no URL to come back to.
    bare = ("--http1.0", "-H", "Host:", "--connect-to", f"::{ADDRESS}:443", f"{SITE}/echo")
    head = await run("curl", "-ski", *bare, netns=ENI)
    assert head.startswith("HTTP/1.0 401 Unauthorized\r\nServer: awselb/2.0\r\nDate:")
    assert await told.reasons("AuthMissingHostHeader") == {
        "AuthTokenEpRequestFailed": 2,
        "AuthInvalidGrantError": 1,
        "AuthUserinfoEpRequestFailed": 3,
        "AuthInvalidIdToken": 3,
        "AuthInvalidUserinfoResponse": 1,
        "AuthInvalidTokenResponse": 2,
        "AuthUserinfoResponseSizeExceeded": 1,
        "AuthMissingStateParam": 1,
        "AuthInvalidStateParam": 3,
        "AuthMissingCodeParam": 1,
        "AuthInvalidCookie": 1,
        "AuthMissingHostHeader": 1,
    }
    told.close()


async def test_a_provider_that_is_silent_or_away_is_an_error_of_the_balancer(auth: Auth) -> None:
    away = replace(GUARD, token_endpoint="https://nowhere.test/token")
    refused = replace(GUARD, token_endpoint=f"https://{HOST}:444/token")
    await auth.become(
        guarded(1, "/silent", GUARD), guarded(2, "/away", away), guarded(3, "/refused", refused)
    )
    auth.idp.broken = {"/token": 0}
    told, at = Told(auth), time.monotonic()
    answers = await asyncio.gather(
        *(auth.browser().follow(f"{SITE}/{path}") for path in ("silent", "away", "refused"))
    )
    assert all(own(answer, "500 Internal Server Error") for answer in answers)
    assert time.monotonic() - at >= 5
    assert await told.reasons("AuthTokenEpRequestTimeout") == {
        "AuthTokenEpRequestTimeout": 1,
        "AuthTokenEpRequestFailed": 2,
    }
    told.close()


async def test_large_claims_fill_several_cookies(auth: Auth) -> None:
    await auth.become(guarded(1, "/echo", GUARD))
    auth.idp.claims = {"sub": "user-1", "groups": "g" * 10_900}
    browser = auth.browser()
    answer = await browser.follow(f"{SITE}/echo")
    kept = browser.jar["default.test"]
    assert sorted(kept) == [f"AWSELBAuthSessionCookie-{number}" for number in range(4)]
    assert len(opened(answer.told["x-amzn-oidc-data"].split(".")[1])["groups"]) == 10_900
    # One shard less, and it is no session.
    del kept["AWSELBAuthSessionCookie-2"]
    assert (await browser.get(f"{SITE}/echo")).status == 302
    # A smaller session after it does not stumble over what is left of the larger one.
    auth.idp.claims = {"sub": "user-1"}
    assert (await browser.follow(f"{SITE}/echo")).status == 200
    assert len(kept) == 3


async def test_an_expired_access_token_is_renewed_until_the_provider_or_the_session_ends(
    auth: Auth,
) -> None:
    short = replace(GUARD, cookie="short", timeout_s=1, on_unauthenticated="deny")
    login = replace(short, on_unauthenticated="authenticate")
    await auth.become(
        guarded(1, "/echo", GUARD), guarded(2, "/in", login), guarded(3, "/short", short)
    )
    told = Told(auth)
    auth.idp.tokens = {"expires_in": 0, "refresh_token": "again"}
    browser = auth.browser()
    first = await browser.follow(f"{SITE}/echo")
    # The session was stale at once: the first request has renewed it already, with new cookies.
    assert COOKIE in first.cookies
    assert [form["grant_type"] for form in auth.idp.seen("/token")] == [
        ["authorization_code"],
        ["refresh_token"],
    ]
    assert auth.idp.seen("/token")[1]["refresh_token"] == ["again"]
    assert first.told["x-amzn-oidc-accesstoken"] == "access-3"
    assert (await browser.get(f"{SITE}/echo")).told["x-amzn-oidc-accesstoken"] == "access-4"

    async def logged_in(refresh_token: str) -> Browser:
        auth.idp.tokens = {"expires_in": 0, "refresh_token": refresh_token}
        made = auth.browser()
        assert (await made.follow(f"{SITE}/echo", stop=2)).location == f"{SITE}/echo"
        return made

    # Many at once with one refresh token, which may be good only once: one renewal.
    several = await logged_in("second")
    auth.idp.tokens = {"expires_in": "60"}
    auth.idp.claims = {"sub": "user-1", "email": "new@b.test"}
    count = len(auth.idp.seen("/token"))
    answers = await asyncio.gather(*(several.get(f"{SITE}/echo") for _ in range(4)))
    assert len(auth.idp.seen("/token")) == count + 1
    for answer in answers:
        claims = opened(answer.told["x-amzn-oidc-data"].split(".")[1])
        assert claims["email"] == "new@b.test"
    assert told.counts()["ELBAuthRefreshTokenSuccess"] == 3
    told.close()
    # The provider is away: that says nothing of the user. It says that the user is gone: log in.
    gone = await logged_in("third")
    auth.idp.broken = {"/token": 503}
    assert own(await gone.get(f"{SITE}/echo"), "500 Internal Server Error")
    auth.idp.broken = {"/token": 400}
    assert (await gone.get(f"{SITE}/echo")).location.startswith(ISSUER)
    auth.idp.broken = {}
    # A session ends at its time, whatever the tokens are.
    auth.idp.tokens = {"expires_in": 3600}
    brief = auth.browser()
    assert (await brief.follow(f"{SITE}/in", stop=2)).location == f"{SITE}/in"
    async with asyncio.timeout(30):
        # Nothing tells when a cookie's time is over.
        while (await brief.get(f"{SITE}/short")).status != 401:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_a_good_bearer_token_passes_as_it_is_and_nothing_else_does(auth: Auth) -> None:
    claims = (
        Claim("tenant", "single-string", ("t1",)),
        Claim("scope", "space-separated-values", ("read", "write")),
        Claim("roles", "string-array", ("admin",)),
    )
    away = replace(BEARER, jwks_endpoint="https://nowhere.test/jwks")
    broken = replace(BEARER, jwks_endpoint=f"{ISSUER}/userinfo")
    await auth.become(
        guarded(1, "/echo", BEARER),
        guarded(2, "/claims", BEARER, claims=claims),
        guarded(3, "/away", away),
        guarded(4, "/broken", broken),
    )
    auth.idp.broken = {"/userinfo": 404}
    now = int(time.time())
    good = {"iss": BEARER.issuer, "exp": now + 60}
    browser, idp = auth.browser(), auth.idp

    async def status(token: str, path: str = "/echo", scheme: str = "Bearer") -> int:
        answer = await browser.get(f"{SITE}{path}", authorization=f"{scheme} {token}")
        if answer.status == 401:
            assert own(answer, "401 Authorization Required")
        return answer.status

    token = idp.signed(good)
    answer = await browser.get(f"{SITE}/echo", authorization=f"bearer {token}")
    assert answer.told["authorization"] == f"bearer {token}"
    assert (await browser.get(f"{SITE}/echo")).status == 401
    assert await status(token, scheme="Basic") == 401
    assert await status("a.b.c") == 401
    assert await status(idp.signed({**good, "nbf": now - 5, "iat": now - 5, "aud": "any"})) == 200
    assert await status(idp.signed(good, kid=None)) == 200
    for wrong in (
        {"exp": now - 5},
        {"iss": "https://other.test"},
        {"nbf": now + 60},
        {"iat": now + 60},
    ):
        assert await status(idp.signed({**good, **wrong})) == 401, wrong
    for missing in good:
        assert await status(idp.signed({k: v for k, v in good.items() if k != missing})) == 401
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert await status(idp.signed(good, key=stranger)) == 401
    assert await status(idp.signed(good, kid="unknown")) == 401
    assert await status(idp.signed(good, algorithm="RS512")) == 401
    assert await status(jwt.encode(good, "", "none", headers={"kid": "k1"})) == 401
    full = {**good, "tenant": "t1", "scope": "x write read", "roles": ["admin", "dev"]}
    assert await status(idp.signed(full), "/claims") == 200
    for part in ({"tenant": "t2"}, {"scope": "read"}, {"roles": "admin"}, {"roles": ["dev"]}):
        assert await status(idp.signed({**full, **part}), "/claims") == 401, part
    # Keys are asked for once, not for each token, nor for each key that nobody knows.
    assert len(idp.seen("/jwks")) == 1
    assert await status(token, "/away") == 500
    assert await status(token, "/broken") == 500


async def killed(pid: int) -> None:
    handle = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(handle, ended.set)
    await ended.wait()
    asyncio.get_running_loop().remove_reader(handle)
    os.close(handle)


async def test_an_agent_that_was_killed_lets_nobody_in_and_is_started_again(auth: Auth) -> None:
    rules = (guarded(1, "/echo", GUARD),)
    await auth.become(*rules)
    browser = auth.browser()
    assert (await browser.follow(f"{SITE}/echo")).status == 200
    pid = (await auth.agents.observe())[ENI].pid
    assert pid is not None
    await killed(pid)
    assert own(await browser.get(f"{SITE}/echo"), "500 Internal Server Error")
    assert (await browser.get(f"{SITE}/other")).status == 200
    await auth.become(*rules)
    # It has remembered nothing, and needs nothing: the session is in the cookies.
    assert (await browser.get(f"{SITE}/echo")).told["x-amzn-oidc-identity"] == "user-1"
    # Another configuration reaches the one that runs; without a guard it ends.
    pid = (await auth.agents.observe())[ENI].pid
    await auth.become(guarded(1, "/echo", GUARD, on_unauthenticated="deny"))
    assert (await auth.browser().get(f"{SITE}/echo")).status == 401
    assert (await auth.agents.observe())[ENI].pid == pid
    await auth.become()
    assert (await browser.get(f"{SITE}/echo")).status == 200
    assert await auth.agents.observe() == {}


def wishes(auth: Auth) -> Store:
    """A balancer with an HTTPS listener whose default rule checks tokens."""
    assert elbv2.__doc__
    arn = "arn:aws:elasticloadbalancing:r:1:loadbalancer/app/web/0123456789abcdef"
    forward = model.Action("forward", 2, groups=(model.WeightedGroup(group().arn),))
    lb_node = model.Node("subnet-1", "a", ENI, "10.0.0.10")
    common = ("1", "r")
    listener = model.Listener(
        "l",
        *common,
        arn,
        443,
        "HTTPS",
        "rule",
        (model.Action("jwt-validation", 1, jwt=BEARER), forward),
        certificates=("arn:cert/default",),
        ssl_policy="ELBSecurityPolicy-2016-08",
    )
    store = Store.open(":memory:")
    with store.transaction() as tx:
        rows.LOAD_BALANCERS.insert(
            tx,
            model.LoadBalancer(
                arn, *common, "web", "web.r", "internal", "vpc-1", ("sg-1",), (lb_node,), 0.0
            ),
        )
        rows.TARGET_GROUPS.insert(
            tx, model.TargetGroup(group().arn, *common, "web", "HTTP", 9001, "vpc-1", 0.0)
        )
        rows.LISTENERS.insert(tx, listener)
    path = certificate_path(auth.settings, "arn:cert/default")
    path.parent.mkdir(parents=True)
    path.write_bytes((auth.settings.state_dir / "default.pem").read_bytes())
    return store


async def test_the_reconciler_keeps_an_agent_where_a_rule_asks_for_one(auth: Auth) -> None:
    store = wishes(auth)
    reconciler = BalancerReconciler(store, auth.place.plane, auth.settings)
    report = await reconciler.activate()
    assert report.refusals == {}
    # The agent is there before anybody can ask it.
    assert report.steps[-2:] == [f"start the agent of {ENI}", f"start balancer web on {ENI}"]
    assert own(await auth.browser().get(SITE), "401 Authorization Required")
    assert [step for step in (await reconciler.activate()).steps if "agent" in step] == []
    seen = (await auth.agents.observe())[ENI]
    assert seen.pid is not None
    files = {
        path.name: path.stat().st_mode & 0o77 for path in (auth.agents.directory / ENI).iterdir()
    }
    assert files["agent.json"] == 0
    await killed(seen.pid)
    # A new daemon finds what there is, and what there is no more.
    again = BalancerReconciler(store, BalancerPlane(auth.place.plane.directory), auth.settings)
    assert (await again.activate()).steps == [f"start the agent of {ENI}"]
    with store.transaction() as tx:
        rows.LISTENERS.delete(tx)
        rows.LOAD_BALANCERS.delete(tx)
    steps = (await again.activate()).steps
    assert {f"stop balancer on {ENI}", f"stop the agent of {ENI}"} <= set(steps)
    assert await auth.agents.observe() == {}
