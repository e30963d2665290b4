"""Conditions, transforms, actions and stickiness of a real HAProxy, with AWS's own examples.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-rules.html
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import time
from dataclasses import replace
from email.utils import parsedate_to_datetime

from tests.plane import balancer_world
from tests.plane.balancer_world import (
    ADDRESS,
    GOOD,
    GROUP,
    Answer,
    Place,
    curl,
    group,
    node,
    place,
    rule,
)

from hiyoko.blueprint.balancers import (
    Action,
    Condition,
    FixedResponse,
    Forward,
    Redirect,
    Stickiness,
    Transform,
)
from hiyoko.plane.balancer import rules as rendered
from hiyoko.plane.balancer.transforms import RESULT_BYTES_MAX
from hiyoko.plane.process import run

__all__ = ["place"]

URL = f"http://{ADDRESS}:8080"
OTHER = "arn:aws:elasticloadbalancing:r:1:targetgroup/other/0123456789abcdef"
SECOND = replace(GOOD, port=9002)
WEEK_S = 604_800

# Says its name, the Host and the URL that it got; a URL with "login" starts a session.
ANSWER = """
def answer(head):
    lines = head.split("\\r\\n")
    host = [l.split(": ", 1)[1] for l in lines if l.lower().startswith("host:")][0]
    uri = lines[0].split()[1]
    cookie = "Set-Cookie: SID=1; Path=/\\r\\n" if "login" in uri else ""
    return "200 OK", cookie, f"{sys.argv[2]} {host} {uri}"
