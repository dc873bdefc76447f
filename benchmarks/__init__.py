"""What this project promises, measured: one script a claim, beside bare Python and, where it is installed, Prefect."""
