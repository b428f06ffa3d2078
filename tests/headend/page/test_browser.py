"""The page in Chromium: rules of accessibility, narrow screens, keyboard, live, without scripts."""

from __future__ import annotations

import socket
import threading
from urllib.parse import quote, urlsplit

import pytest
import town
import uvicorn
from sqlalchemy import insert

from ferraris.headend.store.changes import note
from ferraris.headend.store.tables.collecting import SESSION
from ferraris.headend.store.tables.readings import ALARM

pytestmark = pytest.mark.services

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
# What can differ between themes, and between wide and narrow.
OF_COLOUR = ("color-contrast", "link-in-text-block")
OF_WIDTH = ("target-size", "scrollable-region-focusable", "empty-table-header", "listitem", "list")
OVERFULL = """() => [...document.querySelectorAll(".sheet")]
    .filter(each => each.scrollWidth > each.clientWidth + 1)
    .map(each => `${each.id} is overfull at ${innerWidth}`)"""
METER = f"/meters/{town.SHOWN}"
PATHS = {
    "door": "/login",
    "overview": "/",
    "missing": "/missing?reason=security&sort=meter",
    "lost": "/lost?segment=Hafen",
    "meters": "/meters?q=FRR",
    "day": METER,
    "month": f"{METER}?span=month",
    "held": f"/meters/{town.METERS[2]}",
    "alarms": "/alarms?shown=all",
    "strangers": "/strangers",
    "stranger": "/strangers/1",
    "nowhere": "/no/such/page",
}


@pytest.fixture(scope="module")
def origin(place):
    """The page served on loopback."""
    place.clock.now = town.NOW
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(place.app, log_config=None, lifespan="off", timeout_graceful_shutdown=2)
    )
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    serving.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    place.page.close()
    server.should_exit = True
    serving.join(10)
    listening.close()


class Reader:
    """A browser's window; what it asked of other hosts, and what it complained about."""

    def __init__(self, browser, origin, **options):
        self.origin = origin
        self.context = browser.new_context(base_url=origin, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(5000)
        self.foreign = []
        self.complaints = []
        self.page.on("request", self._asked)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._said)

    def _asked(self, request):
        if not request.url.startswith((self.origin + "/", "data:")):
            self.foreign.append(request.url)

    def _said(self, message):
        expected = "404" in message.text or "Password forms" in message.text
        if message.type in ("error", "warning") and not expected:
            self.complaints.append(message.text)

    def enter(self, token):
        self.page.goto("/login")
        self.page.fill("#token", token)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(lambda url: urlsplit(url).path == "/")
        return self.page

    def close(self):
        self.context.close()
        assert self.foreign == []
        assert self.complaints == []


@pytest.fixture
def reader(chromium, origin):
    opened = []

    def new(**options):
        opened.append(Reader(chromium, origin, **options))
        return opened[-1]

    yield new
    for each in opened:
        each.close()


def judged(page, kind, values):
    """What the rules of accessibility find, as lines that tell what to mend."""
    found, passed = page.evaluate(
        """async only => {
          const options = {runOnly: only, resultTypes: ["violations"], preload: false};
          const found = await axe.run(document, options);
          return [found.violations, found.passes.length];
        }""",
        {"type": kind, "values": values},
    )
    assert passed, "no rule was applied"
    return [
        f"{rule['id']}: {node['html'][:120]} {node['failureSummary'][:200]}"
        for rule in found
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_every_page_in_both_themes_on_a_desk_and_on_a_phone(place, reader, locale):
    axe = pytest.importorskip("axe_playwright_python.base").AXE_SCRIPT
    window = reader(locale=locale, color_scheme="light", viewport={"width": 1280, "height": 900})
    page, wrong, grounds = window.page, [], set()
    for name, path in PATHS.items():
        page.goto(path)
        page.evaluate(axe)
        found = judged(page, "tag", RULES) + page.evaluate(OVERFULL)
        assert page.evaluate("document.documentElement.lang") == locale[:2]
        page.emulate_media(color_scheme="dark")
        found += judged(page, "rule", OF_COLOUR)
        grounds.add(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
        page.set_viewport_size({"width": 360, "height": 740})
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        if page.evaluate("document.documentElement.scrollWidth") > 360:
            found.append("too wide for a phone")
        found += judged(page, "rule", OF_WIDTH)
        found += page.evaluate(OVERFULL)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1280, "height": 900})
        wrong += [f"{name}: {line}" for line in found]
        if name == "door":
            window.enter(place.token("administrator"))
    assert not wrong, "\n".join(wrong)
    assert len(grounds) == 1


