"""Shared parts of all views: escaping, styles, callbacks whose errors are shown, and the error area."""

from __future__ import annotations

import contextlib
import html
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import ipywidgets as w

from mkframe.forms._worker import Worker
from mkframe.forms.models.base import Model
from mkframe.forms.models.offers import Offer

__all__ = ["NOTHING", "Form", "bar", "button", "column", "escape", "field", "focus", "heading", "items",
           "markup", "replace_children", "row", "save_links", "section", "text"]  # fmt: skip

WIDTH = "770px"
NOTHING = type("Nothing", (), {"__repr__": lambda self: "NOTHING"})()
"""The value of the option for nothing, such as “no release”. A value of None is shown as a blank field."""
_LABEL = {"description_width": "8.5em"}
_ARROW = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 18 18'%3E"
    "%3Cpath fill='%23767676' d='M5.2 5.9 9 9.7l3.8-3.8 1.2 1.2-4.9 5-4.9-5z'/%3E%3C/svg%3E"
)
"""The arrow of dropdowns, in a gray that can be seen on white and on black; that of ipywidgets is black."""
_CSS = """<style>
.mkf{font-size:13px;line-height:1.45;color:var(--jp-ui-font-color1,#1f2328)}
.mkf h3{margin:.2em 0 .1em;font-size:18px}
.mkf h4{margin:.9em 0 .2em;font-size:14px;
border-bottom:1px solid var(--jp-border-color2,#d0d7de);padding-bottom:2px}
.mkf a,.mkf a:hover{color:var(--jp-content-link-color,#0072b2);text-decoration:underline}
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
.mkf td.says{min-width:15em}
.mkf td.k{white-space:nowrap}.mkf td.k progress{width:6em}.mkf table.files{width:auto}
.mkf progress{width:9em;height:.9em;accent-color:#0072b2;vertical-align:middle}
.mkf pre .d0,.mkf pre .d1,.mkf pre .d2{display:block}
.mkf pre .d1{padding-left:2ch}.mkf pre .d2{padding-left:4ch}
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
.mkf-form{--jp-widgets-dropdown-arrow:url("ARROW")}
</style>""".replace("ARROW", _ARROW)


def escape(text: Any) -> str:
    """Escape a text for HTML, and isolate its writing direction from the text around it.

    Examples
    --------
    >>> escape("<script>")
    '<bdi>&lt;script&gt;</bdi>'
    """
    return f"<bdi>{html.escape(str(text))}</bdi>"


def markup(template: str, *texts: Any) -> str:
    """Insert escaped texts into a template.

    Examples
    --------
    >>> markup("<b>{}</b>", "a & b")
    '<b><bdi>a &amp; b</bdi></b>'
    """
    return template.format(*(escape(text) for text in texts))


def items(texts: Iterable[Any]) -> str:
    """Return a list of escaped sentences; an empty text if there are none."""
    lines = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul>{lines}</ul>" if lines else ""


def save_links(offers: Iterable[Offer], omitted: str = "") -> str:
    """Return links that contain files, so that the browser asks the server for nothing.

    Parameters
    ----------
    offers : iterable of Offer
        The files.
    omitted : str
        A sentence about the files that have no link.
    """
    links = "".join(
        f'<li><a download="{html.escape(offer.name, quote=True)}" href="{offer.url}">'
        + markup("Save {}</a></li>", offer.label)
        for offer in offers
    )
    if not links and not omitted:
        return ""
    more = markup('<p class="soft">{}</p>', omitted) if omitted else ""
    return f"<p>Save to my computer, where this browser runs:</p><ul>{links}</ul>{more}"


def bar(done: float | None, total: float, name: str) -> str:
    """Return a native progress bar; without a value if the progress is unknown."""
    value = "" if done is None else f' value="{done:g}"'
    return f'<progress max="{total:g}"{value} aria-label="{html.escape(name)}"></progress>'


def column(*children: Any, **layout: Any) -> Any:
    """Arrange widgets below each other."""
    return w.VBox(list(children), layout=w.Layout(width="100%", **layout))


def row(*children: Any, under: bool = False) -> Any:
    """Arrange widgets beside each other, from the left or below the controls; they wrap if necessary."""
    box = w.HBox(list(children), layout=w.Layout(flex_flow="row wrap", align_items="center"))
    if under:
        box.add_class("mkf-under")
    return box


def section(title: str) -> Any:
    """Return the heading of a section."""
    return text(f"<h4>{html.escape(title)}</h4>")


def text(value: str = "", name: str = "") -> Any:
    """Return a widget that shows HTML. Texts of the server must have gone through `escape`."""
    widget = w.HTML(layout=w.Layout(width="100%", margin="0"))
    widget.add_class("mkf")
    if name:
        widget.add_class(f"mkf-{name}")
    widget.value = value
    return widget


def field(kind: Any, description: str, name: str, **traits: Any) -> Any:
    """Return a control with a label and a CSS class."""
    layout = w.Layout(width="calc(100% - 8px)", max_width=WIDTH)
    control = kind(description=description, style=dict(_LABEL), layout=layout, **traits)
    control.add_class(f"mkf-{name}")
    return control


def button(description: str, name: str, tooltip: str, style: str = "") -> Any:
    """Return a button with a text, never with an icon only."""
    control = w.Button(
        description=description, tooltip=tooltip, button_style=style, layout=w.Layout(width="auto")
    )
    control.add_class(f"mkf-{name}")
    return control


