"""``orchestrate flow``."""

from orchestration.cli.kinds import Kind, group
from orchestration.cli.output import Column

KIND = Kind(
    "flows",
    "flow",
    (Column("ID", "id", "exact"), Column("Name", "name"), Column("Tags", "tags"), Column("Created", "created", "time")),
    sort="CREATED_DESC",
)
app = group(KIND, "ls inspect", "List flows.")