def test_the_rules_of_accessibility_do_find_something(reader):
    axe = pytest.importorskip("axe_playwright_python.base").AXE_SCRIPT
    page = reader().page
    page.goto("/login")
    page.evaluate(axe)
    page.evaluate("document.querySelector('label').remove()")
    page.evaluate("document.querySelector('.quiet').className = 'mark busy'")
    page.evaluate("document.documentElement.removeAttribute('lang')")
    found = judged(page, "tag", RULES)
    assert {line.partition(":")[0] for line in found} >= {"label", "html-has-lang"}


def test_the_keyboard_gets_everywhere(place, reader):
    page = reader(locale="en-GB").enter(place.token("operator"))
    page.goto(METER)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    # The values of the chart are told one by one.
    page.focus(".plot")
    page.keyboard.press("Home")
    first = page.text_content(".told")
    assert first.startswith("00:00–00:15")
    page.keyboard.press("ArrowRight")
    assert page.text_content(".told").startswith("00:15–00:30")
    page.keyboard.press("End")
    assert page.text_content(".told").startswith("23:45–00:00")
    assert page.get_attribute(".cursor >> nth=0", "d").startswith("M")
    # The table opens by the keyboard, too, and rolls with it.
    page.focus("#part-curve summary")
    page.keyboard.press("Enter")
    assert page.is_visible("#part-curve tbody tr >> nth=0")
    seen = []
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    for _ in range(60):
        page.keyboard.press("Tab")
        where = page.evaluate("document.activeElement.outerHTML.slice(0, 80)")
        if where.startswith("<body"):
            break
        assert page.evaluate(outline) != "none", where
        seen.append(where)
    assert where.startswith("<body"), "the end is not reached"
    assert any('class="main"' in each for each in seen)


def test_what_is_new_appears_and_the_rest_stays(place, reader):
    page = reader(locale="en-GB").enter(place.token("operator"))
    page.wait_for_selector("#pulse.good")
    fetched = []
    page.on("request", lambda request: fetched.append(request.headers.get("x-parts")))
    page.evaluate("document.querySelectorAll('section').forEach(each => each.stayed = true)")
    page.evaluate("document.querySelector('#part-alarms a').focus()")
    with place.engine.transaction() as connection:
        connection.execute(
            insert(ALARM).values(
                tenant=1,
                meter=21,
                name="strong field",
                source="push",
                raised_s=town.NOW,
                last_s=town.NOW + 1,
                times=1,
            )
        )
        note(connection, 1, "alarm", town.METERS[20], at_s=town.NOW)
    page.wait_for_selector("text=strong field")
    assert fetched == ["alarms"]
    stayed = "[...document.querySelectorAll('section')].filter(e => !e.stayed).map(e => e.id)"
    assert page.evaluate(stayed) == ["part-alarms"]
    # Whoever was in the part that is new still is.
    assert page.evaluate("document.activeElement.closest('section')?.id") == "part-alarms"


def test_a_lost_connection_is_shown_and_found_again(place, reader):
    page = reader(locale="de-DE").enter(place.token("operator"))
    page.goto(METER)
    page.wait_for_selector("#pulse.good")
    assert page.text_content("#pulse") == "Live"
    place.page.close()
    page.wait_for_selector("#pulse.warn")
    assert page.text_content("#pulse") == "Verbinde neu"
    with place.engine.transaction() as connection:
        session = insert(SESSION).values(
            tenant=1,
            meter=2,
            started_s=town.NOW,
            ended_s=town.NOW + 1.2,
            occasion="operator",
            outcome="done",
            message="",
            intervals=0,
            registers=77,
            events=0,
        )
        connection.execute(session)
        note(connection, 1, "session", town.SHOWN, at_s=town.NOW)
    # What came in between is not missed.
    page.wait_for_selector("#part-sessions >> text=77")
    assert page.text_content("#pulse") == "Live"


def test_without_scripts_everything_can_be_read(place, reader):
    page = reader(java_script_enabled=False).enter(place.token("operator"))
    assert page.is_visible("text=Target 98% met") or page.is_visible("text=in time")
    page.click("nav >> text=Meters")
    page.fill("#q", town.SHOWN)
    page.click("text=Find")
    page.click(f"text={town.SHOWN}")
    assert page.is_visible("#part-curve svg.wide")
    page.click("#part-curve summary")
    assert page.is_visible("#part-curve td >> nth=0")
    page.click("#part-curve >> text=Month")
    assert page.is_visible("text=Load profile, Mar 2026")
    page.click("text=Sign out")
    assert urlsplit(page.url).path == "/login"