"""


def target(port: int, name: str) -> contextlib.AbstractAsyncContextManager[None]:
    return balancer_world.target(port, name, answer=ANSWER)


async def ask(url: str, *headers: str, cookie: str = "", host: str = "") -> Answer:
    sent = [*headers, *([f"Cookie: {cookie}"] if cookie else []), *([f"Host: {host}"] * bool(host))]
    return await curl(*(part for line in sent for part in ("-H", line)), url)


def condition(field: str, *values: str, key: str = "") -> Condition:
    return Condition(field, values, key)


def regexes(field: str, *values: str, key: str = "") -> Condition:
    return Condition(field, key=key, regexes=values)


def query(*pairs: tuple[str, str]) -> Condition:
    return Condition("query-string", pairs=pairs)


def answering(*conditions: Condition) -> tuple[object, ...]:
    """Rule n of these answers with 400 + n."""
    return tuple(
        rule(number, FixedResponse(400 + number, "", ""), item)
        for number, item in enumerate(conditions, 1)
    )


async def test_values_match_as_the_guide_says(place: Place) -> None:
    rules = answering(
        condition("host-header", "*.example.com"),
        condition("path-pattern", "/img/*/pics"),
        condition("path-pattern", "/img/*"),
        condition("path-pattern", "/a?c", "/literal.$x"),
        condition("http-header", "*Chrome*", "*Safari*", key="User-Agent"),
        condition("http-header", "b?r", "exact", key="X'Many"),
        condition("http-request-method", "CUSTOM-METHOD"),
        query(("version", "v1"), ("", "example")),
        query(("star", r"a\*b"), ("mark", r"c\?d"), ("wild", "e*f?g")),
        condition("source-ip", "192.0.2.0/24", "2001:db8::/32"),
        condition("source-ip", "2001:db8::/32", "10.0.0.10/32"),
    )
    await place.become(node(group(), rules=rules))  # type: ignore[arg-type]
    expected = [
        # *.example.com matches test.example.com but not example.com; letters' case and port do not
        # count, and only the first label may be any.
        (401, "/", "Host: test.Example.com:8080"),
        (411, "/", "Host: example.com"),
        (411, "/", "Host: test.example.com.org"),
        (402, "/img/x/pics?a=/img/1", ""),
        (403, "/img/picture.jpg", ""),
        (403, "/img/", ""),
        (411, "/img", ""),
        (411, "/IMG/picture.jpg", ""),
        (411, "/?/img/x", ""),
        (404, "/abc", ""),
        (404, "/literal.$x", ""),
        (411, "/ac", ""),
        (411, "/literalx$x", ""),
        (405, "/", "User-Agent: Mozilla CHROME/1"),
        (411, "/", "User-Agent: Mozilla"),
        (406, "/", "x'many: BAR"),
        (406, "/", "X'Many: EXACT"),
        (411, "/", "X'Many: bar, foo"),
        (408, "/?x=1&VERSION=V1", ""),
        (408, "/?any=example&y", ""),
        (411, "/?version=v10", ""),
        (411, "/?xversion=v1", ""),
        (411, "/?example", ""),
        (409, "/?star=a*b", ""),
        (411, "/?star=aXb", ""),
        (409, "/?mark=c?d", ""),
        (411, "/?mark=cXd", ""),
        (409, "/?wild=e123f4G", ""),
        (411, "/?wild=e123&f4g", ""),
    ]
    found = [((await ask(URL + path, header)).status, path, header) for _, path, header in expected]
    assert found == expected
    assert (await curl("-X", "CUSTOM-METHOD", URL)).status == 407
    assert (await curl("-X", "custom-method", URL)).status == 411
    # The same header several times: each line is compared, in order.
    assert (await ask(URL, "X'Many: first", "X'Many: bar")).status == 406


async def test_all_conditions_of_a_rule_and_the_lowest_priority_first(place: Place) -> None:
    both = (condition("path-pattern", "/a*"), query(("k", "v")))
    headers = (
        condition("http-header", "one", key="X-A"),
        condition("http-header", "two", key="X-A"),
    )
    rules = (
        rule(1, FixedResponse(401, "", ""), *both),
        rule(2, FixedResponse(402, "", ""), condition("path-pattern", "/a*")),
        rule(3, FixedResponse(403, "", ""), *headers),
        rule(4, FixedResponse(404, "", ""), condition("path-pattern", "*")),
    )
    await place.become(node(group(), rules=rules))
    assert (await ask(f"{URL}/a?k=v")).status == 401
    assert (await ask(f"{URL}/a")).status == 402
    assert (await ask(URL, "X-A: one", "X-A: two")).status == 403
    assert (await ask(URL, "X-A: one")).status == 404


async def test_regular_expressions_match_anywhere_by_the_case_rules_of_their_field(
    place: Place,
) -> None:
    rules = answering(
        regexes("host-header", r"^(.+)\.example\.com$", "^api[0-9]{1,2}[.]"),
        regexes("path-pattern", r"^/[a-z]{2}(-[A-Z]{2})?/i/", "\\.(png|jpe?g)$"),
        regexes("http-header", r"Mobile|(?i:android)\s", '"quo\'ted", [$]{2}', key="User-Agent"),
    )
    await place.become(node(group(), rules=rules))  # type: ignore[arg-type]
    expected = [
        (401, "/", "Host: a.EXAMPLE.com:8080"),
        (503, "/", "Host: example.com"),
        (401, "/", "Host: API7.test"),
        (402, "/en-US/i/x", ""),
        (402, "/ja/i/", ""),
        (503, "/en-us/i/x", ""),
        (503, "/x/en/i/", ""),
        (402, "/a/b.jpeg?x=1", ""),
        (503, "/a/b.JPEG", ""),
        (503, "/?b.jpg", ""),
        (403, "/", "User-Agent: a mobile b"),
        (403, "/", 'User-Agent: "quo\'ted", $$'),
        (503, "/", "User-Agent: desktop"),
    ]
    found = [((await ask(URL + path, header)).status, path, header) for _, path, header in expected]
    assert found == expected


def rewriting(number: int, path: str, *transforms: Transform, **changes: object) -> object:
    made = rule(number, Forward(((GROUP, 1),)), condition("path-pattern", path))
    return replace(made, transforms=transforms, **changes)  # type: ignore[arg-type]


def url(regex: str, by: str) -> Transform:
    return Transform("url-rewrite", regex, by)


def host(regex: str, by: str) -> Transform:
    return Transform("host-header-rewrite", regex, by)


async def test_transforms_rewrite_what_the_target_gets_after_the_choice_of_the_rule(
    place: Place,
) -> None:
    rules = (
        # The guide's own examples.
        rewriting(1, "/dp/*", url("^/dp/([A-Za-z0-9]+)/?$", "/product.php?id=$1")),
        rewriting(2, "/project-a", host("^mywebsite-(.+).com$", "internal.dev.$1.myweb.com")),
        # Were the conditions asked again, this one would match what rule 1 has made.
        rewriting(3, "/product*", url("^", "/again")),
        rewriting(4, "/api/*", url("^/api/(.+)$", "/$1"), host("^API[.]", "")),
        rewriting(5, "/keep/*", url("^([^?]*)", "/all")),
        rewriting(6, "/first/*", url("o", "0")),
        rewriting(7, "/odd/*", url("([\"'(,]+)\\[(.)\\]", "<$1|$2|\\|$|'\",)>")),
        rewriting(8, "/many/*", url("/".join(["(.)"] * 12) + "$", "$9$1")),
        rewriting(9, "/none", url("/none", "gone"), host("x", "y")),
        rewriting(10, "/space", url("/space", "/a b")),
        rewriting(11, "/port", host("^(.*)$", "$1.test:99")),
        rewriting(12, "/bad", host("^.*$", "a/b")),
        rewriting(13, "/long/*", url("^(.*)$", "$1?$1$1")),
    )
    await place.become(node(group(GOOD), rules=rules))  # type: ignore[arg-type]
    async with target(9001, "-"):
        await place.until(up=True)
        for path, asked, expected in (
            ("/dp/B09G3HRMVB/", "a.test", "a.test:8080 /product.php?id=B09G3HRMVB"),
            ("/dp/a-b", "a.test", "a.test:8080 /dp/a-b"),
            ("/dp/a?b", "a.test", "a.test:8080 /dp/a?b"),
            (
                "/project-a",
                "mywebsite-example.com",
                "internal.dev.example.myweb.com:8080 /project-a",
            ),
            ("/project-a", "other.com", "other.com:8080 /project-a"),
            ("/api/v1?q=1", "api.a.test:8080", "a.test:8080 /v1?q=1"),
            ("/keep/x?y=%20&z", "a.test", "a.test:8080 /all?y=%20&z"),
            ("/first/foo", "a.test", "a.test:8080 /first/f0o"),
            ("/odd/'\"(,[x]y", "a.test", "a.test:8080 /odd/<'\"(,|x|\\|$|'\",)>y"),
            ("/many/a/b/c/d/e/f/g/h/i/j/k/l", "a.test", "a.test:8080 /many/ia"),
            ("/port", "a.test:7", "a.test.test:99 /port"),
        ):
            answer = await ask(URL + path, host=asked)
            assert (answer.status, answer.body) == (200, f"- {expected}"), path
        # A match whose result is no URL, or no host, is a failed transform.
        for path in ("/none", "/space", "/bad"):
            failed = await ask(URL + path)
            assert (failed.status, len(failed.body)) == (500, 142), path
        # So is one that gets too long; the next shorter one does not.
        most = "/long/".ljust((RESULT_BYTES_MAX - len("$1?$1$1")) // 4, "x")
        assert len((await ask(URL + most)).body) == len(f"- {ADDRESS}:8080 ?") + 3 * len(most)
        assert (await ask(f"{URL}{most}x")).status == 500


async def test_redirects_fill_every_keyword_as_it_stands(place: Place) -> None:
    def redirect(*parts: str, status: int = 302) -> Action:
        protocol, host_name, port, path, asked = parts
        return Redirect(protocol, host_name, port, path, asked, status)

    rules = (
        # The guide's own examples: another port over TLS, and another path.
        rule(
            1,
            redirect("HTTPS", "#{host}", "40443", "/#{path}", "#{query}", status=301),
            condition("path-pattern", "/one*"),
        ),
        replace(
            rule(
                2,
                redirect("#{protocol}", "#{host}", "#{port}", "/new/#{path}", "#{query}"),
                condition("path-pattern", "/two*"),
            ),
            # For a request on its way to a target only: no keyword tells of it.
            transforms=(url("two", "three"), host("a", "b")),
        ),
        rule(
            3,
            redirect(
                "#{protocol}",
                "example.#{host}",
                "80",
                "/#{port}/#{host}/#{path}",
                "#{query}&p=#{protocol}&h=#{host}&o=#{port}&f=#{path}&lit=%41%[src]\"'$HOME",
            ),
            condition("path-pattern", "/three*"),
        ),
        rule(
            4,
            redirect("HTTPS", "#{host}", "443", "/", ""),
            condition("path-pattern", "/four*"),
        ),
        rule(
            5,
            redirect("HTTPS", "#{host}", "443", "/#{path}/#{path}", "#{query}"),
            condition("path-pattern", "/five*"),
        ),
    )
    await place.become(node(group(), rules=rules))
    for path, expected in (
        ("/one/a%2Fb?x=1&y=%20", "https://a.test:40443/one/a%2Fb?x=1&y=%20"),
        ("/one", "https://a.test:40443/one"),
        ("/two/x?", "http://a.test:8080/new/two/x"),
        (
            "/three?q=1",
            "http://example.a.test:80/8080/a.test/three"
            "?q=1&p=http&h=a.test&o=8080&f=three&lit=%41%[src]\"'$HOME",
        ),
        ("/four/x?y=1", "https://a.test:443/"),
        ("/five", "https://a.test:443/five/five"),
    ):
        answer = await ask(URL + path, host="A.test:1234")
        assert answer.headers["location"] == expected, path
        assert answer.headers["server"] == "awselb/2.0"
    assert (await ask(f"{URL}/one")).status == 301
    assert len((await ask(f"{URL}/two")).body) == 110
    # A Location that is too long is answered with 507, one that is just short enough is not.
    fits = "/one/" + "x" * (rendered.LOCATION_BYTES_MAX - len("https://a.test:40443/one/"))
    longest = await ask(URL + fits, host="a.test")
    assert longest.headers["location"] == f"https://a.test:40443{fits}"
    too_long = await ask(f"{URL}{fits}x", host="a.test")
    assert (too_long.status, "<h1>507 " in too_long.body) == (507, True)
    doubled = await ask(f"{URL}/five{'x' * 9000}")
    assert doubled.status == 507


async def both(place: Place, stickiness: Stickiness) -> None:
    await place.become(node(group(GOOD, SECOND, stickiness=stickiness)))
    await place.until(up=True)
    await place.until(up=True, port=9002)


async def where(cookie: str, count: int = 6) -> set[str]:
    return {(await ask(URL, cookie=cookie)).body[:3] for _ in range(count)}


async def answer_of(name: str, url: str, cookie: str = "") -> Answer:
    """An answer of this target: the balance comes to it sooner or later."""
    async with asyncio.timeout(30):
        while not (answer := await ask(url, cookie=cookie)).body.startswith(name):
            pass
    return answer


def opened(value: str) -> str:
    return base64.b64decode(value.split(";")[0]).decode()


async def test_the_cookie_of_a_load_balancer_is_opaque_and_renewed_with_every_answer(
    place: Place,
) -> None:
    async with target(9001, "one"), target(9002, "two"):
        await both(place, stickiness=Stickiness(60))
        first = await ask(URL)
        assert list(first.cookies) == ["AWSALB", "AWSALBCORS"]
        value, expires, path = first.cookies["AWSALB"].split("; ")
        until = parsedate_to_datetime(expires.removeprefix("Expires="))
        assert path == "Path=/"
        assert abs(until.timestamp() - time.time() - WEEK_S) < 60
        assert first.cookies["AWSALBCORS"] == f"{value}; {expires}; Path=/; SameSite=None"
        assert "10.0.0.10" not in opened(value)
        assert re.fullmatch(r"\d{1,15}-\d{1,10}\.\d{10}\.[0-9a-f]{32}", opened(value))
        home = {first.body[:3]}
        assert await where(first.sent("AWSALB")) == home
        # A page of another site sends the second one alone.
        assert await where(first.sent("AWSALBCORS")) == home
        # The same target, and nothing that would tell so.
        again = await ask(URL, cookie=first.sent("AWSALB"))
        assert again.body == first.body
        assert not set(opened(again.cookies["AWSALB"]).split("-")) & set(opened(value).split("-"))
        # What was not made by this balancer leads nowhere, and a new one is sent.
        name, at, mac = opened(value).split(".")
        later = base64.b64encode(f"{name}.{int(at) + 9}.{mac}".encode()).decode()
        for forged in (later, "junk", "", base64.b64encode(b"..").decode(), "%25"):
            assert await where(f"AWSALB={forged}", 8) == {"one", "two"}, forged
            assert "AWSALB" in (await ask(URL, cookie=f"AWSALB={forged}")).cookies


async def test_the_cookie_outlives_a_reload_and_is_known_to_another_node(place: Place) -> None:
    async with target(9001, "one"), target(9002, "two"):
        await both(place, stickiness=Stickiness(60))
        first = await ask(URL)
        there = replace(GOOD, settled=True), replace(SECOND, settled=True)
        other = replace(node(group(*there, stickiness=Stickiness(60))), zone="c", idle_timeout_s=61)
        await place.become(other)
        assert await where(first.sent("AWSALB")) == {first.body[:3]}
        # With another secret, nothing of it can be read.
        place.paths = replace(place.paths, secret=b"another")
        await place.become(other)
        assert await where(first.sent("AWSALB"), 8) == {"one", "two"}


async def test_a_cookie_whose_duration_is_over_leads_nowhere(place: Place) -> None:
    async with target(9001, "one"), target(9002, "two"):
        await both(place, stickiness=Stickiness(1))
        first = await ask(URL)
        at = int(opened(first.cookies["AWSALB"]).split(".")[1])
        await run("python3", "-c", f"import time; time.sleep(max(0, {at} + 2 - time.time()))")
        assert await where(first.sent("AWSALB"), 8) == {"one", "two"}


async def test_a_lost_target_is_replaced_and_the_client_stays_at_the_new_one(place: Place) -> None:
    first, second = replace(GOOD, settled=True), replace(SECOND, settled=True)
    async with target(9001, "one"), contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(target(9002, "two"))
        await both(place, stickiness=Stickiness(60))
        lost = (await answer_of("two", URL)).sent("AWSALB")
        # Draining: no request goes there, not even one that was sticky.
        draining = group(first, replace(second, draining=True), stickiness=Stickiness(60))
        await place.become(node(draining))
        moved = await ask(URL, cookie=lost)
        assert moved.body.startswith("one")
        await place.become(node(group(first, SECOND, stickiness=Stickiness(60))))
        await place.until(up=True, port=9002)
        assert await where(moved.sent("AWSALB")) == {"one"}
        assert await where(lost) == {"two"}
        # Unhealthy: the same.
        await stack.aclose()
        await place.until(up=False, port=9002)
        assert await where(lost) == {"one"}


async def test_when_all_are_unhealthy_clients_come_back_to_their_targets(place: Place) -> None:
    settled = replace(GOOD, settled=True), replace(SECOND, settled=True)
    async with target(9001, "one"), target(9002, "two"):
        made = group(*settled, stickiness=Stickiness(60))
        sick = replace(made, health_check=replace(made.health_check, matcher="404"))
        await place.become(node(sick))
        await place.until(up=False)
        await place.until(up=False, port=9002)
        seen = set()
        for _ in range(4):
            first = await ask(URL)
            seen.add(first.body[:3])
            assert await where(first.sent("AWSALB"), 3) == {first.body[:3]}
        assert seen == {"one", "two"}


async def test_over_tls_the_second_cookie_is_secure(place: Place) -> None:
    async with target(9001, "one"), target(9002, "two"):
        await both(place, stickiness=Stickiness(60))
        answer = await curl("-k", "--connect-to", f"::{ADDRESS}:443", "https://default.test/")
        assert answer.cookies["AWSALBCORS"].endswith("; Path=/; SameSite=None; Secure")
        assert answer.cookies["AWSALB"].endswith("; Path=/")


async def test_the_cookie_of_an_application_needs_its_twin(place: Place) -> None:
    forgotten = ["AWSALBAPP-0", "AWSALBAPP-1", "AWSALBAPP-2", "AWSALBAPP-3"]
    async with target(9001, "one"), target(9002, "two"):
        await both(place, stickiness=Stickiness(60, "SID"))
        before = await ask(URL)
        assert list(before.cookies) == forgotten
        assert all(
            re.fullmatch(r"_remove_; Expires=\w{3}, .* GMT; Path=/", value)
            for value in before.cookies.values()
        )
        login = await ask(f"{URL}/login")
        assert list(login.cookies) == ["SID", *forgotten]
        value = login.cookies["AWSALBAPP-0"]
        assert value.endswith("; Path=/")
        assert not value.startswith("_remove_")
        assert login.cookies["AWSALBAPP-1"].startswith("_remove_;")
        home = {login.body[:3]}
        twins = login.sent("SID", "AWSALBAPP-0")
        assert await where(twins) == home
        # Renewed while the client returns both, though the target sets its own no more.
        later = await ask(URL, cookie=twins)
        assert opened(later.cookies["AWSALBAPP-0"])[:17] == opened(value)[:17]
        assert await where(later.sent("AWSALBAPP-0") + "; SID=1") == home
        # One alone is not enough, and is then to be forgotten.
        assert await where(login.sent("AWSALBAPP-0"), 8) == {"one", "two"}
        assert await where("SID=1", 8) == {"one", "two"}
        alone = await ask(URL, cookie=login.sent("AWSALBAPP-0"))
        assert alone.cookies["AWSALBAPP-0"].startswith("_remove_;")
        # Chromium 80 and later, from another origin, wants more attributes.
        agent = "User-Agent: Mozilla/5.0 Chrome/120.0 Safari/537"
        cors = await ask(f"{URL}/login", agent, "Origin: http://b.test")
        assert cors.cookies["AWSALBAPP-0"].endswith("; Path=/; SameSite=None; Secure")
        old = await ask(f"{URL}/login", agent.replace("120", "79"), "Origin: http://b.test")
        assert old.cookies["AWSALBAPP-0"].endswith("; Path=/")


async def test_an_application_cookie_knows_a_target_of_each_group(place: Place) -> None:
    elsewhere = rule(1, Forward(((OTHER, 1),)), condition("path-pattern", "/other*"))
    made = group(GOOD, SECOND, stickiness=Stickiness(60, "SID"))
    groups = made, replace(made, arn=OTHER)
    async with target(9001, "one"), target(9002, "two"):
        await place.become(node(*groups, rules=(elsewhere,)))
        await place.until(up=True)
        await place.until(up=True, port=9002)
        await place.until(up=True, backend="tg.other.0123456789abcdef")
        first = await ask(f"{URL}/login")
        second = await ask(f"{URL}/other/login", cookie=first.sent("SID", "AWSALBAPP-0"))
        cookie = second.sent("SID", "AWSALBAPP-0")
        here = {(await ask(URL, cookie=cookie)).body[:3] for _ in range(6)}
        there = {(await ask(f"{URL}/other", cookie=cookie)).body[:3] for _ in range(6)}
        assert (here, there) == ({first.body[:3]}, {second.body[:3]})
        assert opened(second.cookies["AWSALBAPP-0"]).count("|") == 2
        third = await ask(URL, cookie=cookie)
        assert opened(third.cookies["AWSALBAPP-0"]).count("|") == 2
        # What is known of the other group is kept where this one has nothing to remember.
        alone = await ask(f"{URL}/other/login")
        kept = await ask(URL, cookie=alone.sent("AWSALBAPP-0"))
        assert kept.cookies["AWSALBAPP-0"].split(";")[0] == alone.sent("AWSALBAPP-0")[12:]


async def test_a_client_comes_back_to_its_weighted_group(place: Place) -> None:
    def weighted(first: int, second: int) -> tuple[object, ...]:
        forward = Forward(((GROUP, first), (OTHER, second)), stickiness_s=60)
        plain = Forward(((GROUP, 1), (OTHER, 1)))
        return (
            rule(1, forward, condition("path-pattern", "/sticky")),
            rule(2, plain, condition("path-pattern", "/plain")),
            rule(3, Forward(((GROUP, 1),), 60), condition("path-pattern", "/single")),
        )

    groups = group(GOOD), group(SECOND, arn=OTHER, stickiness=Stickiness(60))
    async with target(9001, "one"), target(9002, "two"):
        await place.become(node(*groups, rules=weighted(1, 1)))  # type: ignore[arg-type]
        await place.until(up=True)
        answer = await answer_of("two", f"{URL}/sticky")
        assert set(answer.cookies) == {"AWSALB", "AWSALBCORS", "AWSALBTG", "AWSALBTGCORS"}
        assert answer.cookies["AWSALBTG"].endswith("; Path=/")
        assert answer.cookies["AWSALBTGCORS"].endswith("; Path=/; SameSite=None")
        assert "other" not in opened(answer.cookies["AWSALBTG"])

        async def places(path: str, cookie: str) -> set[str]:
            return {(await ask(URL + path, cookie=cookie)).body[:3] for _ in range(8)}

        for name in ("AWSALBTG", "AWSALBTGCORS"):
            assert await places("/sticky", answer.sent(name)) == {"two"}
        # Whoever is not known gets a group by the roll of dice: sooner or later each of them.
        for path, cookie in (("/sticky", "AWSALBTG=junk"), ("/plain", answer.sent("AWSALBTG"))):
            for name in ("one", "two"):
                await answer_of(name, URL + path, cookie)
        assert "AWSALBTG" not in (await ask(f"{URL}/plain")).cookies
        assert list((await ask(f"{URL}/single")).cookies) == ["AWSALBTG", "AWSALBTGCORS"]
        # A group that has lost its weight gets nothing, not even those who knew it.
        settled = (
            group(replace(GOOD, settled=True)),
            group(replace(SECOND, settled=True), arn=OTHER),
        )
        await place.become(node(*settled, rules=weighted(1, 0)))  # type: ignore[arg-type]
        assert await places("/sticky", answer.sent("AWSALBTG")) == {"one"}


async def test_a_client_comes_back_to_its_group_while_all_of_it_is_unhealthy(place: Place) -> None:
    forward = Forward(((GROUP, 1), (OTHER, 1)), stickiness_s=60)
    sick = group(replace(SECOND, settled=True), arn=OTHER, stickiness=Stickiness(60))
    sick = replace(sick, health_check=replace(sick.health_check, matcher="404"))
    async with target(9001, "one"), target(9002, "two"):
        await place.become(node(group(GOOD), sick, rules=(rule(1, forward),)))
        await place.until(up=True)
        await place.until(up=False, port=9002, backend="tg.other.0123456789abcdef")
        answer = await answer_of("two", URL)
        for names in (("AWSALBTG",), ("AWSALBTG", "AWSALB")):
            assert await where(answer.sent(*names)) == {"two"}


async def test_a_fixed_response_may_be_long_and_of_any_allowed_status(place: Place) -> None:
    body = "x" * 1024
    rules = (
        rule(1, FixedResponse(200, "application/json", body), condition("path-pattern", "/ok")),
        rule(2, FixedResponse(599, "", "odd"), condition("path-pattern", "/odd")),
        rule(3, FixedResponse(204, "", ""), condition("path-pattern", "/empty")),
        rule(4, FixedResponse(404, "text/html", ""), condition("path-pattern", "/none")),
    )
    await place.become(node(group(), rules=rules))
    ok = await ask(f"{URL}/ok")
    assert (ok.status, ok.body) == (200, body)
    assert ok.headers["content-type"] == "application/json; charset=utf-8"
    odd = await ask(f"{URL}/odd")
    assert (odd.status, odd.body, odd.headers["content-type"]) == (
        599,
        "odd",
        "text/plain; charset=utf-8",
    )
    assert (await ask(f"{URL}/empty")).status == 204
    none = await ask(f"{URL}/none")
    assert (none.status, none.body, none.headers["content-length"]) == (404, "", "0")
