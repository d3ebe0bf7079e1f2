"""The rating page in a real browser: tests/cli/rate_page.sh. With a folder as argument, also
pictures of the pages, on a phone and a laptop, in light and in dark."""
import os
import sys
import tempfile

import browser
from rating_server import Server

PLAIN = {"gold_share": 0, "repeat_share": 0, "min_seconds": 0}


def same(a, b):
    assert a == b, f"{a!r} is not {b!r}"


def heading(page):
    return page.run("document.querySelector('h1').innerText")


def context(page):
    return page.run("document.querySelector('.context .text').innerText")


def note(page):
    return page.run("document.querySelector('.note').innerText")


def ready(page):
    """page.js takes no key at first: the one that answered the page before may still be held."""
    page.run("new Promise((go) => setTimeout(go, performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
             " + 260 - performance.now()))")


def press(page, key, code=0):
    """A key that leads to another page."""
    ready(page)
    page.events.clear()
    page.key(key, code)
    page.loaded()


def chosen(s):
    """Ratings that stand, in the order of coming."""
    return [r["answer"] for r in s.export() if not r["withdrawn"]]


def test_with_the_mouse(s, tab):
    link = s.invited["ann"]
    tab.go(s.url.rstrip("/") + link)
    same(heading(tab), "What you are asked")
    tab.click("a.button")
    same(tab.run("document.title"), "Question 1 of 6")
    tab.click("button[value='1']")
    same((tab.run("document.title"), len(chosen(s))), ("Question 2 of 6", 1))
    tab.click("button[value='tie']")
    same(chosen(s)[1:], ["tie"])
    tab.click("#undo button")
    same((len(chosen(s)), context(tab)), (1, "context 1"))
    assert "was taken back" in note(tab)
    tab.click("button[value='0']")
    same(len(chosen(s)), 2)


def test_with_keys_alone(s, tab):
    tab.go(s.url.rstrip("/") + s.invited["ann"] + "/task")
    press(tab, "1")
    same((context(tab), len(chosen(s))), ("context 1", 1))
    press(tab, "=")
    press(tab, "0")
    same((context(tab), chosen(s)[1:]), ("context 3", ["tie", "tie"]))
    press(tab, "u")
    same((context(tab), len(chosen(s))), ("context 2", 2))
    ready(tab)
    tab.key("ArrowRight", 39)
    tab.key("ArrowRight", 39)
    same(tab.run("document.activeElement.value"), "1")
    tab.key("ArrowLeft", 37)
    same(tab.run("document.activeElement.value"), "0")
    press(tab, "Enter", 13)
    same((context(tab), len(chosen(s))), ("context 3", 3))
    # In a comment, keys are letters.
    tab.run("document.querySelector('details.comment').open = true; document.querySelector('textarea').focus()")
    ready(tab)
    for key in "1u0=":
        tab.key(key)
    same((tab.run("document.querySelector('textarea').value"), len(chosen(s))), ("1u0=", 3))
    tab.click("button[value='0']")
    same(s.export()[-1]["comment"], "1u0=")


def test_a_held_key_answers_once(s, tab):
    tab.go(s.url.rstrip("/") + s.invited["ann"] + "/task")
    ready(tab)
    tab.events.clear()
    for _ in range(20):
        tab("Input.dispatchKeyEvent", type="keyDown", key="1", text="1", windowsVirtualKeyCode=49, autoRepeat=_ > 0)
    tab.loaded()
    tab.key("1")
    same((len(chosen(s)), context(tab)), (1, "context 1"))


def test_reload(s, tab):
    tab.go(s.url.rstrip("/") + s.invited["ann"] + "/task")
    before = tab.run("document.querySelector('main').innerText")
    tab.reload()
    same(tab.run("document.querySelector('main').innerText"), before)
    tab.click("button[value='0']")
    tab.reload()
    same((len(chosen(s)), context(tab)), (1, "context 1"))


def test_double_submit(s, tab):
    tab.go(s.url.rstrip("/") + s.invited["ann"] + "/task")
    tab.events.clear()
    tab.run("for (let i = 0; i < 5; i++) document.querySelector(`button[value='${i % 2}']`).click()")
    tab.loaded()
    same((len(chosen(s)), context(tab)), (1, "context 1"))


def test_back_button(s, tab):
    tab.go(s.url.rstrip("/") + s.invited["ann"])
    tab.click("a.button")
    tab.click("button[value='0']")
    tab.click("button[value='0']")
    tab.back()
    tab.run("document.readyState")
    assert context(tab) in ("context 0", "context 1", "context 2"), context(tab)
    same(len(chosen(s)), 2)
    # Whatever it shows, answering it does no harm, and leads on.
    tab.click("button[value='0']")
    assert len(chosen(s)) in (2, 3)
    tab.go(s.url.rstrip("/") + s.invited["ann"] + "/task")
    assert context(tab) in ("context 2", "context 3"), context(tab)


