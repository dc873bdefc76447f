"""One document, three ways to write it down."""

from pipelines.duration_prediction.document import (
    Callout,
    Document,
    Figure,
    Heading,
    Paragraph,
    Preformatted,
    Table,
    Tiles,
    to_html,
    to_markdown,
    to_text,
)
from pipelines.duration_prediction.document_style import MARKED, NARROW_FIGURE, SHARED_LINE

DOCUMENT: Document = (
    Heading("Report", 1),
    Paragraph("All <well> & *good*."),
    Paragraph("Mind this.", strong=True),
    Heading("Figures"),
    Table(("Model", "RMSE", "Note"), (("ours", "5.39", "a|b"), ("theirs", "-12.10", "none"))),
    Figure("residuals", 'Off by "minutes".'),
    Preformatted("a  <b>\n```"),
    Callout("Worth <it>.", "good"),
    Tiles((("RMSE", "5.13", "minutes"),)),
)


def test_markdown() -> None:
    assert to_markdown(DOCUMENT, lambda name: f"{name}.png") == (
        "# Report\n\n"
        "All \\<well\\> & \\*good\\*.\n\n"
        "**Mind this.**\n\n"
        "## Figures\n\n"
        "| Model | RMSE | Note |\n"
        "| :--- | ---: | :--- |\n"
        "| ours | 5.39 | a\\|b |\n"
        "| theirs | -12.10 | none |\n\n"
        '![Off by "minutes".](residuals.png)\n\n'
        "````text\na  <b>\n```\n````\n\n"
        "> **Worth \\<it\\>.**\n\n"
        "| Figure | Value | Note |\n"
        "| :--- | ---: | :--- |\n"
        "| RMSE | 5.13 | minutes |\n"
    )


def test_no_line_of_markdown_is_indented() -> None:
    assert not any(line.startswith((" ", "\t")) for line in to_markdown(DOCUMENT, str).splitlines())


def test_html_escapes_its_text_and_fetches_nothing() -> None:
    page = to_html(DOCUMENT, lambda name: f"cid:{name}")
    assert "<title>Report</title>" in page
    assert ">All &lt;well&gt; &amp; *good*.</p>" in page
    assert "<strong>Mind this.</strong></p>" in page
    assert ">Worth &lt;it&gt;.</p>" in page
    assert '<img src="cid:residuals" alt="Off by &quot;minutes&quot;."' in page
    assert ">a  &lt;b&gt;\n```</pre>" in page
    assert "http" not in page
    assert "<script" not in page


def test_html_sets_numbers_flush_right() -> None:
    page = to_html(DOCUMENT, str)
    assert 'text-align:right">5.39</td>' in page
    assert 'text-align:left">a|b</td>' in page
    assert 'text-align:right">RMSE</th>' in page


def test_text_lines_its_columns_up() -> None:
    text = to_text(DOCUMENT)
    assert "Report\n======\n\n" in text
    assert "Figures\n-------\n\n" in text
    assert "Model     RMSE  Note\nours      5.39  a|b\ntheirs  -12.10  none\n" in text
    assert '[Figure: Off by "minutes".]\n\na  <b>\n```\n\n*** Worth <it>.\n\nFigure  Value  Note\n' in text


def test_a_table_without_rows_is_still_a_table() -> None:
    empty: Document = (Table(("Model", "RMSE"), ()),)
    assert to_markdown(empty, str) == "| Model | RMSE |\n| :--- | :--- |\n"
    assert to_text(empty) == "Model  RMSE\n"
    assert "<th" in to_html(empty, str)


def test_a_row_that_stands_out_does_so_in_every_form_that_can() -> None:
    table: Document = (Table(("Model", "RMSE"), (("ours", "5.39"), ("theirs", "")), marked=0),)
    assert "| **ours** | **5.39** |\n| theirs |  |" in to_markdown(table, str)
    page = to_html(table, str)
    assert page.count(MARKED) == 2
    assert 'text-align:right"></td>' in page


def test_narrow_figures_share_a_line() -> None:
    narrow: Document = (Figure("a", "A", wide=False), Figure("b", "B", wide=False), Figure("c", "C"))
    page = to_html(narrow, str)
    assert page.count(NARROW_FIGURE) == 2
    assert page.count(SHARED_LINE) == 1
    assert page.index('alt="B"') < page.index("</div>\n</div>") < page.index('alt="C"')
