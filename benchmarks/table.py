"""What the benchmarks printed, as a table for a terminal and as the page ``docs/benchmarks.md``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

Document = dict[str, Any]

WIDTHS = {"met": 4, "ours": 11, "target": 9, "bare": 13, "Prefect": 11, "times": 16}
"""The headings, and how much room a terminal gives what stands under them."""

PAGE = """# Benchmarks

What this project promises, measured. `make bench` measures it anew on any machine; where `PEER_PYTHON` names the Python
of an environment that holds Prefect, every program runs on Prefect as well. This page is printed by
`python -m benchmarks.run --markdown`, not written by hand.

{table}

Taken on {machine}. Medians of {runs} runs. {load}

## How to read it

- Each figure comes from a program of a page or less in `benchmarks/programs/`. The same file runs on Prefect with
  `prefect` for `orchestration` in its import, and on bare Python with decorators that do nothing (for submitted tasks,
  with the standard library's thread pool).
- Every run is a process of its own in a clean environment; ours, bare Python and Prefect take turns, so that whatever
  else the machine does meets them alike. *Times* is how many times as much Prefect needs: the median of the ratios
  within a round.
- A task's cost is (time of 2,000 - time of 1,000) / 1,000 in one process (the median of five such pairs; Prefect, whose
  pair takes half a minute or more, runs one). It includes its states and log line being in the store: before anything
  is measured, a flow is run whose rows another connection counts at the moment when the flow returns. Prefect's time
  ends when the flow returns, whatever is still on its way to its server then.
- *Over bare Python* and *over the bare loop* mean that the time of bare Python in the same round is taken off.
- Nothing here fails a test: a time taken on a busy machine is no verdict. *Met* says how it was on this one.
"""


def terminal_heading() -> str:
    """The heading of the table on a terminal."""
    return "".join(f"{heading:>{width}}" for heading, width in WIDTHS.items()) + "  what"


def terminal_lines(document: Document) -> Iterator[str]:
    """The lines of one benchmark on a terminal."""
    for measure in measures(document):
        row = zip(cells(measure), WIDTHS.values(), strict=True)
        yield "".join(f"{cell:>{width}}" for cell, width in row) + f"  {measure['what']}"


def page(documents: Sequence[Document]) -> str:
    """All benchmarks as a page of Markdown.

    Raises:
        ValueError: there are none.
    """
    if not documents:
        raise ValueError("There are no figures to make a page of; run the benchmarks, or name a file of their lines.")
    heading = f"| what | {' | '.join(WIDTHS)} |\n|---|{'---|' * len(WIDTHS)}"
    every = [measure for document in documents for measure in measures(document)]
    rows = [f"| {measure['what']} | {' | '.join(cells(measure))} |" for measure in every]
    machine = documents[0]["machine"]
    peer = f", Prefect {machine['prefect']}" if "prefect" in machine else ""
    place = f"{machine['cores']} cores of {machine['cpu']}, {machine['system']}, Python {machine['python']}{peer}"
    return PAGE.format(
        table="\n".join([heading, *rows]), machine=place, runs=documents[0]["runs"], load=load_told(documents)
    )


def load_told(documents: Sequence[Document]) -> str:
    """How busy the machine was meanwhile, in a sentence."""
    loads, cores = [document["machine"]["load"] for document in documents], documents[0]["machine"]["cores"]
    told = f"The machine's load meanwhile was {min(loads):.1f} to {max(loads):.1f} on its {cores} cores"
    busy = "other work slowed everything down, Prefect, with its server beside the script, more than a single process"
    return f"{told}: {busy}." if max(loads) > cores else f"{told}."


def measures(document: Document) -> list[Document]:
    """All measures of a benchmark."""
    return [document, *document.get("also", ())]


def cells(measure: Document) -> list[str]:
    """One measure under the headings."""
    unit, reach = measure["unit"], measure.get("target_ratio")
    ratio = f"{float(format(measure['ratio'], '.3g')):,g} x" if measure.get("ratio") else ""
    return [
        {True: "yes", False: "NO", None: ""}[measure["met"]],
        quantity(measure["ours"], unit),
        quantity(measure["target"], unit),
        quantity(measure["bare"], unit),
        quantity(measure.get("peer"), unit),
        f"{ratio} (>= {reach:g})" if ratio and reach else ratio,
    ]


def quantity(value: float | None, unit: str) -> str:
    """A figure with its unit, without an exponent; empty when there is none."""
    if value is None:
        return ""
    text = f"{value:.3g}"
    return f"{float(text):.6f}".rstrip("0").rstrip(".") + f" {unit}" if "e" in text else f"{text} {unit}"
