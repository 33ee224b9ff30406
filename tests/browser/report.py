"""The HTML report in a real browser: what reacts, what it shows, and that it asks nobody for anything.

    python3 tests/browser/report.py PROGRAM CHROMIUM [FOLDER FOR PICTURES]

`.ci/run` fetches what it needs: Playwright from PyPI, a headless Chromium from Debian.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[2]
NASTY = "</script><script>alert(1)</script>\u2028<b>&"
RECORDINGS = [ROOT / "recordings" / f"fastgen-mini{which}.jsonl.zst" for which in ("", "-equal")]


def fastgen(*arguments, status=0):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == status, (arguments, done.returncode, done.stderr)
    return done.stdout


class Watched:
    """A page that must stay silent: no message, no dialogue, no request but for its own file."""

    def __init__(self, browser, path, **options):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.trouble = []
        self.page.on("console", lambda message: self.trouble.append(message.text))
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.trouble.append(dialog.message), dialog.dismiss()))
        self.asked = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def __enter__(self):
        return self.page

    def __exit__(self, kind, *_):
        if kind is None:
            assert self.trouble == [], self.trouble
            outside = [url for url in self.asked if not url.startswith("data:")]
            assert len(outside) == 1 and outside[0].startswith("file:"), self.asked
        self.context.close()


def shown_points(page, figure, series):
    return page.locator(f'[data-figure="{figure}"] svg.wide [data-series="{series}"] .point')


def hover(page):
    plot = page.locator('[data-figure="throughput-latency"]')
    plot.scroll_into_view_if_needed()
    point = shown_points(page, "throughput-latency", 0).nth(1)
    point.hover(force=True)
    told = plot.locator(".tip").inner_text()
    x, y, clients = json.loads(page.locator("#data").text_content())["figures"]["throughput-latency"]["panels"][0][
        "series"
    ][0]["points"][1]
    for value in (f"{clients} clients", f"{x:.3f} queries/s", f"{y * 1e3:.1f} ms"):
        assert value in told, (value, told)
    assert plot.locator(".ring").count() == 1, told
    page.mouse.move(1, 1)
    assert plot.locator(".tip").is_hidden()


def legend(page):
    figure = '[data-figure="throughput-latency"]'
    button = page.locator('[data-legend="throughput-latency"] button').first
    name = button.inner_text()
    assert shown_points(page, "throughput-latency", 0).first.is_visible()
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert not shown_points(page, "throughput-latency", 0).first.is_visible()
    page.locator(figure).focus()
    page.keyboard.press("Home")
    assert name not in page.locator(f"{figure} .tip").inner_text()
    button.click()
    assert shown_points(page, "throughput-latency", 0).first.is_visible()


def keyboard(page):
    for figure in ("throughput-latency", "latency-distribution", "timeline", "sla"):
        plot = page.locator(f'[data-figure="{figure}"]')
        plot.focus()
        said = set()
        for key in ("Home", "ArrowRight", "ArrowDown", "End"):
            page.keyboard.press(key)
            said.add(page.locator("#said").text_content())
        assert len(said) >= 2 and "" not in said and not any("undefined" in s or "NaN" in s for s in said), said
        page.keyboard.press("Escape")
        assert plot.locator(".tip").is_hidden()


def sliders(page, reports):
    """Every rate and validator of the profiles gives the report's very figures."""
    data = json.loads(page.locator("#data").text_content())["sla"]
    stages = [stage["fastgen"] for report in reports for stage in report["stages"] if stage["fastgen"]["requests"]]
    by_count = lambda s: (s["measured_throughput_rps"], s["requests"])
    stages = {by_count(stage): stage for stage in stages}
    seen, drawn = set(), set()
    sla = next(iter(stages.values()))["sla"]
    for validator in ("cumulative", "ema16"):
        page.locator(f'.sliders input[value="{validator}"]').check()
        for rate in sla["generation_tokens_per_s"]:
            for name, value in (("generation", rate), ("prompt", sla["prompt_tokens_per_s"])):
                page.locator(f'.sliders input[name="{name}"]').fill(str(data[name].index(value)))
            rows = page.locator("#sla-table tbody tr").all()
            assert len(rows) == len(data["stages"]) == len(stages)
            for row, counted in zip(rows, data["stages"]):
                stage = stages[(counted["rps"], counted["requests"])]
                key = f"{rate:g}"
                good, effective = (row.locator(f'[data-cell="{c}"]') for c in ("good", "effective"))
                assert int(good.inner_text()) == stage["good_requests"][validator][key]
                want = stage["effective_throughput_rps"][validator][key]
                assert float(effective.get_attribute("data-value")) == want, (validator, rate)
                assert effective.inner_text() == f"{want:.3f}"
                seen.add(good.inner_text())
            drawn.add(page.locator('[data-figure="sla"] svg.wide [data-series="0"] .line').get_attribute("d"))
            assert f"{rate:g}" in page.locator(".sliders").inner_text()
    # The ends of the sliders ask for nothing, and for more than anybody keeps.
    for end, name in ((0, "least"), (len(data["generation"]) - 1, "most")):
        for which in ("generation", "prompt"):
            page.locator(f'.sliders input[name="{which}"]').fill(str(end if end == 0 else len(data[which]) - 1))
        good = [int(text) for text in page.locator('#sla-table [data-cell="good"]').all_inner_texts()]
        requests = [counted["requests"] for counted in data["stages"]]
        assert good == (requests if name == "least" else [0] * len(requests)), (name, good)
        drawn.add(page.locator('[data-figure="sla"] svg.wide [data-series="0"] .line').get_attribute("d"))
    assert len(drawn) >= 2, "the chart must move with the sliders"
    page.get_by_role("button", name="As in the profile").click()


