ALTER TABLE flow ADD COLUMN updated BIGINT NOT NULL DEFAULT 0;
ALTER TABLE flow_run ADD COLUMN work_queue_id TEXT;
ALTER TABLE flow_run ADD COLUMN job_variables TEXT NOT NULL DEFAULT '{}';
ALTER TABLE flow_run ADD COLUMN infrastructure_pid TEXT;
ALTER TABLE flow_run ADD COLUMN auto_scheduled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE flow_run ADD COLUMN deployment_version TEXT;
ALTER TABLE flow_run ADD COLUMN created_by TEXT;
CREATE INDEX flow_run_by_first_time ON flow_run (COALESCE(start_time, expected_start_time, end_time), id);
CREATE INDEX flow_run_by_end ON flow_run (COALESCE(end_time, 0), id);
CREATE INDEX flow_run_by_name ON flow_run (name);
CREATE INDEX flow_run_by_deployment ON flow_run (deployment_id, state_type);
CREATE INDEX flow_run_by_queue ON flow_run (work_queue_id, state_type) WHERE work_queue_id IS NOT NULL;
CREATE INDEX flow_run_by_state_time ON flow_run (state_type, expected_start_time);
CREATE INDEX flow_run_by_state_first_time ON flow_run (state_type, COALESCE(start_time, expected_start_time, end_time));
CREATE INDEX task_run_by_state ON task_run (state_type, expected_start_time);
CREATE INDEX task_run_by_expected_start ON task_run (expected_start_time);
CREATE INDEX task_run_by_end ON task_run (COALESCE(end_time, 0), id);
CREATE INDEX task_run_by_name ON task_run (name);
DROP INDEX task_run_by_flow_run;
CREATE INDEX task_run_by_flow_run ON task_run (flow_run_id, expected_start_time, id);
CREATE INDEX log_by_time ON log (timestamp);
DROP INDEX log_by_flow_run;
CREATE INDEX log_by_flow_run ON log (flow_run_id, timestamp, sequence);
ALTER TABLE flow_run_input ADD COLUMN id TEXT;
CREATE TABLE deployment (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    flow_id TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    version TEXT,
    version_info TEXT,
    description TEXT,
    paused INTEGER NOT NULL DEFAULT 0,
    concurrency_limit INTEGER,
    concurrency_options TEXT,
    global_concurrency_limit_id TEXT,
    enforce_parameter_schema INTEGER NOT NULL DEFAULT 1,
    parameter_openapi_schema TEXT,
    parameters TEXT NOT NULL DEFAULT '{}',
    tags TEXT NOT NULL DEFAULT '[]',
    labels TEXT NOT NULL DEFAULT '{}',
    pull_steps TEXT,
    work_queue_id TEXT,
    path TEXT,
    entrypoint TEXT,
    job_variables TEXT NOT NULL DEFAULT '{}',
    storage_document_id TEXT,
    infrastructure_document_id TEXT,
    last_polled BIGINT,
    created_by TEXT,
    updated_by TEXT,
    UNIQUE (flow_id, name)
);
CREATE TABLE deployment_schedule (
    id TEXT PRIMARY KEY,
    deployment_id TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    schedule TEXT NOT NULL,
    active INTEGER NOT NULL DEFAULT 1,
    max_scheduled_runs INTEGER,
    parameters TEXT NOT NULL DEFAULT '{}',
    slug TEXT
);
CREATE INDEX deployment_schedule_by_deployment ON deployment_schedule (deployment_id);
CREATE TABLE work_pool (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    description TEXT,
    type TEXT NOT NULL,
    base_job_template TEXT NOT NULL DEFAULT '{}',
    is_paused INTEGER NOT NULL DEFAULT 0,
    concurrency_limit INTEGER,
    storage_configuration TEXT NOT NULL DEFAULT '{}',
    default_queue_id TEXT
);
CREATE TABLE work_queue (
    id TEXT PRIMARY KEY,
    work_pool_id TEXT NOT NULL,
    name TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    description TEXT,
    is_paused INTEGER NOT NULL DEFAULT 0,
    concurrency_limit INTEGER,
    priority INTEGER NOT NULL DEFAULT 1,
    last_polled BIGINT,
    filter TEXT,
    UNIQUE (work_pool_id, name)
);
CREATE TABLE worker (
    id TEXT PRIMARY KEY,
    work_pool_id TEXT NOT NULL,
    name TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    last_heartbeat_time BIGINT,
    heartbeat_interval_seconds INTEGER,
    UNIQUE (work_pool_id, name)
);
CREATE TABLE event (
    sequence {sequence},
    id TEXT NOT NULL UNIQUE,
    occurred BIGINT NOT NULL,
    received BIGINT NOT NULL,
    event TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    related TEXT NOT NULL DEFAULT '[]',
    payload TEXT NOT NULL DEFAULT '{}',
    follows TEXT
);
CREATE INDEX event_by_time ON event (occurred);
CREATE INDEX event_by_resource ON event (resource_id, occurred);
CREATE TABLE received_batch (
    id TEXT PRIMARY KEY,
    received BIGINT NOT NULL
);
CREATE TABLE api_key (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    revoked BIGINT
);
CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    created BIGINT NOT NULL,
    key_name TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    status INTEGER NOT NULL
);
CREATE INDEX audit_by_time ON audit (created);
CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
