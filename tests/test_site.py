"""The site as a reader meets it: it builds, its links lead somewhere, its search finds, and it fits the screen."""

from __future__ import annotations

import functools
import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from snippets import ROOT

DOCS = ROOT / "docs"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
#: without its connections to Google, which a test needs none of
CHROMIUM_OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --allow-file-access-from-files --dump-dom"
)
#: pixels: a desktop and a telephone
WIDTHS = (1280, 390)

pytestmark = pytest.mark.slow


def build_site(target: Path, *options: str, **settings: str) -> Path:
    """Build the site with every warning an error."""
    for package in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(package)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", target / "doctrees", *options]
    built = subprocess.run(
        [*command, DOCS, target / "html"],
        cwd=ROOT,
        env={key: value for key, value in {**os.environ, **settings}.items() if "COV" not in key},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout
    return target / "html"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site, built once, also if several processes run the tests."""
    filelock = pytest.importorskip("filelock")
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with filelock.FileLock(shared / "site.lock"):
        built = shared / "site" / "html"
        return built if (built / "index.html").exists() else build_site(shared / "site")


class Page(html.parser.HTMLParser):
    """The text of a page, and the ends of its links."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = ""
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.anchors.update(filter(None, (found.get("id"), found.get("name"))))
        self.links.extend(filter(None, (found.get("href"), found.get("src"), found.get("data"))))

    def handle_data(self, data: str) -> None:
        self.text += data


page = functools.cache(Page)


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_the_pictures_are_drawn_as_svg(site: Path) -> None:
    text = (site / "design.html").read_text(encoding="utf-8")
    drawn = [site / path for path in re.findall(r'<object role="img" aria-label="[^"]+" data="([^"]+\.svg)"', text)]
    assert len(drawn) == (len([*(DOCS / "pictures").glob("*.dot")]) if shutil.which("dot") else 0)
    for picture in drawn:
        assert "<svg" in picture.read_text(encoding="utf-8")


def test_the_page_with_pictures_is_built_without_graphviz(tmp_path: Path) -> None:
    (found,) = [path for path in DOCS.rglob("*.md") if "{graphviz}" in path.read_text(encoding="utf-8")]
    alone = ["-D", f"include_patterns={found.relative_to(DOCS).as_posix()}", "-D", f"root_doc={found.stem}"]
    built = build_site(tmp_path, *alone, PATH=str(tmp_path)) / f"{found.stem}.html"
    assert "graphviz" not in built.read_text(encoding="utf-8")


def test_no_link_within_the_site_is_dead(site: Path) -> None:
    dead = []
    for path in pages(site):
        for link in page(path).links:
            target, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            file = (path.parent / target.partition("?")[0]).resolve() if target else path
            if not file.exists() or (anchor and file.suffix == ".html" and anchor not in page(file).anchors):
                dead.append(f"{path.relative_to(site)}: {link}")
    assert dead == []


def search(site: Path, words: str) -> set[str]:
    """Return the pages that Sphinx's search finds for all of `words`."""
    english = pytest.importorskip("sphinx.search.en").SearchEnglish({})
    script = (site / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(script.removeprefix("Search.setIndex(").removesuffix(")"))
    found = []
    for word in words.lower().split():
        numbers: set[int] = set()
        for table in ("terms", "titleterms"):
            entry = index[table].get(english.stem(word), [])
            numbers.update([entry] if isinstance(entry, int) else entry)
        found.append({index["docnames"][number] for number in numbers})
    return set.intersection(*found)


@pytest.mark.parametrize(
    ("words", "expected"),
    {
        "reply": "how-to/reply",
        "slash command": "how-to/reply",
        "Docker": "how-to/deploy",
        "systemd": "how-to/deploy",
        "logging": "how-to/logging",
        "JSON logs": "how-to/logging",
        "asyncio": "how-to/asyncio",
        "OpenTelemetry": "how-to/opentelemetry",
        "Windows": "how-to/platforms",
        "health": "how-to/health",
        "close code": "reference/intents",
    }.items(),
)
def test_the_search_finds_the_page(site: Path, words: str, expected: str) -> None:
    assert expected in search(site, words)


def test_the_reference_has_no_docstrings_of_python(site: Path) -> None:
    text = "".join(page(path).text for path in (site / "reference").glob("*.html"))
    for constant in ("", 0, (), {}, True):
        assert str(type(constant).__doc__).splitlines()[0] not in text
    assert "Instances of the Logger class" not in text


def test_a_constructor_is_shown_where_users_call_it(site: Path) -> None:
    client = (site / "reference" / "client.html").read_text(encoding="utf-8")
    shown = {
        name: "sig-paren" in signature
        for name, signature in re.findall(r'<dt [^>]*id="vox_gateway\.([A-Z][a-z]\w+)">(.*?)</dt>', client, re.DOTALL)
    }
    assert {name for name, has_parameters in shown.items() if has_parameters} == {
        "Client",
        "IdentifyGate",
        "ShardManager",
    }
    assert {"Event", "EventStream", "GatewayBot"} <= shown.keys()


#: shows each page in a frame of each width, and writes what does not fit into it
OVERFLOW = """<!doctype html><meta charset="utf-8"><pre></pre><script>
const scrolls = element => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
const inBox = element => element && element.tagName !== "BODY" && (scrolls(element) || inBox(element.parentElement));
onload = () => {
  const lines = ["looked at all pages"];
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, width = frame.contentWindow.innerWidth;
    const wide = [...page.querySelectorAll("article *")].filter(
      element => element.getBoundingClientRect().right > width && !inBox(element.parentElement) && !scrolls(element));
    if (page.documentElement.scrollWidth > width || wide.length)
      lines.push(`${frame.title} at ${width}: ${wide.slice(0, 3).map(element => element.outerHTML.slice(0, 80))}`);
  }
  document.querySelector("pre").textContent = lines.join("\\n");
};
</script>
"""


def overflowing(site: Path, work: Path) -> list[str]:
    frame = '<iframe src="{}" title="{}" width="{}" height="900"></iframe>'
    frames = [frame.format(one.as_uri(), one.relative_to(site), width) for one in pages(site) for width in WIDTHS]
    (work / "overflow.html").write_text(OVERFLOW + "\n".join(frames), encoding="utf-8")
    address = (work / "overflow.html").as_uri()
    command = [str(CHROMIUM), *CHROMIUM_OPTIONS.split(), f"--user-data-dir={work / 'profile'}", address]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r"<pre>(.*?)</pre>", shown, re.DOTALL)
    assert found, shown
    first, *lines = html.unescape(found[1]).splitlines()
    assert first == "looked at all pages"
    return lines


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_every_page_fits_a_desktop_and_a_telephone(site: Path, tmp_path: Path) -> None:
    assert overflowing(site, tmp_path) == []


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_page_that_does_not_fit_is_seen(tmp_path: Path) -> None:
    text = '<!doctype html><meta charset="utf-8"><article><p style="width: 500px">wide</p></article>'
    (tmp_path / "wide.html").write_text(text, encoding="utf-8")
    (line,) = overflowing(tmp_path, tmp_path)
    assert line.startswith("wide.html at 390: <p")
