"""A small document of headings, paragraphs, tables, figures and logs, written out as markdown, HTML or plain text."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass

# Gives the address under which a figure can be fetched: a file name, a data URI, or a mail's content id.
FigureSource = Callable[[str], str]

MARKDOWN_SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\`*[]<>|"})
NUMBER_STARTS = tuple("-0123456789")
PAGE_STYLE = "font-family:sans-serif;max-width:48em;margin:1em auto;padding:0 1em"
CELL_STYLE = "padding:4px 12px;border-bottom:1px solid #d9d9d9"


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    text: str
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """Cells as text; the first column names the row, and columns of numbers are set flush right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def flush_right(self) -> tuple[bool, ...]:
        """For each column whether it holds numbers."""
        _, *others = zip(*self.rows, strict=True) if self.rows else self.columns
        return (False, *(all(cell[:1] in NUMBER_STARTS for cell in cells) for cells in others))


@dataclass(frozen=True)
class Figure:
    """An image known by its name, and the sentence that says what to see in it."""

    name: str
    caption: str


@dataclass(frozen=True)
class Preformatted:
    """Text whose lines and spaces are kept."""

    text: str


Block = Heading | Paragraph | Table | Figure | Preformatted
Document = tuple[Block, ...]


def to_markdown(document: Document, source: FigureSource) -> str:
    """Markdown whose every line begins at the margin: an indented one would be shown as code."""
    return "\n\n".join(_markdown(block, source) for block in document) + "\n"


def to_html(document: Document, source: FigureSource) -> str:
    """A page that stands alone and that mail programs show: no style sheet, no script, nothing fetched."""
    title = next((block.text for block in document if isinstance(block, Heading)), "")
    body = "\n".join(_html(block, source) for block in document)
    head = f'<head><meta charset="utf-8"><title>{html.escape(title)}</title></head>'
    return f'<!DOCTYPE html>\n<html lang="en">\n{head}\n<body style="{PAGE_STYLE}">\n{body}\n</body>\n</html>\n'


def to_text(document: Document) -> str:
    """Plain text for readers of mail who want no HTML; figures are left to their captions."""
    return "\n\n".join(_text(block) for block in document) + "\n"


def _markdown(block: Block, source: FigureSource) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text.translate(MARKDOWN_SPECIAL)}"
        case Paragraph(text, strong):
            escaped = text.translate(MARKDOWN_SPECIAL)
            return f"**{escaped}**" if strong else escaped
        case Table(columns, rows):
            rule = "|".join(" ---: " if right else " :--- " for right in block.flush_right)
            return "\n".join([_markdown_row(columns), f"|{rule}|", *map(_markdown_row, rows)])
        case Figure(name, caption):
            return f"![{caption.translate(MARKDOWN_SPECIAL)}]({source(name)})"
        case Preformatted(text):
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
            return f"{fence}text\n{text}\n{fence}"


def _markdown_row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.translate(MARKDOWN_SPECIAL) for cell in cells)} |"


def _html(block: Block, source: FigureSource) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{html.escape(text)}</h{level}>"
        case Paragraph(text, strong):
            return f"<p><strong>{html.escape(text)}</strong></p>" if strong else f"<p>{html.escape(text)}</p>"
        case Table(columns, rows):
            sides = ["right" if right else "left" for right in block.flush_right]
            lines = [_html_row(columns, sides, "th"), *(_html_row(row, sides, "td") for row in rows)]
            return '<table style="border-collapse:collapse">\n' + "\n".join(lines) + "\n</table>"
        case Figure(name, caption):
            text = html.escape(caption, quote=True)
            return f'<p><img src="{html.escape(source(name), quote=True)}" alt="{text}" style="max-width:100%"></p>'
        case Preformatted(text):
            return f'<pre style="white-space:pre-wrap">{html.escape(text)}</pre>'


def _html_row(cells: tuple[str, ...], sides: list[str], tag: str) -> str:
    styled = zip(sides, cells, strict=True)
    row = "".join(f'<{tag} style="{CELL_STYLE};text-align:{side}">{html.escape(cell)}</{tag}>' for side, cell in styled)
    return f"<tr>{row}</tr>"


def _text(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{text}\n{('=' if level == 1 else '-') * len(text)}"
        case Paragraph(text) | Preformatted(text):
            return text
        case Table(columns, rows):
            widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
            align = [str.rjust if right else str.ljust for right in block.flush_right]
            return "\n".join(
                "  ".join(put(cell, width) for put, cell, width in zip(align, row, widths, strict=True)).rstrip()
                for row in (columns, *rows)
            )
        case Figure(_, caption):
            return f"[Figure: {caption}]"
