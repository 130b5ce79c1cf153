"""Whatever a server calls its builds, nothing is run by it, and it can still be read.

Texts of every kind go through every place in which words of a server are shown. Each text holds the word
AIRPLANE, which must be seen there, and something that must do nothing.
"""

from __future__ import annotations

import contextlib
import functools
import html.parser
import io
import logging
import re
import traceback
import unicodedata
import warnings
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib import pyplot as plt

import mkframe as mk
from mkframe import forms, report
from mkframe.__main__ import main
from mkframe._http import Transport
from mkframe._text import escape_invisible, single_line
from mkframe.client import Client
from mkframe.errors import MkframeError
from mkframe.frames import from_rows
from mkframe.schema import RESOURCES
from mkframe.settings import Secret, Settings
from tests.support import faults
from tests.support.rows import row
from tests.support.widgets import html_of
from tests.trust.operations import result_of_a_statement

pytestmark = pytest.mark.slow

TEXTS = {
    "plain": "AIRPLANE",
    "script": "AIRPLANE<script>alert(1)</script>",
    "image": "AIRPLANE<img src=x onerror=alert(1)>",
    "end of an attribute": "AIRPLANE\"'><svg/onload=alert(1)>",
    "end of a tag": "AIRPLANE</td></pre></style></title><iframe src=javascript:alert(1)>",
    "comment": "AIRPLANE<!--",
    "entity": "AIRPLANE&lt;script&gt;&#60;b&#62;",
    "color of a terminal": "\x1b[31mAIRPLANE\x1b[0m",
    "title of a terminal": "\x1b]0;owned\x07AIRPLANE",
    "link of a terminal": "AIRPLANE\x1b]8;;https://elsewhere.example\x1b\\x\x1b]8;;\x1b\\",
    "screen wiped": "AIRPLANE\x1b[2J\x1b[H",
    "eight-bit escape": "AIRPLANE\x9b31m",
    "backspaces": "AIRPLANE\b\b\b\b\x7f",
    "line overwritten": "AIRPLANE\rOWNED",
    "lines": "AIRPLANE\nERROR root: owned\n",
    "line separator": "AIRPLANE\u2028owned\u2029owned\x85owned",
    "nothing at all": "AIRPLANE\x00.zip",
    "right to left": "\u202eAIRPLANE\u202c gnp.piz",
    "isolate left open": "\u2067AIRPLANE",
    "letters from right to left": "AIRPLANE مطار שדה",
    "zero width": "\u200bAIRPLANE\u200b\u2060\ufeff",
    "tags that are not seen": "AIRPLANE\U000e0041\U000e0042",
    "formula": "=cmd|' /C calc'!AIRPLANE",
    "formula behind a tab": "\t=AIRPLANE",
    "mathtext": "$\\frac{AIRPLANE}{\\bad$ $x$ $",
    "percent and braces": "%s %(x)d {AIRPLANE} {0} {x!r} %",
    "backslashes": "AIRPLANE\\n\\x1b\\u202e",
    "Markdown": "AIRPLANE `x` **y** [z](javascript:alert(1)) | a |",
    "emoji": "AIRPLANE 👩‍✈️🛫",
    "combining": "AIRPLANE x" + "\u0301" * 200,
    "long word": "AIRPLANE" + "W" * 5_000,
}
DRAWN = [
    "script", "link of a terminal", "eight-bit escape", "lines", "nothing at all", "right to left",
    "zero width", "letters from right to left", "mathtext", "percent and braces", "emoji", "combining",
    "long word",
]  # fmt: skip
"""One text of each kind, where each takes its time."""
NOT_DRAWN = [name for name in TEXTS if name not in DRAWN]
BENIGN = "AIRPLANE"
API = faults.API


def texts(*leave_out: str) -> Any:
    chosen = {name: text for name, text in TEXTS.items() if name not in leave_out}
    return pytest.mark.parametrize("text", chosen.values(), ids=chosen)


def steering(shown: str) -> list[str]:
    """Characters that steer a terminal or the direction of what follows."""
    hidden = {"Cc", "Cs", "Zl", "Zp"}
    bidi = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return [
        c
        for c in shown
        if (unicodedata.category(c) in hidden and c not in "\n\t") or unicodedata.bidirectional(c) in bidi
    ]