def test_an_alarm_is_acknowledged_where_it_stands(place, reader):
    page = reader(locale="en-GB").enter(place.token("operator"))
    new_alarm(place, 22, "magnet")
    page.goto("/alarms")
    page.wait_for_selector("#pulse.good")
    line = page.locator("tr", has_text="magnet")
    line.locator("summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("a fitter was there")
    page.keyboard.press("Enter")
    page.wait_for_selector("#told >> text=The alarm is acknowledged.")
    assert page.evaluate("document.activeElement.id") == "told"
    # It goes without the page being loaded again.
    line.wait_for(state="detached")
    page.goto("/alarms?shown=all")
    assert page.is_visible("text=a fitter was there")


def test_what_was_refused_is_told_in_place_and_not_sent_again(place, reader):
    window = reader(locale="en-GB")
    page = window.enter(place.token("operator"))
    new_alarm(place, 23, "tamper")
    page.goto("/alarms")
    page.wait_for_selector("#pulse.good")
    page.route("**/acknowledge", lambda route: route.continue_(post_data="csrf=0"))
    sent = []
    page.on("request", lambda request: sent.append(request.method))
    page.click("tr:has-text('tamper') summary")
    page.click("tr:has-text('tamper') button")
    page.wait_for_selector("#told.bad >> text=This form does not hold any more")
    assert sent.count("POST") == 1
    # The same without an answer: nobody knows, so nothing is sent again.
    page.unroute("**/acknowledge")
    page.route("**/acknowledge", lambda route: route.abort())
    page.click("tr:has-text('tamper') button")
    page.wait_for_selector("#told.bad >> text=nobody knows whether it was done")
    assert sent.count("POST") == 2
    window.complaints.clear()


def new_alarm(place, meter, name):
    values = {"meter": meter, "name": name, "raised_s": town.NOW, "last_s": town.NOW + 1}
    with place.engine.transaction() as connection:
        connection.execute(insert(ALARM).values(tenant=1, source="push", times=1, **values))
        note(connection, 1, "alarm", town.METERS[meter - 1], at_s=town.NOW)


def test_back_and_forward_keep_the_filter(place, reader):
    page = reader(locale="en-GB").enter(place.token("viewer"))
    page.goto("/missing")
    page.select_option("#reason", "security")
    page.select_option("#sort", "meter")
    page.click("text=Show")
    page.wait_for_url(lambda url: "reason=security" in url and "sort=meter" in url)
    page.click("#part-missing tbody a >> nth=0")
    page.wait_for_url(lambda url: urlsplit(url).path.startswith("/meters/"))
    page.go_back()
    assert page.input_value("#reason") == "security"
    assert page.locator("#part-missing tbody tr").count() == 3
    page.go_back()
    assert page.input_value("#reason") == ""
    assert page.locator("#part-missing tbody tr").count() == 12
    page.go_forward()
    assert page.input_value("#reason") == "security"


def test_without_scripts_everything_can_be_done(place, reader):
    page = reader(java_script_enabled=False, locale="de-DE").enter(place.token("operator"))
    new_alarm(place, 24, "cover")
    page.goto("/")
    page.click("tr:has-text('cover') summary")
    page.fill("tr:has-text('cover') input[name=comment]", "war offen")
    page.click("tr:has-text('cover') button")
    assert page.is_visible("#told >> text=Der Alarm ist bestätigt.")
    assert urlsplit(page.url).path == "/"
    page.goto(f"/meters/{town.METERS[30]}")
    page.click("button:has-text('Jetzt lesen')")
    assert page.is_visible("#told >> text=Der Zähler wird gelesen")
    page.click("button:has-text('Abbrechen')")
    assert page.is_visible("#part-now >> text=Abgebrochen")


def test_colours_by_switch_and_no_motion_for_who_wants_none(place, reader):
    window = reader(color_scheme="light", reduced_motion="reduce")
    page = window.enter(place.token("viewer"))
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.click('button[name="theme"]')
    assert page.evaluate(ground) == light
    page.click('button[name="theme"]')
    assert page.evaluate(ground) != light
    moving = """() => {
      const section = document.querySelector("section");
      section.classList.add("new");
      return getComputedStyle(section).animationName;
    }"""  # at once, as a section that is fetched again takes its place
    assert page.evaluate(moving) == "none"


def test_names_run_nothing(place, reader):
    window = reader()
    page = window.enter(place.token("administrator"))
    page.on("dialog", lambda dialog: window.complaints.append(dialog.message))
    for path in ("/", "/meters", "/meters/" + quote(town.EVIL), "/meters?q=" + quote(town.EVIL)):
        page.goto(path)
        assert page.evaluate("document.querySelectorAll('script:not([src])').length") == 0
    assert page.title().startswith("Meters")


def test_the_policy_holds(place, reader):
    """Even if something slipped in, it would not run, and nothing would leave."""
    window = reader()
    page = window.enter(place.token("viewer"))
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.slipped = true";
          document.body.append(script);
          const image = document.createElement("img");
          image.src = "http://127.0.0.2:9/x.png";
          document.body.append(image);
        }"""
    )
    page.wait_for_timeout(100)
    assert page.evaluate("window.slipped") is None
    assert any("Content Security Policy" in each for each in window.complaints)
    window.complaints.clear()
    window.foreign.clear()
