"""The page in a real browser, opened from the disk."""

import json
import shutil
import time

import numpy as np
import pytest
from PIL import Image

import maskcodec as mc
from maskcodec.report.cards import Turn
from maskcodec.report.page import Page
from tests.report.test_cards import card, square
from tests.report.test_page import HOSTILE

pytest.importorskip("jinja2")
webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "google-chrome", "chrome"])), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="no chromium and chromedriver on this machine"
)

KINDS = ["valid", "valid", "recovered", "broken"] * 10


@pytest.fixture(scope="module")
def browser():
    """One browser for all tests: it takes seconds to start."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in "headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage":
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_window_size(1400, 1000)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A page of 40 cards: four kinds, two labels, hostile words, one photo."""
    page = Page("answers", "scanlines/1")
    ground = Image.fromarray(np.full((60, 80, 3), 200, np.uint8))
    photo = page.photo("a.jpg", lambda: ground)
    codec = mc.Scanlines()
    mask = square(20, 20, 40, 50, (60, 80))
    text = codec.encode(mask.mask(), "dog")
    for number, kind in enumerate(KINDS):
        broken = text.replace("<end:", f"{HOSTILE}<", 1)
        found = codec.recover(broken if kind == "recovered" else text)
        said = broken if kind == "recovered" else text
        page.add(
            card(
                name=f"{number} {HOSTILE}" if number == 2 else str(number),
                source="there" if number % 2 else "here",
                turns=[Turn("user", HOSTILE), Turn("assistant", said, found.problems)],
                regions=[] if kind == "broken" else found.regions,
                targets=[(HOSTILE if number < 3 else "dog", mask)],
                kind=kind,
                photo=photo.number,
                thumb=photo.thumb,
                iou=number / 40,
                tokens=100 + number,
                lost=int(kind == "broken"),
            )
        )
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page.html([], [], []), encoding="utf-8")
    return path.as_uri()


def opened(browser, address):
    browser.get("about:blank")
    browser.get(address)
    wait(browser, "return document.readyState === 'complete'")


def wait(browser, question):
    for _ in range(200):
        if browser.execute_script(question):
            return
        time.sleep(0.02)
    pytest.fail(f"it did not come about: {question}")


def names(browser):
    return browser.execute_script(
        "return [...document.querySelectorAll('#grid article')].map((it) => cards[it.number].name)"
    )


