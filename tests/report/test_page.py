"""The page: what a file says is text, photos come once, and nothing is asked of a network."""

import json
import re
import sys

import numpy as np
import pytest
from PIL import Image

from maskcodec.errors import ConfigError
from maskcodec.report import page as pages
from maskcodec.report.cards import Turn
from maskcodec.report.page import Figure, Page
from tests.report.test_cards import card, square

pytest.importorskip("jinja2")
HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)> \u202eabc כלב &amp;"


def made(*cards, title="t", figures=(), counts=(), notes=()):
    page = Page(title, "scanlines/1")
    for one in cards:
        page.add(one)
    return page.html(figures, counts, notes)


def data(html):
    text = re.search(r'<script type="application/json" id="cards">(.*?)</script>', html, re.DOTALL)
    return json.loads(text[1])


def test_words_of_files_are_text():
    one = card(name=HOSTILE, source=HOSTILE, targets=[(HOSTILE, square(0, 0, 2, 2))])
    row = Figure(HOSTILE, HOSTILE, HOSTILE)
    html = made(one, title=HOSTILE, figures=[row], counts=[row], notes=[HOSTILE])
    assert "alert(1)</script>" not in html
    assert "<img" not in html
    assert html.count("<script") == html.count("</script>") == 2
    (found,) = data(html)["cards"]
    assert found["name"] == found["source"] == found["labels"][0] == HOSTILE


def test_halves_of_characters_are_written():
    half = "\ud800 dog"
    one = card(name=half, turns=[Turn("user", half)], targets=[(half, square(0, 0, 2, 2))])
    html = made(one, title=half, notes=[half])
    html.encode()
    (found,) = data(html)["cards"]
    assert found["name"] == found["labels"][0] == "\\ud800 dog"
    assert found["turns"][0]["text"] == [[half, []]]


def test_nothing_is_asked_of_a_network():
    html = made(card())
    outside = html[: html.index('id="cards"')] + html[html.index("</script>") :]
    assert "http://" not in outside
    assert "https://" not in outside
    assert "default-src 'none'" in html
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|\bimport\(", outside)
    assert set(re.findall(r'(?:src|href)="([^"]*)"', html)) <= {"data:,", "#"}


def test_the_policy_names_the_style_and_the_script():
    html = made(card())
    for tag in "style", "script":
        text = html[html.rindex(f"<{tag}>") + len(tag) + 2 : html.rindex(f"</{tag}>")]
        assert f"{tag}-src '{pages._hash(text)}'" in html


def test_a_photo_is_on_the_page_once():
    page, loaded = Page("t", "scanlines/1"), []

    def load():
        loaded.append(1)
        return Image.fromarray(np.full((400, 800, 3), 90, np.uint8))

    first, second = page.photo("a.jpg", load), page.photo("a.jpg", load)
    assert first == second == (0, (160, 320), (400, 800))
    assert len(loaded) == 1
    html = page.html([], [], [])
    assert html.count('type="text/plain"') == 1
    assert re.search(r'id="photo-0">UklGR[A-Za-z0-9+/=]+</script>', html)


def test_a_photo_of_many_details_is_small_too():
    page = Page("t", "scanlines/1")
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    page.photo("noise.png", lambda: Image.fromarray(noise))
    (text,) = page._pictures
    assert len(text) < 60e6 / 2000


def test_filters_have_what_cards_have():
    html = made(
        card(kind="broken", lost=1, targets=[("dog", square(0, 0, 2, 2))]),
        card(source="there", targets=[("dog", square(0, 0, 20, 20))]),
    )
    assert data(html)["choices"]["label"] == {"dog": 2}
    assert data(html)["choices"]["source"] == {"here": 1, "there": 1}
    for name, value in ("kind", "broken"), ("kind", "valid"), ("size", "small"), ("lost", "1"):
        assert f'name="{name}" value="{value}"' in html
    alone = made(card(source=""))
    assert '<select name="source">' not in alone
    assert 'type="checkbox"' not in alone


def test_a_page_that_no_browser_opens_is_refused(monkeypatch):
    monkeypatch.setattr(pages, "_MOST_BYTES", 300)
    page = Page("t", "scanlines/1")
    page.add(card())
    said = "more than 0 MiB after 2 cards, too much for a browser; --count 1 writes fewer"
    with pytest.raises(ConfigError, match=said):
        page.add(card())


def test_jinja_is_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ConfigError, match=r"pip install 'maskcodec\[report\]'"):
        Page("t", "scanlines/1")
