"""What all views share: escaping, looks, guarded callbacks, and the error area."""

from __future__ import annotations

import contextlib
import html
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import ipywidgets as w

from mkframe.forms._worker import Worker
from mkframe.forms.models.base import Model

__all__ = ["Form", "bar", "column", "field", "items", "markup", "row", "section", "escape"]

WIDTH = "770px"
_LABEL = {"description_width": "8.5em"}
_CSS = """<style>
.mkf{font-size:13px;line-height:1.45;color:var(--jp-ui-font-color1,#1f2328)}
.mkf h3{margin:.2em 0 .1em;font-size:18px}
.mkf h4{margin:.9em 0 .2em;font-size:14px;
border-bottom:1px solid var(--jp-border-color2,#d0d7de);padding-bottom:2px}
.mkf a{color:var(--jp-content-link-color,#0072b2);text-decoration:underline}
.mkf p,.mkf ul{margin:.25em 0}.mkf ul{padding-left:1.3em}
.mkf .soft{color:var(--jp-ui-font-color2,#57606a)}
.mkf .box{border-left:4px solid;padding:.35em .7em;margin:.3em 0;
background:var(--jp-layout-color2,#f3f4f6);overflow-wrap:anywhere}
.mkf .stop{border-color:#b35900}.mkf .note{border-color:#8c6d1f}.mkf .good{border-color:#1a7f37}
.mkf .bad{border-color:#c62828}.mkf .calm{border-color:#0072b2}
.mkf table{border-collapse:collapse;width:100%;font-size:13px}
.mkf th{text-align:left;font-weight:600;padding:2px 10px 2px 0;
border-bottom:1px solid var(--jp-border-color2,#d0d7de)}
.mkf td{padding:3px 10px 3px 0;vertical-align:top;overflow-wrap:anywhere}
.mkf td.n,.mkf th.n{text-align:right;white-space:nowrap}
.mkf .under,.mkf-under{margin-left:9.3em}
.mkf td.k{white-space:nowrap}.mkf td.k progress{width:6em}.mkf table.files{width:auto}
.mkf progress{width:9em;height:.9em;accent-color:#0072b2;vertical-align:middle}
.mkf pre span{display:block}.mkf pre .d1{padding-left:2ch}.mkf pre .d2{padding-left:4ch}
.mkf .columns,.mkf-fetch-builds select{font-family:var(--jp-code-font-family,monospace);font-size:12px}
.mkf .columns{white-space:pre;overflow:hidden;padding-left:3px}
.mkf .widget-html-content{line-height:1.5}
.mkf .grid{overflow:auto;max-height:32em}
.mkf .grid td,.mkf .grid th{white-space:nowrap}
.mkf pre,.mkf code{font-family:var(--jp-code-font-family,monospace)}
.mkf pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:12px;
max-height:20em;overflow:auto;margin:.3em 0}
.mkf .long progress{width:min(60%,30em)}
.mkf .wide{overflow-x:auto}
</style>"""


def escape(text: Any) -> str:
    """Escape a word for HTML, and keep its writing direction to itself.

    Examples
    --------
    >>> escape("<script>")
    '<bdi>&lt;script&gt;</bdi>'
    """
    return f"<bdi>{html.escape(str(text))}</bdi>"


def markup(template: str, *words: Any) -> str:
    """Fill escaped words into a template of ours.

    Examples
    --------
    >>> markup("<b>{}</b>", "a & b")
    '<b><bdi>a &amp; b</bdi></b>'
    """
    return template.format(*(escape(word) for word in words))


def items(words: Iterable[Any]) -> str:
    """A list of escaped sentences; nothing for none."""
    lines = "".join(f"<li>{escape(word)}</li>" for word in words)
    return f"<ul>{lines}</ul>" if lines else ""


def bar(done: float | None, total: float, name: str) -> str:
    """A native progress bar; without a value while nothing is known."""
    value = "" if done is None else f' value="{done:g}"'
    return f'<progress max="{total:g}"{value} aria-label="{html.escape(name)}"></progress>'


def column(*children: Any, **layout: Any) -> Any:
    """Widgets below each other."""
    return w.VBox(list(children), layout=w.Layout(width="100%", **layout))


def row(*children: Any, under: bool = False) -> Any:
    """Widgets beside each other, from the left or under the controls; they wrap where it is narrow."""
    made = w.HBox(list(children), layout=w.Layout(flex_flow="row wrap", align_items="center"))
    if under:
        made.add_class("mkf-under")
    return made


def section(title: str) -> Any:
    """A heading."""
    return text(f"<h4>{html.escape(title)}</h4>")


def text(value: str = "", name: str = "") -> Any:
    """Markup of ours; every foreign word in it has gone through `escape`."""
    shown = w.HTML(layout=w.Layout(width="100%", margin="0"))
    shown.add_class("mkf")
    if name:
        shown.add_class(f"mkf-{name}")
    shown.value = value
    return shown


