ALTER TABLE deployment_schedule ADD COLUMN catchup TEXT;
ALTER TABLE deployment_schedule ADD COLUMN max_lateness DOUBLE PRECISION;
ALTER TABLE deployment_schedule ADD COLUMN overlap TEXT;
ALTER TABLE deployment_schedule ADD COLUMN planned BIGINT;
ALTER TABLE deployment_schedule ADD COLUMN replan BIGINT NOT NULL DEFAULT 0;
CREATE INDEX deployment_schedule_by_replan ON deployment_schedule (active, replan);
ALTER TABLE flow_run ADD COLUMN schedule_id TEXT;
CREATE INDEX flow_run_by_schedule ON flow_run (schedule_id, state_type) WHERE schedule_id IS NOT NULL;
CREATE TABLE run_claim (
    id TEXT PRIMARY KEY,
    flow_run_id TEXT NOT NULL UNIQUE,
    holder TEXT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX run_claim_by_end ON run_claim (expires);
