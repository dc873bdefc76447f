"""A small document of headings, paragraphs, tables and figures, written out as markdown, HTML or plain text."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from pipelines.duration_prediction import document_style as style

# Gives the address under which a figure can be fetched: a file name, a data URI, or a mail's content id.
FigureSource = Callable[[str], str]
Tone = Literal["good", "bad", "note"]

MARKDOWN_SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\`*[]<>|"})
NUMBER = re.compile(r"(?:[-+]?[\d,.]+%?(?: to [-+]?[\d,.]+)?)?")


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    text: str
    strong: bool = False


@dataclass(frozen=True)
class Callout:
    """A sentence that nobody may miss, and whether it is good news, bad news or a warning."""

    text: str
    tone: Tone


@dataclass(frozen=True)
class Tiles:
    """A row of figures that are seen at a glance: what, how much, and a word on it."""

    tiles: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Table:
    """Cells as text; the first column names the row, columns of numbers are set flush right, one row may stand out."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: int | None = None

    @property
    def flush_right(self) -> tuple[bool, ...]:
        """For each column whether it holds numbers."""
        _, *others = zip(*self.rows, strict=True) if self.rows else self.columns
        return (False, *(bool("".join(cells)) and all(map(NUMBER.fullmatch, cells)) for cells in others))


@dataclass(frozen=True)
class Figure:
    """An image known by its name, and the sentence that says what to see in it; two narrow ones share a line."""

    name: str
    caption: str
    wide: bool = True


@dataclass(frozen=True)
class Preformatted:
    """Text whose lines and spaces are kept."""

    text: str


SHORT = 12
"""Characters."""

Block = Heading | Paragraph | Callout | Tiles | Table | Figure | Preformatted
Document = tuple[Block, ...]


def to_markdown(document: Document, source: FigureSource) -> str:
    """Markdown whose every line begins at the margin: an indented one would be shown as code."""
    return "\n\n".join(_markdown(block, source) for block in document) + "\n"


def to_html(document: Document, source: FigureSource) -> str:
    """A page that stands alone and that mail programs show: no style sheet, no script, nothing fetched."""
    title = next((block.text for block in document if isinstance(block, Heading)), "")
    lines = groupby(document, key=lambda block: isinstance(block, Figure) and not block.wide)
    body = "\n".join(_html_line([_html(block, source) for block in blocks], shared) for shared, blocks in lines)
    head = (
        '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title></head>"
    )
    inside = f'<div style="{style.SHEET}">\n{body}\n</div>'
    return f'<!DOCTYPE html>\n<html lang="en">\n{head}\n<body style="{style.PAGE}">\n{inside}\n</body>\n</html>\n'


def to_text(document: Document) -> str:
    """Plain text for readers of mail who want no HTML; figures are left to their captions."""
    return "\n\n".join(_text(block) for block in document) + "\n"


def _plainer(block: Block) -> Block:
    """Tiles as a table, where nothing can be set side by side."""
    return Table(("Figure", "Value", "Note"), block.tiles) if isinstance(block, Tiles) else block


def _markdown(block: Block, source: FigureSource) -> str:
    match block:
        case Heading(text, level):
            written = f"{'#' * level} {text.translate(MARKDOWN_SPECIAL)}"
        case Paragraph(text, strong):
            escaped = text.translate(MARKDOWN_SPECIAL)
            written = f"**{escaped}**" if strong else escaped
        case Callout(text):
            written = f"> **{text.translate(MARKDOWN_SPECIAL)}**"
        case Table():
            written = _markdown_table(block)
        case Tiles():
            written = _markdown(_plainer(block), source)
        case Figure(name, caption):
            written = f"![{caption.translate(MARKDOWN_SPECIAL)}]({source(name)})"
        case Preformatted(text):
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
            written = f"{fence}text\n{text}\n{fence}"
    return written


def _markdown_table(table: Table) -> str:
    rule = "|".join(" ---: " if right else " :--- " for right in table.flush_right)
    rows = (_markdown_row(row, number == table.marked) for number, row in enumerate(table.rows))
    return "\n".join([_markdown_row(table.columns), f"|{rule}|", *rows])


