"""Names that people can say: an adjective and an animal for each flow run."""

from pathlib import Path

ADJECTIVES, ANIMALS = (
    tuple(words.split()) for words in Path(__file__).with_name("names.txt").read_text(encoding="ascii").split("\n\n")
)


def run_name(random: int) -> str:
    """The name, such as ``light-boar``, that a random whole number picks (about 34,000 different ones)."""
    pick, adjective = divmod(random, len(ADJECTIVES))
    return f"{ADJECTIVES[adjective]}-{ANIMALS[pick % len(ANIMALS)]}"