def focus(control: Any) -> None:
    """Move the focus of the keyboard; ipywidgets 7 cannot, there it stays where it is."""
    if hasattr(control, "focus"):
        control.focus()


class Form(w.VBox):  # type: ignore[misc]
    """A form: widgets of one model, its error area, and the worker that executes its slow steps.

    Parameters
    ----------
    model : Model
        The model.
    worker : Worker, optional
        Its thread; parts of a form need none.
    """

    def __init__(self, model: Any, worker: Worker | None = None) -> None:
        super().__init__(layout=w.Layout(width="100%", max_width="820px"))
        self.add_class("mkf-form")
        self.model, self.worker = model, worker or Worker()
        # One per thread: the worker updates widgets while a person may use others.
        self._thread_state = threading.local()
        self._observers: list[tuple[Model, Callable[[Any], None], list[str]]] = []
        self._error, self._busy = text(name="error"), text(name="busy")
        self.on_change(model, ["error", "traceback"], self._show_error)
        self.on_change(model, ["busy"], self._show_busy)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of mkframe: run the cell again if it is not shown>"

    def close(self) -> None:
        """End the form and its thread; builds go on."""
        for model, render, names in self._observers:
            model.unobserve(render, names)
        self._observers = []
        self.worker.close()
        super().close()

    @property
    def footer(self) -> tuple[Any, Any]:
        """Widgets for the step that is being executed and for the last error."""
        return self._busy, self._error

    # --- from model to widgets ------------------------------------------------------------------------

    def on_change(self, model: Model, names: Sequence[str], render: Callable[[], None]) -> None:
        """Render traits now, and whenever they change."""
        shown = ""

        def callback(_: Any) -> None:
            nonlocal shown
            try:
                render()
            except Exception as error:
                self.model.show_error("Showing this form", error)
                shown = self.model.error
                return
            if shown and self.model.error == shown:  # it was of an earlier rendering, and this one works
                self.model.error = self.model.traceback = ""
            shown = ""

        model.observe(callback, list(names))
        self._observers.append((model, callback, list(names)))
        callback(None)

    def link(self, widget: Any, trait: str, options: str = "", nothing: str = "", model: Any = None) -> None:
        """Keep a widget's value and a trait equal, in both directions; its options too."""
        source = self.model if model is None else model

        def show() -> None:
            with self.updating():
                if options:
                    first = [(nothing, NOTHING)] if nothing else []
                    widget.options = [*first, *getattr(source, options)]
                value = getattr(source, trait)
                value = NOTHING if nothing and value == none else value
                if options or widget.value != value:
                    widget.value = value

        def take(change: Any) -> None:
            if not self.is_updating:
                with self.show_errors(f"Taking {widget.description or trait}"):
                    setattr(source, trait, none if change["new"] is NOTHING else change["new"])

        none = source.traits()[trait].default_value
        self.on_change(source, [trait, *([options] if options else [])], show)
        widget.observe(take, "value")

    def on_click(
        self,
        button: Any,
        action: Callable[[], Any],
        is_enabled: Callable[[], bool] | None = None,
        then: Any = None,
    ) -> None:
        """Call a function when a button is clicked; first of all the button is disabled.

        A disabled button loses the focus. It gets it back once it is enabled, or else `then` gets it.
        """

        def click(_: Any) -> None:
            button.disabled = True
            try:
                with self.show_errors(button.description):
                    action()
            finally:
                button.disabled = not (is_enabled is None or is_enabled())
                if not button.disabled:
                    focus(button)
                elif then is not None:
                    focus(then)

        button.on_click(click)

    @contextlib.contextmanager
    def show_errors(self, what: str) -> Iterator[None]:
        """Show and log errors of a block: ipywidgets would hide those of a callback."""
        try:
            yield
        except Exception as error:
            self.model.show_error(what, error)

    @contextlib.contextmanager
    def updating(self) -> Iterator[None]:
        """Mark changes of widgets by this thread as made by the form, not by a person."""
        before = self.is_updating
        self._thread_state.now = True
        try:
            yield
        finally:
            self._thread_state.now = before

    @property
    def is_updating(self) -> bool:
        """Whether this thread updates widgets, so that their changes are not made by a person."""
        return bool(getattr(self._thread_state, "now", False))

    def _show_error(self) -> None:
        trace = markup("<details><summary>Traceback</summary><pre>{}</pre></details>", self.model.traceback)
        box = markup('<div class="box bad" role="alert"><b>✖ Error.</b> {}', self.model.error)
        self._error.value = f"{box}{trace if self.model.traceback else ''}</div>" if self.model.error else ""

    def _show_busy(self) -> None:
        line = markup('<p class="soft" role="status">↻ {}</p>', self.model.busy)
        self._busy.value = line if self.model.busy else ""


def replace_children(box: Any, children: list[Any]) -> None:
    """Put other widgets into a box, and close those that were there."""
    before, box.children = box.children, tuple(children)
    for child in before:
        child.close()


def heading(title: str, subtitle: str = "") -> Any:
    """Return the heading of a form, with the styles of all its widgets."""
    return text(
        f"{_CSS}<h3>{html.escape(title)}</h3>"
        + (markup('<p class="soft">{}</p>', subtitle) if subtitle else "")
    )