def field(kind: Any, description: str, name: str, **traits: Any) -> Any:
    """A control with a written label and a class to find it by."""
    layout = w.Layout(width="calc(100% - 8px)", max_width=WIDTH)
    made = kind(description=description, style=dict(_LABEL), layout=layout, **traits)
    made.add_class(f"mkf-{name}")
    return made


def button(description: str, name: str, tooltip: str, style: str = "") -> Any:
    """A button with words, never an icon alone."""
    made = w.Button(
        description=description, tooltip=tooltip, button_style=style, layout=w.Layout(width="auto")
    )
    made.add_class(f"mkf-{name}")
    return made


class Form(w.VBox):  # type: ignore[misc]
    """A form: widgets of one model, its error area, and the worker that does its slow steps.

    Parameters
    ----------
    model : Model
        The mind.
    worker : Worker, optional
        Its thread; parts of a form share the one of the whole.
    """

    def __init__(self, model: Any, worker: Worker | None = None) -> None:
        super().__init__(layout=w.Layout(width="100%", max_width="820px"))
        self.add_class("mkf-form")
        self.model, self.worker = model, worker or Worker()
        # Of each thread: the worker fills widgets while a person may use others.
        self._filling = threading.local()
        self._observed: list[tuple[Model, Callable[[Any], None], list[str]]] = []
        self._trouble, self._busy = text(name="trouble"), text(name="busy")
        self.on(model, ["trouble", "trace"], self._show_trouble)
        self.on(model, ["busy"], self._show_busy)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of mkframe: run the cell again where it is not shown>"

    def close(self) -> None:
        """End the form and its thread; builds go on."""
        for model, render, names in self._observed:
            model.unobserve(render, names)
        self._observed = []
        self.worker.close()
        super().close()

    @property
    def footer(self) -> tuple[Any, Any]:
        """What goes on, and what went wrong."""
        return self._busy, self._trouble

    # --- from model to widgets ------------------------------------------------------------------------

    def on(self, model: Model, names: Sequence[str], render: Callable[[], None]) -> None:
        """Show traits now, and whenever they change."""

        def rendered(_: Any) -> None:
            with self.guarded("Showing this form"):
                render()

        model.observe(rendered, list(names))
        self._observed.append((model, rendered, list(names)))
        rendered(None)

    def link(self, widget: Any, trait: str, options: str = "", nothing: str = "", model: Any = None) -> None:
        """Keep a widget's value and a trait equal, in both directions; its options too."""
        mind = self.model if model is None else model

        def show() -> None:
            with self._filled():
                if options:
                    first = [(nothing, widget.mkf_nothing)] if nothing else []
                    widget.options = [*first, *getattr(mind, options)]
                value = getattr(mind, trait)
                if options or widget.value != value:
                    _set_value(widget, value)

        def passed(change: Any) -> None:
            if not self.is_filling:
                with self.guarded(f"Taking {widget.description or trait}"):
                    setattr(mind, trait, change["new"])

        widget.mkf_nothing = "" if trait == "folder" else None
        self.on(mind, [trait, *([options] if options else [])], show)
        widget.observe(passed, "value")

    def press(self, pressed: Any, act: Callable[[], Any], allowed: Callable[[], bool] | None = None) -> None:
        """Let a button do something; it is disabled before anything else happens."""
        may = allowed or (lambda: True)

        def click(_: Any) -> None:
            pressed.disabled = True
            try:
                with self.guarded(pressed.description):
                    act()
            finally:
                pressed.disabled = not may()

        pressed.on_click(click)

    @contextlib.contextmanager
    def guarded(self, what: str) -> Iterator[None]:
        """Show and log what goes wrong: a widget's callback would swallow it."""
        try:
            yield
        except Exception as error:
            self.model.fail(what, error)

    @contextlib.contextmanager
    def _filled(self) -> Iterator[None]:
        before = self.is_filling
        self._filling.now = True
        try:
            yield
        finally:
            self._filling.now = before

    @property
    def is_filling(self) -> bool:
        """Whether this thread is showing traits, so that a change of a widget is not a person's."""
        return bool(getattr(self._filling, "now", False))

    def _show_trouble(self) -> None:
        trace = markup("<details><summary>Traceback</summary><pre>{}</pre></details>", self.model.trace)
        said = markup('<div class="box bad" role="alert"><b>✖ Error.</b> {}', self.model.trouble)
        self._trouble.value = f"{said}{trace if self.model.trace else ''}</div>" if self.model.trouble else ""

    def _show_busy(self) -> None:
        said = markup('<p class="soft" role="status">↻ {}</p>', self.model.busy)
        self._busy.value = said if self.model.busy else ""


def _set_value(widget: Any, value: Any) -> None:
    """Set a value; a list with new options takes None for "nothing is chosen", not for its first option."""
    if value is None and hasattr(widget, "options") and widget.options:
        widget.index = 0
    else:
        widget.value = value


def heading(title: str, words: str = "") -> Any:
    """The head of a form, which brings the looks of all."""
    return text(
        f"{_CSS}<h3>{html.escape(title)}</h3>" + (markup('<p class="soft">{}</p>', words) if words else "")
    )
