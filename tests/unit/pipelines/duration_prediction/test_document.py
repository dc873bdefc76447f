"""One document, three ways to write it down."""

from pipelines.duration_prediction.document import (
    Document,
    Figure,
    Heading,
    Paragraph,
    Preformatted,
    Table,
    to_html,
    to_markdown,
    to_text,
)

DOCUMENT: Document = (
    Heading("Report", 1),
    Paragraph("All <well> & *good*."),
    Paragraph("Mind this.", strong=True),
    Heading("Figures"),
    Table(("Model", "RMSE", "Note"), (("ours", "5.39", "a|b"), ("theirs", "-12.10", "none"))),
    Figure("residuals", 'Off by "minutes".'),
    Preformatted("a  <b>\n```"),
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
        "````text\na  <b>\n```\n````\n"
    )


def test_no_line_of_markdown_is_indented() -> None:
    assert not any(line.startswith((" ", "\t")) for line in to_markdown(DOCUMENT, str).splitlines())


def test_html_escapes_its_text_and_fetches_nothing() -> None:
    page = to_html(DOCUMENT, lambda name: f"cid:{name}")
    assert "<title>Report</title>" in page
    assert "<p>All &lt;well&gt; &amp; *good*.</p>" in page
    assert "<p><strong>Mind this.</strong></p>" in page
    assert '<img src="cid:residuals" alt="Off by &quot;minutes&quot;."' in page
    assert '<pre style="white-space:pre-wrap">a  &lt;b&gt;\n```</pre>' in page
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
    assert '[Figure: Off by "minutes".]\n\na  <b>\n```\n' in text


def test_a_table_without_rows_is_still_a_table() -> None:
    empty: Document = (Table(("Model", "RMSE"), ()),)
    assert to_markdown(empty, str) == "| Model | RMSE |\n| :--- | :--- |\n"
    assert to_text(empty) == "Model  RMSE\n"
    assert "<th" in to_html(empty, str)