def errors(browser):
    return [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def click(browser, selector):
    browser.execute_script("document.querySelector(arguments[0]).click()", selector)


def address_of(browser):
    return browser.execute_script("return location.href")


def test_it_opens_without_errors_and_asks_nobody(browser, address):
    errors(browser)
    browser.get_log("performance")
    opened(browser, address)
    assert len(names(browser)) == len(KINDS)
    assert errors(browser) == []
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [one["params"] for one in asked if one["method"] == "Network.requestWillBeSent"]
    assert {one["request"]["url"].partition(":")[0] for one in asked} <= {"file", "data", "about"}
    assert [one["request"]["url"] for one in asked if one["type"] == "Document"][-1] == address
    entries = "return performance.getEntriesByType('resource').map((one) => one.name.slice(0, 5))"
    assert set(browser.execute_script(entries)) <= {"data:"}


def test_hostile_words_are_text(browser, address):
    opened(browser, address)
    wait(browser, "return document.querySelector('.open img') !== null")
    sources = "return [...document.images].every((one) => one.src.startsWith('data:image/webp'))"
    assert browser.execute_script(sources)
    assert browser.execute_script("return document.scripts.length") == 3
    wait(browser, "return document.querySelectorAll('.name').length > 2")
    shown = browser.execute_script("return document.querySelectorAll('.name')[2].textContent")
    assert shown == f"2 {HOSTILE}".replace("\u202e", "\\u202e")
    wait(browser, "return document.querySelector('article:nth-child(3) .open') !== null")
    click(browser, "article:nth-child(3) .open")
    texts = browser.execute_script(
        "return [...document.querySelectorAll('#detail .said')].map((one) => one.textContent)"
    )
    assert texts[0] == HOSTILE.replace("\u202e", "\\u202e")
    assert browser.execute_script("return document.querySelectorAll('#detail mark').length") >= 1
    assert errors(browser) == []


@pytest.mark.parametrize(
    ("selector", "left"),
    [
        ('[name=kind][value="broken"]', [n for n, kind in enumerate(KINDS) if kind == "broken"]),
        ("[name=lost]", [n for n, kind in enumerate(KINDS) if kind == "broken"]),
        ("#iou-bars button:nth-child(2)", [2, 3]),
        ("article:nth-child(1) .label:nth-child(2)", [0, 1, 2]),
    ],
)
def test_a_filter_leaves_the_right_cards_and_its_link_keeps_it(browser, address, selector, left):
    opened(browser, address)
    wait(browser, f"return document.querySelector({json.dumps(selector)}) !== null")
    click(browser, selector)
    wait(browser, f"return document.querySelectorAll('#grid article').length === {len(left)}")
    expected = [str(n) for n in left]
    assert [name.split()[0] for name in names(browser)] == expected
    assert browser.find_element("id", "shown").text == f"{len(left)} of 40"
    link = browser.execute_script("return document.getElementById('link').href")
    assert link == address_of(browser) != address
    opened(browser, link)
    assert [name.split()[0] for name in names(browser)] == expected
    click(browser, "#reset")
    wait(browser, "return document.querySelectorAll('#grid article').length === 40")
    assert errors(browser) == []


def test_links_may_say_anything(browser, address):
    for rest in (
        "kind=wild&size=&iou=x-y&sort=wild&layers=none&card=99&source=gone",
        "%%%",
        "card=-1",
    ):
        opened(browser, f"{address}#{rest}")
        assert len(names(browser)) == 40
    opened(browser, f"{address}#label=gone&q=%3Cb%3E")
    opened_label = browser.execute_script("return document.querySelector('[name=label]').value")
    assert opened_label == "gone"
    assert names(browser) == []
    assert browser.find_element("id", "empty").is_displayed()
    assert errors(browser) == []


def test_cards_are_searched_and_sorted(browser, address):
    opened(browser, address)
    choices = "return [...document.querySelectorAll('[name=label] option')].map((it) => it.value)"
    assert sorted(browser.execute_script(choices)) == sorted(["", "dog", HOSTILE])
    opened(browser, f"{address}#sort=-iou&source=there&q=DOG")
    assert names(browser) == [str(n) for n in range(39, 0, -2)]
    opened(browser, f"{address}#sort=tokens&size=small,medium&kind=recovered&iou=0.5-1.01")
    assert names(browser) == [str(n) for n in range(22, 40, 4)]


NEWLINE = {
    "role": "assistant",
    "text": [["<fg2>", []], ["\n", [0]], ["<fg2>", []]],
    "problems": [["row-short", "too short", "filled it", 5]],
    "omitted": 0,
}
MIDDLE = """
const canvas = document.querySelector(arguments[0]);
const context = canvas.getContext("2d");
return [...context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data];
"""


def test_a_click_switches_an_overlay(browser, address):
    opened(browser, address)
    card, other = "article:nth-child(5)", "article:nth-child(6)"
    wait(browser, f"return document.querySelector('{other} canvas') !== null")
    seen = f"return document.querySelector('{card} canvas').dataset.layers"
    assert browser.execute_script(seen) == "image target answer"
    tinted = browser.execute_script(MIDDLE, f"{card} canvas")
    assert tinted[0] > tinted[1] + 100  # the first colour is red
    assert 100 < tinted[3] < 140
    click(browser, f"{card} [data-layer=answer]")
    assert browser.execute_script(seen) == "image target"
    switch = browser.find_element("css selector", f"{card} [data-layer=answer]")
    assert switch.get_attribute("aria-pressed") == "false"
    click(browser, f"{card} [data-layer=target]")
    assert browser.execute_script(MIDDLE, f"{card} canvas") == [0, 0, 0, 0]
    photo = browser.find_element("css selector", f"{card} img")
    assert photo.get_property("complete")
    assert photo.is_displayed()
    click(browser, f"{card} [data-layer=image]")
    assert not photo.is_displayed()
    assert browser.execute_script(MIDDLE, f"{other} canvas") == tinted  # a switch is its card's
    click(browser, "#layers [data-layer=image]")
    wait(browser, f"return document.querySelector('{other} img')?.hidden")
    click(browser, "#layers [data-layer=cells]")
    cells = f"document.querySelector('{other} canvas')?.dataset.layers.endsWith('cells')"
    wait(browser, f"return {cells}")
    assert browser.execute_script(MIDDLE, f"{other} canvas")[3] > 180
    assert "layers=target%2Canswer%2Ccells" in address_of(browser)


def test_runs_are_read_as_they_were_written(browser, address):
    opened(browser, address)
    random = np.random.default_rng(0)
    blob = np.kron(random.random((9, 8)) < 0.4, np.ones((9, 12))).astype(np.uint8)
    masks = [random.random((7, 11)) < 0.5, np.zeros((3, 2)), np.ones((3, 2)), [[0, 1, 1]], blob]
    for mask in (np.asarray(mask, np.uint8) for mask in masks):
        runs = mc.coco.RunMask.from_mask(mask).coco_rle(text=True)["counts"]
        found = browser.execute_script("return [...pixels(...arguments)]", runs, mask.shape)
        assert np.array_equal(np.reshape(found, mask.shape), mask)


def test_a_card_opens_and_leads_on(browser, address):
    opened(browser, f"{address}#kind=recovered")
    wait(browser, "return document.querySelector('.open') !== null")
    click(browser, "article:nth-child(1) .open")
    assert browser.find_element("id", "detail-name").text.startswith("2 ")
    click(browser, "#next")
    assert browser.find_element("id", "detail-name").text == "6"
    assert address_of(browser).endswith("card=6")
    opened(browser, address_of(browser))
    assert browser.find_element("id", "detail-name").text == "6"
    assert browser.execute_script("return document.querySelectorAll('.problems li').length") >= 1
    marked = browser.execute_script("return said(arguments[0]).textContent", NEWLINE)
    assert marked == "<fg2>↵1\n<fg2>"
    click(browser, "#close")
    wait(browser, "return !location.hash.includes('card')")
    assert errors(browser) == []


def test_only_what_is_near_is_drawn(browser, address):
    opened(browser, address)
    wait(browser, "return document.querySelector('canvas[data-layers]') !== null")
    drawn = browser.execute_script("return document.querySelectorAll('#grid canvas').length")
    assert 0 < drawn < 40
    browser.execute_script("scrollTo(0, document.body.scrollHeight)")
    wait(browser, "return document.querySelector('article:nth-child(40) canvas') !== null")
    wait(browser, "return document.querySelector('article:nth-child(1) canvas') === null")
