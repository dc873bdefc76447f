"""The rules of orchestration as pure values: no input, no output, no clock."""