def _markdown_row(cells: tuple[str, ...], marked: bool = False) -> str:
    escaped = (cell.translate(MARKDOWN_SPECIAL) for cell in cells)
    return f"| {' | '.join(f'**{cell}**' if marked and cell else cell for cell in escaped)} |"


def _html_line(blocks: list[str], shared: bool) -> str:
    return f'<div style="{style.SHARED_LINE}">\n{"".join(blocks)}\n</div>' if shared else "\n".join(blocks)


def _html(block: Block, source: FigureSource) -> str:
    match block:
        case Tiles(tiles):
            return f'<div style="{style.TILES}">{"".join(map(_html_tile, tiles))}</div>'
        case Table():
            return _html_table(block)
        case Figure(name, caption, wide):
            text, address = html.escape(caption, quote=True), html.escape(source(name), quote=True)
            return (
                f'<div style="{style.WIDE_FIGURE if wide else style.NARROW_FIGURE}">'
                f'<img src="{address}" alt="{text}" style="{style.IMAGE}"><br>'
                f'<span style="{style.CAPTION}">{text}</span></div>'
            )
        case _:
            return _html_text(block)


def _html_text(block: Heading | Paragraph | Callout | Preformatted) -> str:
    text = html.escape(block.text)
    match block:
        case Heading(_, level):
            return f'<h{level} style="{style.HEADINGS[level]}">{text}</h{level}>'
        case Paragraph(_, strong):
            return f'<p style="{style.PARAGRAPH}">{f"<strong>{text}</strong>" if strong else text}</p>'
        case Callout(_, tone):
            return f'<p style="{style.CALLOUT};{style.TONES[tone]}">{text}</p>'
        case Preformatted():
            return f'<pre style="{style.PREFORMATTED}">{text}</pre>'


def _html_tile(tile: tuple[str, str, str]) -> str:
    label, value, note = map(html.escape, tile)
    return (
        f'<div style="{style.TILE}"><span style="{style.TILE_LABEL}">{label}</span><br>'
        f'<span style="{style.TILE_VALUE}">{value}</span><br><span style="{style.TILE_LABEL}">{note}</span></div>'
    )


def _html_table(table: Table) -> str:
    sides = ["right" if right else "left" for right in table.flush_right]
    lines = [_html_row(table.columns, sides, "th", style.HEAD_CELL)]
    for number, row in enumerate(table.rows):
        look = f"{style.CELL};{style.MARKED}" if number == table.marked else style.CELL
        lines.append(_html_row(row, sides, "td", look))
    return f'<table style="{style.TABLE}">\n' + "\n".join(lines) + "\n</table>"


def _html_row(cells: tuple[str, ...], sides: list[str], tag: str, look: str) -> str:
    styled = zip(sides, cells, strict=True)
    row = "".join(f'<{tag} style="{look};{_place(cell, side)}">{html.escape(cell)}</{tag}>' for side, cell in styled)
    return f"<tr>{row}</tr>"


def _place(cell: str, side: str) -> str:
    """Where a cell's text stands; a short one, such as a month, is never broken on a narrow screen."""
    return f"{'white-space:nowrap;' if len(cell) <= SHORT else ''}text-align:{side}"


def _text(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{text}\n{('=' if level == 1 else '-') * len(text)}"
        case Callout(text):
            return f"*** {text}"
        case Table():
            return _text_table(block)
        case Figure(_, caption):
            return f"[Figure: {caption}]"
        case Tiles():
            return _text(_plainer(block))
        case _:
            return block.text


def _text_table(table: Table) -> str:
    widths = [max(map(len, column)) for column in zip(table.columns, *table.rows, strict=True)]
    align = [str.rjust if right else str.ljust for right in table.flush_right]
    return "\n".join(
        "  ".join(put(cell, width) for put, cell, width in zip(align, row, widths, strict=True)).rstrip()
        for row in (table.columns, *table.rows)
    )