def test_two_tabs(s, tab, other):
    for t in (tab, other):
        t.go(s.url.rstrip("/") + s.invited["ann"] + "/task")
    same(context(tab), context(other))
    tab.click("button[value='0']")
    other.click("button[value='1']")
    same(heading(other), "You have answered this one already")
    same(len(chosen(s)), 1)
    other.click("a.button")
    same((context(other), context(tab)), ("context 1", "context 1"))
    other.click("button[value='1']")
    tab.click("button[value='1']")
    same((len(chosen(s)), context(tab)), (2, "context 2"))


def test_two_raters_in_one_browser(s, tab, other):
    tab.go(s.url.rstrip("/") + s.invited["ann"] + "/task")
    other.go(s.url.rstrip("/") + s.invited["bob"] + "/task")
    tab.click("button[value='0']")
    other.click("button[value='0']")
    same({r["rater_name"] for r in s.export()}, {"ann", "bob"})


def test_leave_and_come_back(s, tab):
    tab.go(s.url.rstrip("/") + s.invited["ann"] + "/task")
    tab.click("button[value='0']")
    tab.click("#leave button")
    same(heading(tab), "Thank you, and see you")
    tab.click("a.button")
    same((tab.run("document.title"), len(chosen(s))), ("Question 2 of 6", 1))


def test_to_the_end(s, tab):
    tab.go(s.url.rstrip("/") + s.invited["ann"] + "/task")
    for _ in range(6):
        tab.click("button[value='0']")
    same((heading(tab), len(chosen(s))), ("Thank you", 6))
    tab.click("#undo button")
    same((len(chosen(s)), context(tab)), (5, "context 5"))


def test_without_script(s, tab):
    tab("Emulation.setScriptExecutionDisabled", value=True)
    tab.go(s.url.rstrip("/") + s.invited["ann"])
    tab.click("a.button")
    tab.click("button[value='0']")
    tab.click("#undo button")
    tab.click("button[value='1']")
    tab.click("#leave button")
    tab("Emulation.setScriptExecutionDisabled", value=False)
    same((heading(tab), len(chosen(s)), len(s.export())), ("Thank you, and see you", 1, 2))


def test_injected_markup_stays_text(s, tab):
    evil = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    s.task(99, priority=99, context=evil, outputs=[evil, "<b>bold</b>"], question={"text": evil, "instructions": evil})
    tab.go(s.url.rstrip("/") + s.invited["bob"])
    assert "<script>" in tab.run("document.querySelector('.card').innerText")
    tab.click("a.button")
    same((heading(tab), context(tab)), (evil, evil))
    same(tab.run("document.querySelectorAll('main img, main script, main b').length"), 0)
    same(tab.run("document.title"), "Question 1 of 7")


def test_what_a_screen_reader_is_told(s, tab):
    tab.go(s.url.rstrip("/") + s.invited["ann"] + "/task")
    nodes = [(n["role"]["value"], n["name"].get("value", "").strip()) for n in tab("Accessibility.getFullAXTree")["nodes"]
             if not n["ignored"] and "name" in n]
    for expected in [("banner", ""), ("main", ""), ("contentinfo", ""), ("group", "Which is better?"),
                     ("heading", "Which is better?"), ("region", "First"), ("region", "Second"), ("region", "About"),
                     ("button", "Choose the first"), ("button", "Choose the second"), ("button", "No difference"),
                     ("button", "Stop for now"), ("navigation", "More"),
                     ("progressbar", "0 answered, 6 to go")]:
        assert expected in nodes, (expected, nodes)
    same(tab.run("document.documentElement.lang"), "en")
    order = []
    for _ in range(7):
        tab.key("Tab", 9)
        order.append(tab.run("document.activeElement.innerText.split('\\n')[0].trim()"))
    assert order[0].startswith("Skip") and order[1].startswith("Choose the first"), order
    assert order[2].startswith("Choose the second") and order[3].startswith("No difference"), order


def test_big_targets_and_no_sideways_scrolling(s, tab):
    s.task(50, "compare", priority=99, outputs=["x" * 500, "word " * 200])
    s.task(51, "scale", priority=98, question={"labels": ["a long label of many words"] * 11})
    for phone, width in ((True, 390), (True, 320), (False, 1280)):
        tab.view(width, 844, False, phone)
        for value in ("0", "1"):
            tab.go(s.url.rstrip("/") + s.invited["bob" if phone else "ann"] + "/task")
            same(tab.run("document.documentElement.scrollWidth <= innerWidth"), True)
            same(tab.run("[...document.querySelectorAll('button')].every((b) => b.offsetHeight >= 44 && b.offsetWidth >= 44)"), True)
        if width == 390:
            tab.click("button[value='0']")
    tab("Emulation.clearDeviceMetricsOverride")