class Tags(html.parser.HTMLParser):
    """The markup of a page: its tags with the names of their attributes; and its words."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: set[tuple[str, ...]] = set()
        self.words = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add((tag, *sorted(name for name, _ in attrs)))

    def handle_comment(self, data: str) -> None:
        self.found.add(("comment",))

    def handle_data(self, data: str) -> None:
        self.words += data


# --- the search proves itself -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["color of a terminal", "line overwritten", "right to left", "line separator"]
)
def test_steering_is_found(name):
    assert steering(f"before {TEXTS[name]} after")


@pytest.mark.parametrize("name", ["script", "image", "end of a tag"])
def test_markup_is_found(name):
    assert Tags(f"<p>{TEXTS[name]}</p>").found != Tags(f"<p>{BENIGN}</p>").found


# --- a server whose every word is a text --------------------------------------------------------------


def spoken(resource: str, text: str, number: int = 1, **changes: Any) -> dict[str, Any]:
    """A row whose every text is `text`."""
    words = {f.name: text for f in RESOURCES[resource].fields if f.type == "str"}
    made = row(resource, number) | words | changes
    for download in made.get("downloads") or ():
        download["name"] = text
    return made


def archive(text: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as packed:
        packed.writestr("airplane.sql", text)
    return held.getvalue()


@contextlib.contextmanager
def saying(text: str, **more: Any) -> Iterator[Client]:
    """A client of such a server."""
    script = {f"{API}/{name}": faults.reply([spoken(name, text, n) for n in (1, 2)]) for name in RESOURCES}
    script |= {f"{API}/builds/1": faults.reply(spoken("builds", text, status="FAILED"))}
    with faults.serve(script | more) as server:
        known = Settings(server.api, token=Secret("a-token"), max_attempts=2, max_retry_wait=0.0)
        with Client(Transport(known)) as client:
            yield client


def failure(act: Callable[[], Any]) -> str:
    with pytest.raises(MkframeError) as caught:
        act()
    # What Python shows of one that nobody catches, with all that stands behind it.
    assert steering("".join(traceback.format_exception(caught.value))) == []
    return str(caught.value)


# --- what stands in a terminal: errors, warnings, logs, progress ---------------------------------------


def refused(text: str) -> str:
    with saying(text, **{f"{API}/labels": faults.vendor(400, text)}) as client:
        return failure(lambda: client.labels.find())


def refused_without_json(text: str) -> str:
    page = faults.content(text.encode(), "text/plain", status=500)
    with saying(text, **{f"{API}/labels": page}) as client:
        return failure(lambda: client.labels.find())


def web_page(text: str) -> str:
    with saying(text, **{f"{API}/labels": faults.html(200, text)}) as client:
        return failure(lambda: client.labels.find())


def another_type(text: str) -> str:
    with saying(text, **{f"{API}/builds": faults.reply([spoken("builds", text, progress=text)])}) as client:
        return failure(lambda: client.builds.find())


def another_shape(text: str) -> str:
    with saying(text, **{f"{API}/builds": faults.reply({text: text})}) as client:
        return failure(lambda: client.builds.find())


def failed_build(text: str) -> str:
    with saying(text) as client:
        return failure(lambda: client.builds.wait(1, raise_on_failure=True, progress=False))


def unknown_status(text: str) -> str:
    finished = spoken("builds", text, status=text)
    with saying(text, **{f"{API}/builds/1": faults.reply(finished)}) as client:
        return failure(lambda: client.builds.wait(1, raise_on_failure=True, progress=False))


def failed_statement(text: str) -> str:
    answer = faults.reply(spoken("metadata", text, status="ERROR", rows=[], metadata=[], error=text), 201)
    with saying(text, **{f"{API}/metadata": answer}) as client:
        return failure(lambda: client.metadata.query("SELECT 1", project="A"))


def status_of_a_statement(text: str) -> str:
    answer = faults.reply(spoken("metadata", text, status=text, rows=[], metadata=[]), 201)
    with saying(text, **{f"{API}/metadata": answer}) as client:
        return failure(lambda: client.metadata.query("SELECT 1", project="A"))


def type_of_a_column(text: str) -> str:
    answer = result_of_a_statement([{text: text}], {text: "integer"})
    with (
        saying(text, **{f"{API}/metadata": answer}) as client,
        warnings.catch_warnings(record=True) as sentence,
    ):
        warnings.simplefilter("always")
        client.metadata.query("SELECT 1", project="A")
    return "\n".join(str(warning.message) for warning in sentence)


def warning_of_a_start(text: str) -> str:
    with (
        saying(text, **{f"POST {API}/builds": beginning(text)}) as client,
        warnings.catch_warnings(record=True) as sentence,
    ):
        warnings.simplefilter("always")
        client.builds.start(project_id=1, instances=[7])
    return "\n".join(warnings.formatwarning(w.message, w.category, "a.py", 1, "") for w in sentence)


def beginning(text: str) -> faults.Answer:
    return faults.reply({"build": {"id": 5139, "status": "BUILDING"}, "warnings": [text]}, 201)


def page_instead_of_a_file(text: str) -> str:
    page = {f"{API}/downloads/1": faults.html(200, text)}
    with saying(text, **page) as client, io_folder() as folder:
        notice = client.downloads.fetch(client.downloads.find().head(1), to=folder, progress=False)
    return str(notice["error"].iloc[0])


def broken_archive(text: str) -> str:
    notice = {f"{API}/downloads/1": faults.file(b"PK\x03\x04 and no more")}
    with saying(text, **notice) as client, io_folder() as folder:
        notice = client.downloads.fetch(client.downloads.find().head(1), to=folder, progress=False)
    return str(notice["error"].iloc[0])


@contextlib.contextmanager
def io_folder() -> Iterator[str]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        yield folder


def comparison(text: str) -> str:
    return repr(compared(text))


def compared(text: str) -> Any:
    frame = pd.DataFrame(
        [{"name": text, "change": text, "kind": text, "diff": f"--- a\n+++ b\n+{text}", "note": text}]
    )
    return mk.artifacts.show(frame)


IN_A_TERMINAL = [
    refused, refused_without_json, web_page, another_type, another_shape, failed_build, unknown_status,
    failed_statement, status_of_a_statement, type_of_a_column, warning_of_a_start, page_instead_of_a_file,
    broken_archive, comparison,
]  # fmt: skip


@texts()
@pytest.mark.parametrize("say", IN_A_TERMINAL, ids=lambda say: say.__name__)
def test_nothing_steers_a_terminal(say, text):
    shown = say(text)
    assert steering(shown) == []
    assert "AIRPLANE" in shown


ON_THE_WIRE: dict[str, Callable[[bytes], bytes]] = {
    "status line": lambda text: text + b"\r\n\r\n",
    "version": lambda text: b"HTTP/" + text + b" 200 OK\r\n\r\n",
    "status": lambda text: b"HTTP/1.1 " + text + b"\r\n\r\n",
    "reason": lambda text: b"HTTP/1.1 500 " + text + b"\r\n\r\n",
    "header": lambda text: b"HTTP/1.1 200 OK\r\n" + text + b"\r\n\r\n[]",
    "location": lambda text: b"HTTP/1.1 302 Found\r\nLocation: " + text + b"\r\n\r\n",
    "coding": lambda text: b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + text,
    "two lengths": lambda text: b"HTTP/1.1 200 OK\r\nContent-Length: 1,2 \r\nX: " + text + b"\r\n\r\n[]",
    "length": lambda text: b"HTTP/1.1 200 OK\r\nContent-Length: " + text + b"\r\n\r\n?",
    "chunk": lambda text: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + text + b"\r\n",
}


@texts("long word", "combining")
@pytest.mark.parametrize("place", ON_THE_WIRE)
def test_nothing_on_the_wire_steers_a_terminal(place, text, caplog):
    caplog.set_level(logging.DEBUG)
    sent = ON_THE_WIRE[place](text.encode("utf-8", "surrogatepass"))
    with saying(text, **{f"{API}/labels": faults.bare(sent)}) as client:
        assert steering(failure(lambda: client.labels.find())) == []
    assert steering(caplog.text) == []


@pytest.mark.parametrize(
    "say",
    [say for say in IN_A_TERMINAL if say not in (comparison, type_of_a_column)],
    ids=lambda say: say.__name__,
)
def test_a_sentence_stays_short(say):
    assert len(say(TEXTS["long word"])) < 1500


@texts()
def test_log_line_is_one_line(text, caplog):
    caplog.set_level(logging.DEBUG)
    busy = faults.vendor(503, text, headers={"Retry-After": "0"})
    with saying(text, **{f"{API}/labels": [busy, faults.reply([])]}) as client:
        client.labels.find()
    (line,) = [r.getMessage() for r in caplog.records if r.name == "mkframe"]
    assert steering(line) == []
    assert "\n" not in line
    assert "AIRPLANE" in line


@texts()
def test_warning_that_is_an_error_is_one_line_of_the_log(text, caplog):
    with saying(text, **{f"POST {API}/builds": beginning(text)}) as client:
        client.builds.start(project_id=1, instances=[7])  # warnings are errors in these tests
    (line,) = [r.getMessage() for r in caplog.records if r.name == "mkframe"]
    assert steering(line) == []
    assert "\n" not in line
    assert "AIRPLANE" in line


@texts(*NOT_DRAWN)
def test_progress_stays_on_its_line(text, capfd):
    running = faults.reply(spoken("builds", text, status="BUILDING"))
    finished = faults.reply(spoken("builds", text, status="FINISHED"))
    with saying(text, **{f"{API}/builds/1": [running, finished]}) as client:
        client.builds.wait(1)
    shown = capfd.readouterr().err
    assert steering(re.sub(r"\r|\x1b\[A", "", shown)) == []  # what tqdm itself steers with
    assert shown.count("\n") <= 1
    assert re.search("AIRPLANE|AIRPLAN|cmd", shown)


@texts()
def test_command_line_ends_with_a_sentence(text, capfd, tmp_path, monkeypatch):
    (tmp_path / "builds.json").write_bytes(b"[]")
    monkeypatch.chdir(tmp_path)
    assert main(["report", "--from", "builds.json", "--project", text]) == 1
    shown = capfd.readouterr().err
    assert steering(shown) == []
    assert shown.count("\n") == 1


# --- what a notebook shows as HTML --------------------------------------------------------------------


def html_of_a_frame(text: str) -> str:
    frame = from_rows("builds", [spoken("builds", text)])
    return frame[["name", "description", "message"]].rename(columns={"name": text})._repr_html_()


def html_of_sentences(text: str) -> str:
    return mk.metrics.describe(built(text))._repr_html_()


def html_of_a_comparison(text: str) -> str:
    return compared(text)._repr_html_()


def html_of_a_form(make: Callable[[Client], Any], text: str) -> str:
    with saying(text, **{f"POST {API}/builds": faults.vendor(400, text)}) as client:
        form = make(client)
        form.worker.close(timeout=30)
        shown = html_of(form)
        form.close()
    return shown


def html_of_the_start(text: str) -> str:
    def chosen(client: Client) -> Any:
        form = forms.start_build(client)
        form.worker.close(timeout=30)
        form.model.run = form.model.selection.run = lambda step: step()
        form.selection.project.value = 1
        selection = form.model.selection
        selection.add_matches()
        selection.description, selection.allow_duplicate = text, True
        form.model.submit()
        return form

    return html_of_a_form(chosen, text)


def html_of_the_watch(text: str) -> str:
    def looked(client: Client) -> Any:
        form = forms.watch(client, 1)
        form.model.look()
        return form

    return html_of_a_form(looked, text)


def html_of_the_history(text: str) -> str:
    return html_of_a_form(lambda _: forms.explore(built(text)), text)


def built(text: str) -> pd.DataFrame:
    """Builds whose every word is a text, some of them failed, with names."""
    made = [
        spoken("builds", text, n, status="FAILED" if n % 3 else "FINISHED")
        | {"build_start": f"2026-03-{n:02d}T08:00:00.000Z", "build_end": f"2026-03-{n:02d}T09:00:00.000Z"}
        for n in range(1, 13)
    ]
    frame = from_rows("builds", made)
    named = {"pattern_names": [[text]] * len(frame), "release_names": [[text]] * len(frame)}
    return frame.assign(project=text, **named)


AS_HTML = [
    html_of_a_frame, html_of_sentences, html_of_a_comparison, html_of_the_start, html_of_the_watch,
    html_of_the_history,
]  # fmt: skip


@functools.cache
def shown(show: Callable[[str], str], text: str) -> str:
    return show(text)


@texts()
@pytest.mark.parametrize("show", AS_HTML, ids=lambda show: show.__name__)
def test_words_never_become_markup(show, text):
    page = Tags(shown(show, text))
    assert page.found <= Tags(shown(show, BENIGN)).found
    assert "AIRPLANE" in page.words


@texts()
@pytest.mark.parametrize("show", AS_HTML[2:], ids=lambda show: show.__name__)
def test_direction_ends_with_the_word(show, text):
    """Marks that turn the direction are spelled out, or shut in by an element of their own."""
    outside = re.sub(r"<(bdi|td|th)\b[^>]*>.*?</\1>", "", shown(show, text), flags=re.S)
    assert not [c for c in steering(outside) if unicodedata.bidirectional(c) != "BN"]


def test_report_is_a_page_of_words(tmp_path):
    """One page with all texts at once."""
    from tests.support.rows import body

    sentence = [text for text in TEXTS.values() if "\ud800" not in text]
    made = [
        spoken("builds", text, n, status="FAILED" if n % 2 else "FINISHED", patterns=[n])
        | {"build_start": f"2026-03-{n % 28 + 1:02d}T08:00:00.000Z", "build_end": "2026-04-01T09:00:00.000Z"}
        for n, text in enumerate(sentence, 1)
    ]
    made += [spoken("builds", BENIGN, 100 + n, status=text) for n, text in enumerate(sentence)]
    (tmp_path / "builds.json").write_bytes(body(made))
    parameters = {"project": None, "source": str(tmp_path / "builds.json"), "every": "W", "tz": "UTC"}
    page = Tags(report.write(tmp_path / "out.html", parameters).read_text())
    assert {tag for tag, *_ in page.found} <= {
        "html", "head", "meta", "title", "style", "body", "main", "footer", "h1", "h2", "p", "ul", "li",
        "div", "a", "table", "thead", "tbody", "tr", "th", "td", "img", "pre",
        "header", "section", "dl", "dt", "dd", "span", "b", "small",
    }  # fmt: skip
    assert not [name for _, *names in page.found for name in names if name.startswith("on")]
    assert "Build history of" in page.words


# --- pictures -----------------------------------------------------------------------------------------


def picture(draw: Callable[[str], Any], text: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = draw(text)
        ax.figure.savefig(io.BytesIO(), format="png", dpi=30)
        return ax


def released(text: str) -> Any:
    made = [
        spoken(
            "releases",
            text,
            n,
            start_date=f"2026-0{n}-01T00:00:00.000Z",
            end_date=f"2026-0{n + 1}-01T00:00:00.000Z",
        )
        for n in (1, 2)
    ]
    return mk.charts.releases(from_rows("releases", made), built(text))


PICTURES = {
    "outcomes": lambda text: mk.charts.outcomes(built(text).assign(status=text)),
    "longest": lambda text: mk.charts.longest(built(text)),
    "durations": lambda text: mk.charts.durations(built(text), by="pattern"),
    "failure rate": lambda text: mk.charts.failure_rate(built(text), by="pattern"),
    "releases": released,
}


@pytest.mark.parametrize("text", [TEXTS[name] for name in DRAWN], ids=DRAWN)
@pytest.mark.parametrize("draw", PICTURES.values(), ids=PICTURES)
def test_label_is_drawn_as_words(draw, text):
    """As PNG without a warning, and as SVG whose texts are texts."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "x"}):
        ax, sink = picture(draw, text), io.BytesIO()
        ax.figure.savefig(sink, format="svg")
    plt.close("all")
    root = ET.fromstring(sink.getvalue())
    shown = " ".join("".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text"))
    assert steering(shown) == []
    assert not [e for e in root.iter() if e.tag.rpartition("}")[2] in ("script", "a", "foreignObject")]
    assert re.search("AIRPLA|…LANE", shown)  # a long name is cut in its middle, and the cut is shown


# --- files --------------------------------------------------------------------------------------------


@texts()
def test_file_has_a_name_that_can_be_read(text, tmp_path):
    with saying(text, **{f"{API}/downloads/1": faults.file(archive(text))}) as client:
        notice = client.downloads.fetch(client.downloads.find().head(1), to=tmp_path, progress=False)
    (path,) = [p for p in tmp_path.iterdir() if not p.name.startswith(".")]
    assert notice["status"].tolist() == ["fetched"]
    assert Path(notice["path"].iloc[0]) == path
    assert steering(path.name) == []
    assert "AIRPLANE" in path.name
    assert notice["name"].iloc[0] == text


@texts()
@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_export_holds_no_formula_and_nothing_hidden(ending, text, tmp_path):
    frame = from_rows("builds", [spoken("builds", text)]).rename(columns={"name": text})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = mk.export(frame, tmp_path / f"builds.{ending}")
    cells = cells_of(path)
    assert [cell for cell in cells if steering(cell)] == []
    assert ending == "xlsx" or not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
    assert [cell for cell in cells if "AIRPLANE" in cell]


def cells_of(path: Path) -> list[str]:
    import csv

    import openpyxl

    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [cell for line in csv.reader(file) for cell in line]
    cells = [cell for line in openpyxl.load_workbook(path).active.iter_rows() for cell in line]
    assert {cell.data_type for cell in cells} <= {"s", "n", "b", "d"}
    return [str(cell.value) for cell in cells]


@texts()
def test_frame_holds_the_text_itself(text):
    """What is shown is made harmless; what is held is what came."""
    with saying(text) as client:
        builds = client.builds.find()
    assert builds["message"].tolist() == [text, text]


# --- spelling -----------------------------------------------------------------------------------------


@texts()
def test_spelling_hides_nothing(text):
    assert steering(escape_invisible(text)) == []
    assert re.sub(r"‹U\+([0-9A-F]+)›", lambda m: chr(int(m[1], 16)), escape_invisible(text)) == text
    assert "\n" not in single_line(text)
    assert len(single_line(text, 50)) < 500
