"""``orchestrate flow``."""

from orchestration.cli.kinds import Kind, group
from orchestration.cli.output import columns

COLUMNS = columns("ID id exact", "Name name text", "Tags tags text", "Created created time")
app = group(Kind("flows", "flow", COLUMNS, sort="CREATED_DESC"), "List flows.", "ls inspect")
