"""Drives a headless Chromium over WebDriver: opens the dashboard, shows a token, and looks."""

import base64
import json
import os
import pathlib
import signal
import sys
import time
import urllib.request

PAGE, DRIVER, TOKEN, FULL, PICTURES, VICTIM = sys.argv[1:]
DEADLINE = 30
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(DRIVER + path, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["value"]


def eventually(what, holds):
    end, last = time.monotonic() + DEADLINE, None
    while time.monotonic() < end:
        try:
            last = holds()
            if last:
                return last
        except Exception as error:
            last = error
        time.sleep(0.1)
    sys.exit(f"dashboard: FAILED, never: {what}; at last: {last}")


def must(what, holds, seen=None):
    if not holds:
        sys.exit(f"dashboard: FAILED, {what}: {seen}")
    print(f"  {what}")


class Browser:
    def __init__(self, width, height, dark=False, phone=False):
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     f"--window-size={width},{height}", "--hide-scrollbars"]
        options = {"args": arguments}
        if phone:
            options["mobileEmulation"] = {"deviceMetrics": {"width": width, "height": height, "pixelRatio": 2, "touch": True}}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        made = call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.path = f"/session/{made['sessionId']}"
        if dark:
            self.tell("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})

    def tell(self, command, parameters):
        return call("POST", f"{self.path}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def run(self, script, *arguments):
        return call("POST", f"{self.path}/execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector)

    def type(self, selector, keys):
        found = call("POST", f"{self.path}/element", {"using": "css selector", "value": selector})
        call("POST", f"{self.path}/element/{found[ELEMENT]}/value", {"text": keys})

    def open(self):
        call("POST", f"{self.path}/url", {"url": PAGE})

    def enter(self, token=TOKEN):
        self.open()
        eventually("the form", lambda: self.run("return !document.getElementById('ask').hidden"))
        self.type("#token", token + "\ue007")
        eventually("four nodes", lambda: self.run("return document.querySelectorAll('#nodes tbody tr').length") == 4)
        eventually("certificates", lambda: self.run("return [...document.querySelectorAll('#nodes td:last-child')].every(c => /^\\d+$/.test(c.textContent))"))

    def picture(self, name):
        shot = self.tell("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True})
        pathlib.Path(PICTURES, f"{name}.png").write_bytes(base64.b64decode(shot["data"]))

    def complaints(self):
        lines = call("POST", f"{self.path}/se/log", {"type": "browser"})
        return [line["message"] for line in lines if line["level"] in ("SEVERE", "WARNING") and not any(one in line["message"] for one in (" 401 ", " 403 "))]

    def close(self):
        call("DELETE", self.path)


def main():
    eventually("chromedriver", lambda: call("GET", "/status")["ready"])
    wide = Browser(1280, 900)
    wide.open()
    eventually("the form", lambda: wide.run("return !document.getElementById('ask').hidden"))
    wide.picture("token")
    wide.type("#token", "nuncio_wrong\ue007")
    said = eventually("why not", lambda: wide.text("#why-not"))
    must("a wrong token is refused in words", "token" in said, said)
    wide.enter()
    kept = wide.run("return [sessionStorage.length, localStorage.length, document.cookie, location.href]")
    must("the token is in this tab's storage and nowhere else", kept[:3] == [1, 0, ""] and TOKEN not in kept[3], kept)
    must("it is live", wide.text("#state") == "live", wide.text("#state"))
    evil = eventually("the topic", lambda: [one for one in wide.run(
        "return [...document.querySelectorAll('#topics td:first-child')].map(c => c.textContent)") if "<img" in one])
    must("a topic's markup is text", evil and wide.run("return document.querySelectorAll('main img').length") == 0, evil)
    label = wide.run("return document.getElementById('picture').getAttribute('aria-label')")
    must("the picture says in words what it shows", label.startswith("4 nodes of 2 agencies, 6 links, 0 named"), label)
    wide.type("#picture", "\ue014\ue014")
    chosen = eventually("a chosen node", lambda: wide.text("#chosen h3"))
    must("arrows choose a node, in the table too", wide.text("tr.chosen button") == chosen, chosen)
    wide.picture("desktop")
    wide.run("document.getElementById('trace').click()")
    said = eventually("why nothing is traced", lambda: wide.run(
        "return document.querySelector('#way-state.bad')?.textContent ?? ''"))
    must("who may only look traces nothing", "full" in said, said)
    trace()

    dark = Browser(1280, 900, dark=True)
    dark.enter()
    dark.picture("dark")
    phone = Browser(390, 844, phone=True)
    phone.enter()
    over = phone.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
    must("nothing is wider than a phone", over <= 0, over)
    phone.picture("phone")

    os.kill(int(VICTIM), signal.SIGKILL)
    eventually("a dead node", lambda: wide.run(
        "return [...document.querySelectorAll('#nodes tr.bad td:nth-child(3)')].map(c => c.textContent).includes('not reachable')"
        " || document.querySelectorAll('#nodes tbody tr').length === 3"))
    must("a node that died is shown as it happens", True)
    wide.picture("dead")

    wide.run("document.getElementById('forget').click()")
    must("the token is forgotten", wide.run("return sessionStorage.length === 0 && document.getElementById('all').hidden"))
    for browser in (wide, dark, phone):
        said = browser.complaints()
        must("the browser has nothing to complain of", not said, said)
    crowd(dark)
    for browser in (wide, dark, phone):
        browser.close()


def trace():
    """By a token that may more: a message to another node, and its way in the table and the picture."""
    browser = Browser(1280, 900)
    browser.enter(FULL)
    browser.run("[...document.querySelectorAll('#nodes button.row')].find(b => !b.closest('tr').querySelector('td:nth-child(4)').textContent.startsWith('0')).click()")
    browser.run("document.getElementById('trace').click()")
    fates = eventually("the way", lambda: browser.run(
        "return [...document.querySelectorAll('#way tbody tr')].map(r => r.lastChild.textContent)"))
    must("a traced message shows its way", len(fates) == 2 and fates[0].startswith("sent to") and fates[1] == "delivered", fates)
    browser.picture("way")
    said = browser.complaints()
    must("the browser has nothing to complain of", not said, said)
    browser.close()


def crowd(browser):
    """A thousand made-up nodes through the page's own drawing: how long one frame takes."""
    took = browser.run("""
        return import('/dashboard/picture.js').then(async ({ Picture }) => {
            const canvas = document.getElementById('picture').cloneNode();
            document.getElementById('picture').replaceWith(canvas);
            const picture = new Picture(canvas, () => {});
            const nodes = [...Array(1000).keys()].map((i) => ({ node_id: String(i).padStart(128, '0'), name: `node${i}`,
                agency: `agency${i % 12}`, reachable: i % 50 !== 7, hops: 1 + i % 4, equivocates: false }));
            const links = nodes.flatMap((_, i) => [1, 7, 31, 101, 250].map((far) => [i, (i + far) % 1000]));
            const claims = [[3, 500], [77, 600], [9, 10]];
            picture.show({ nodes, links, claims }, nodes[0].node_id);
            const begun = performance.now();
            for (let i = 0; i < 20; i += 1) { picture.layer = null; picture.draw(); canvas.getContext('2d').getImageData(0, 0, 1, 1); }
            return (performance.now() - begun) / 20;
        });""")
    browser.picture("thousand")
    must(f"1,000 nodes and 5,000 links are drawn anew in {took:.0f} ms, without a graphics card", took < 1000, took)


main()
