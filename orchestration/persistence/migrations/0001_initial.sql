CREATE TABLE flow (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created BIGINT NOT NULL,
    tags TEXT NOT NULL DEFAULT '[]',
    labels TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE flow_run (
    id TEXT PRIMARY KEY,
    flow_id TEXT NOT NULL,
    name TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    flow_version TEXT,
    deployment_id TEXT,
    parameters TEXT NOT NULL DEFAULT '{}',
    context TEXT NOT NULL DEFAULT '{}',
    policy TEXT NOT NULL DEFAULT '{}',
    tags TEXT NOT NULL DEFAULT '[]',
    labels TEXT NOT NULL DEFAULT '{}',
    idempotency_key TEXT,
    parent_task_run_id TEXT,
    state_id TEXT,
    state_type TEXT,
    state_name TEXT,
    state_timestamp BIGINT,
    run_count INTEGER NOT NULL DEFAULT 0,
    expected_start_time BIGINT,
    start_time BIGINT,
    end_time BIGINT,
    total_run_time BIGINT NOT NULL DEFAULT 0,
    owner_host TEXT,
    owner_boot TEXT,
    owner_pid INTEGER,
    owner_started TEXT,
    UNIQUE (flow_id, idempotency_key)
);
CREATE INDEX flow_run_by_state ON flow_run (state_type, owner_host);
CREATE INDEX flow_run_by_start ON flow_run (start_time);
CREATE INDEX flow_run_by_expected_start ON flow_run (expected_start_time);
CREATE INDEX flow_run_by_parent ON flow_run (parent_task_run_id);
CREATE TABLE flow_run_state (
    id TEXT PRIMARY KEY,
    flow_run_id TEXT NOT NULL,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    message TEXT,
    timestamp BIGINT NOT NULL,
    details TEXT,
    data TEXT
);
CREATE INDEX flow_run_state_by_run ON flow_run_state (flow_run_id, timestamp);
CREATE TABLE task_run (
    id TEXT PRIMARY KEY,
    flow_run_id TEXT,
    name TEXT NOT NULL,
    task_key TEXT NOT NULL,
    dynamic_key TEXT NOT NULL,
    created BIGINT NOT NULL,
    task_version TEXT,
    cache_key TEXT,
    policy TEXT,
    tags TEXT,
    labels TEXT,
    task_inputs TEXT,
    state_id TEXT,
    state_type TEXT,
    state_name TEXT,
    state_timestamp BIGINT,
    run_count INTEGER NOT NULL DEFAULT 0,
    flow_run_run_count INTEGER NOT NULL DEFAULT 0,
    expected_start_time BIGINT,
    start_time BIGINT,
    end_time BIGINT,
    total_run_time BIGINT NOT NULL DEFAULT 0,
    owner TEXT,
    history TEXT NOT NULL DEFAULT ''
);
CREATE INDEX task_run_by_flow_run ON task_run (flow_run_id);
CREATE INDEX task_run_by_owner ON task_run (owner) WHERE owner IS NOT NULL;
CREATE TABLE log (
    sequence {sequence},
    name TEXT NOT NULL,
    level INTEGER NOT NULL,
    message TEXT NOT NULL,
    timestamp BIGINT NOT NULL,
    flow_run_id TEXT,
    task_run_id TEXT
);
CREATE INDEX log_by_flow_run ON log (flow_run_id, sequence);
CREATE INDEX log_by_task_run ON log (task_run_id, sequence) WHERE task_run_id IS NOT NULL;
CREATE TABLE artifact (
    id TEXT PRIMARY KEY,
    key TEXT,
    type TEXT,
    description TEXT,
    data TEXT,
    metadata TEXT,
    flow_run_id TEXT,
    task_run_id TEXT,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
);
CREATE INDEX artifact_by_key ON artifact (key, created);
CREATE INDEX artifact_by_flow_run ON artifact (flow_run_id);
CREATE TABLE artifact_collection (
    key TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    latest_id TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
);
CREATE TABLE variable (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    value TEXT NOT NULL,
    tags TEXT NOT NULL DEFAULT '[]',
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
);
CREATE TABLE block_type (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    slug TEXT NOT NULL UNIQUE,
    logo_url TEXT,
    documentation_url TEXT,
    description TEXT,
    code_example TEXT,
    is_protected INTEGER NOT NULL DEFAULT 0,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
);
CREATE TABLE block_schema (
    id TEXT PRIMARY KEY,
    checksum TEXT NOT NULL,
    fields TEXT NOT NULL,
    block_type_id TEXT NOT NULL,
    capabilities TEXT NOT NULL DEFAULT '[]',
    version TEXT NOT NULL DEFAULT 'non-versioned',
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    UNIQUE (checksum, version)
);
CREATE TABLE block_document (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    data TEXT NOT NULL,
    block_schema_id TEXT NOT NULL,
    block_type_id TEXT NOT NULL,
    is_anonymous INTEGER NOT NULL DEFAULT 0,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    UNIQUE (block_type_id, name)
);
CREATE TABLE block_document_reference (
    parent_block_document_id TEXT NOT NULL,
    name TEXT NOT NULL,
    reference_block_document_id TEXT NOT NULL,
    PRIMARY KEY (parent_block_document_id, name)
);
CREATE TABLE concurrency_limit (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    slot_limit INTEGER NOT NULL,
    active INTEGER NOT NULL DEFAULT 1,
    slot_decay_per_second DOUBLE PRECISION NOT NULL DEFAULT 0,
    decaying_slots DOUBLE PRECISION NOT NULL DEFAULT 0,
    decayed_at BIGINT NOT NULL DEFAULT 0,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
);
CREATE TABLE concurrency_lease (
    id TEXT NOT NULL,
    limit_id TEXT NOT NULL,
    slots INTEGER NOT NULL,
    expires BIGINT NOT NULL,
    owner_host TEXT,
    owner_boot TEXT,
    owner_pid INTEGER,
    owner_started TEXT,
    PRIMARY KEY (id, limit_id)
);
CREATE INDEX concurrency_lease_by_limit ON concurrency_lease (limit_id, expires);
CREATE TABLE flow_run_input (
    flow_run_id TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    sender TEXT,
    created BIGINT NOT NULL,
    PRIMARY KEY (flow_run_id, key)
);