def test_a_turk_frame(s, tab):
    """A HIT: the page in a frame of another origin is only shown where the policy allows it."""
    tab.go(s.url + "mturk?" + "task=" + s.first + "&assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE")
    same(tab.run("[...document.querySelectorAll('button.choice')].every((b) => b.disabled)"), True)
    tab.go(s.url + "mturk?task=" + s.first + "&assignmentId=A1&hitId=H1&workerId=W1&turkSubmitTo=" + s.url.rstrip("/"))
    tab.click("button[value='0']")
    # What the worker chose goes to Amazon, and counts when their list has it.
    handed = tab.run("[...new FormData(document.querySelector('#submit'))].map((x) => x.join('=')).join('&')")
    assert "assignmentId=A1" in handed and "answer=0" in handed, handed
    same((heading(tab), chosen(s)), ("Thank you", []))
    tab.click("button.choice")  # our own server has no such address: the form got there
    same((tab.run("location.pathname"), heading(tab)), ("/mturk/externalSubmit", "There is nothing at this address."))


def server(folder):
    s = Server(folder, "--invite", "ann", "--invite", "bob", "--mturk")
    s.rules(**PLAIN)
    s.first = s.task(0, priority=50, wanted=2, question={"instructions": "Read this first."})
    for i in range(1, 6):
        s.task(i, priority=50 - i, wanted=2, question={"instructions": "Read this first."})
    return s


def pictures(folder, scratch, b):
    s = Server(scratch, "--invite", "ann", "--invite", "bob")
    s.rules(**PLAIN)
    asked = {"text": "Which names suit the dream better?", "instructions":
             "You will see what somebody wants to dream about, and two lists of names for the people in that dream.\n\n"
             "Choose the ones you would rather meet. There is no right answer: we want your taste."}
    dream = "A dream about a lighthouse whose keeper collects lost songs"
    s.task(0, "compare", priority=9, question=asked, context=dream, outputs=[
        "Marisol Tidewell\nOld Brennan Hush\nThe Cartographer of Choruses\nPip, who hums", "John Smith\nJane Smith\nBob"])
    s.task(1, "best", priority=8, question={"text": "Which description is the best?"}, context="A dream about a market of fog", outputs=[
        "You walk between stalls of bottled fog, each labelled with a Tuesday.", "The market is nice. There is fog. You buy something.",
        "Fog rolls over the cobbles; the fishmonger sells you your own name, wrapped in newspaper, still wet.", "A market. Fog."])
    s.task(2, "scale", priority=7, question={"text": "How well does this summary say what matters?", "labels": [
        "very badly", "badly", "rather badly", "so so", "rather well", "well", "very well"]}, context=
        "The council met on Monday and decided, after three hours, to repair the bridge before winter. Two members voted against.",
        outputs=["The council will repair the bridge before winter, against two votes."])
    s.task(3, "accept", priority=6, question={"text": "Is this a name for a person?"}, context="", outputs=["Thistle Underbough"])
    tab = b.page()

    def take(name):
        for device, width, height in (("phone", 390, 844), ("laptop", 1280, 800)):
            for dark in (False, True):
                tab.view(width, height, dark, device == "phone")
                tab.picture(os.path.join(folder, f"{name}-{device}-{'dark' if dark else 'light'}.png"))
    link = s.url.rstrip("/") + s.invited["ann"]
    tab.go(link)
    take("intro")
    for name, value in (("compare", "0"), ("best", "1"), ("scale", "5"), ("accept", "1")):
        tab.go(link + "/task")
        take(name)
        tab.click(f"button[value='{value}']")
    take("thanks")
    tab.click("#undo button")
    take("undone")
    tab.go(s.url.rstrip("/") + "/r/nobody")
    take("unknown")
    s.kill()


def main():
    binary = browser.find()
    if not binary:
        print("SKIP the rating page in a browser: there is no chromium")
        return
    b = browser.Browser(binary)
    tests = [(n, f) for n, f in globals().items() if n.startswith("test_")]
    try:
        with tempfile.TemporaryDirectory() as scratch:
            for name, test in tests:
                s = server(os.path.join(scratch, name))
                tabs = [b.page() for _ in range(test.__code__.co_argcount - 1)]
                try:
                    test(s, *tabs)
                finally:
                    s.kill()
                for tab in tabs:
                    same([c for c in tab.complaints if not c.startswith("Failed to load resource")], [])
                print(f"ok {name[5:].replace('_', ' ')}", flush=True)
            if len(sys.argv) > 1:
                pictures(sys.argv[1], os.path.join(scratch, "pictures"), b)
    finally:
        b.close()


main()