def ground(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def colours(page):
    page.emulate_media(color_scheme="light")
    light = ground(page)
    page.emulate_media(color_scheme="dark")
    dark = ground(page)
    assert light != dark and sum(map(int, dark[4:-1].split(", "))) < 120, (light, dark)
    switch = page.locator("#theme")
    switch.click()
    assert "light" in switch.inner_text() and ground(page) == light
    page.emulate_media(color_scheme="light")
    switch.click()
    assert "dark" in switch.inner_text() and ground(page) == dark
    # Paper is white, whatever the screen is.
    page.emulate_media(media="print")
    assert ground(page) == "rgb(255, 255, 255)"
    assert not page.locator("header.bar").is_visible() and not page.locator(".sliders").is_visible()
    drawn = [chart for chart in page.locator("svg.chart").all() if chart.is_visible()]
    assert len(drawn) == page.locator(".plot").count() == 6
    assert page.pdf(format="A4", print_background=True).startswith(b"%PDF")
    page.emulate_media(media="screen")
    switch.click()


def still(browser, path):
    with Watched(browser, path, java_script_enabled=False) as page:
        assert page.locator("svg.wide").first.is_visible() and page.locator("#sla-table").is_visible()
        assert not page.locator(".sliders").is_visible() and not page.locator("#theme").is_visible()
        assert page.locator("button.key").count() == 0
        page.locator(".values summary").first.click()
        assert page.locator(".values table").first.is_visible()


def narrow(browser, path):
    with Watched(browser, path, viewport={"width": 375, "height": 800}, has_touch=True) as page:
        assert page.locator("svg.narrow").first.is_visible() and not page.locator("svg.wide").first.is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, "the page must not scroll sideways"
        point = page.locator('[data-figure="throughput-latency"] svg.narrow .point').first
        point.scroll_into_view_if_needed()
        point.tap(force=True)
        assert page.locator('[data-figure="throughput-latency"] .tip').is_visible()


def hostile():
    """A recording by nobody's leave: every text in it tries to become markup. Plain JSON Lines are read, too."""
    info = {"kind": NASTY, "version": NASTY, "device": NASTY, "model": NASTY, "quantization": NASTY}
    yield {
        "fastgen_recording": {"major": 1, "minor": 2}, "tick_ns": 1000, "seed": 1, "command": [NASTY],
        "profile": {"profile": {"name": NASTY}, "reference": [
            {"label": NASTY, "clients": [1], "throughput_rps": [1.0], "latency_s": [1.0], "effective_rps_4tps": [1.0]},
        ]},
        "host": {"name": NASTY, "cpu": NASTY, "cores": 2, "gpus": [NASTY]},
        "engine": {"kind": NASTY, "version": NASTY}, "started_at": "2026-01-31T12:00:00Z",
        "program": {"version": NASTY, "target": NASTY},
    }
    yield {"ready": {"t": 0, "info": {**info, "replicas": 1, "notes": [NASTY], "load_s": 1.0}}}
    yield {"stage": {"t": 0, "stage": 0, "name": NASTY, "sweep": [[NASTY, NASTY]], "clients": 1}}
    yield {"phase": {"t": 0, "stage": 0, "phase": "measuring"}}
    yield {"control": {"t": 900000, "what": "mark", "note": NASTY}}
    for i in range(8):
        request = {"id": i, "t": i * 300000, "p": 64, "m": 4, "d": [90000 + 1000 * i, 40000, 50000, 30000]}
        if i == 3:
            request |= {"out": "failed_http", "err": NASTY, "d": [], "e": 1000}
        yield {"req": request}
    yield {"ended": {"t": 2600000, "how": "failed", "reason": NASTY}}


def harmless(browser, work):
    recording, path = work / f"nasty{NASTY.replace('/', '')}.jsonl", work / "nasty.html"
    recording.write_text("".join(json.dumps(line) + "\n" for line in hostile()), encoding="utf-8")
    fastgen("report", recording, "--format", "html", "-o", path, status=1)
    with Watched(browser, path) as page:
        shown = NASTY.replace("\u2028", " ")
        assert page.locator("h1").text_content() == shown, page.locator("h1").text_content()
        assert page.title() == shown
        told = page.locator("#errors + .card").inner_text()
        assert told.count("alert(1)") == 2, told
        # No element is there that the page did not make.
        assert page.locator("h1 *, td *:not(b), dd *, li.bad *:not(b), main script, .tip > b *").count() == 0
        for figure in ("timeline", "throughput-latency", "latency-distribution"):
            page.locator(f'[data-figure="{figure}"]').focus()
            page.keyboard.press("Home")
            assert page.locator(f'[data-figure="{figure}"] .tip').is_visible()


def pictures(browser, path, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, width, scheme in (("light", 1280, "light"), ("dark", 1280, "dark"), ("phone", 375, "light"), ("phone-dark", 375, "dark")):
        options = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
        with Watched(browser, path, **options) as page:
            page.screenshot(path=folder / f"{name}.png", full_page=True)
    with Watched(browser, path) as page:
        page.pdf(path=folder / "print.pdf", format="A4", print_background=True)


def main(chromium, folder):
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        work = pathlib.Path(work)
        path = work / "report.html"
        fastgen("report", *RECORDINGS, "--format", "html", "-o", path)
        reports = json.loads(fastgen("report", *RECORDINGS, "--format", "json"))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with Watched(browser, path, viewport={"width": 1280, "height": 900}) as page:
            hover(page)
            legend(page)
            keyboard(page)
            sliders(page, reports)
            colours(page)
        still(browser, path)
        narrow(browser, path)
        harmless(browser, work)
        if folder:
            pictures(browser, path, folder)
        browser.close()
    print("the HTML report: hover, legend, keys, sliders, colours, print, phone, without scripts, hostile names")


if __name__ == "__main__":
    program = sys.argv[1]
    main(sys.argv[2], pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None)
