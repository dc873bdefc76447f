"""What the job's flows share of the engine and the blocks: the bucket's months, the mails, and the store of runs."""
