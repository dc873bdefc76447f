-- Statements for both databases, by name; first what a document shows of its own row and of others, by resource.
-- Listings are sorted by what is named by_..., and narrowed by what is named if_..., where there is such a column, in the
-- place of the one with the plain name; the first are expressions that have an index, or a place for rows without a value.

-- What stands in other tables is looked up column by column, not joined: what nobody asks for is then not looked up.

-- name: flows
SELECT r.*, (SELECT MIN(d.id) FROM deployment d WHERE d.flow_id = r.id) AS if_deployment
FROM flow r

-- name: flow_runs
SELECT r.*,
    (SELECT f.name FROM flow f WHERE f.id = r.flow_id) AS flow_name,
    (SELECT s.message FROM flow_run_state s WHERE s.id = r.state_id) AS state_message,
    (SELECT s.details FROM flow_run_state s WHERE s.id = r.state_id) AS state_details,
    (SELECT s.data FROM flow_run_state s WHERE s.id = r.state_id) AS state_data,
    (SELECT q.name FROM work_queue q WHERE q.id = r.work_queue_id) AS work_queue_name,
    (SELECT q.work_pool_id FROM work_queue q WHERE q.id = r.work_queue_id) AS work_pool_id,
    (SELECT p.name FROM work_queue q JOIN work_pool p ON p.id = q.work_pool_id WHERE q.id = r.work_queue_id)
        AS work_pool_name,
    CASE r.state_type WHEN 'SCHEDULED' THEN r.expected_start_time END AS next_scheduled_start_time,
    r.expected_start_time AS by_next_scheduled_start_time,
    COALESCE(r.start_time, r.expected_start_time, r.end_time) AS by_start_time, COALESCE(r.end_time, 0) AS by_end_time,
    (SELECT t.flow_run_id FROM task_run t WHERE t.id = r.parent_task_run_id) AS if_parent_flow_run_id
FROM flow_run r

-- name: task_runs
SELECT r.*,
    CASE r.state_type WHEN 'SCHEDULED' THEN r.expected_start_time END AS next_scheduled_start_time,
    r.expected_start_time AS by_next_scheduled_start_time, COALESCE(r.end_time, 0) AS by_end_time,
    (SELECT MIN(f.id) FROM flow_run f WHERE f.parent_task_run_id = r.id) AS if_subflow_runs
FROM task_run r

-- name: logs
SELECT r.*, r.timestamp AS created, r.message AS if_text FROM log r

-- name: artifacts
SELECT r.*, r.metadata AS metadata_, COALESCE(r.key, '') AS by_key FROM artifact r

-- name: artifact_collections
SELECT r.*,
    (SELECT a.type FROM artifact a WHERE a.id = r.latest_id) AS type,
    (SELECT a.description FROM artifact a WHERE a.id = r.latest_id) AS description,
    (SELECT a.data FROM artifact a WHERE a.id = r.latest_id) AS data,
    (SELECT a.metadata FROM artifact a WHERE a.id = r.latest_id) AS metadata_,
    (SELECT a.flow_run_id FROM artifact a WHERE a.id = r.latest_id) AS flow_run_id,
    (SELECT a.task_run_id FROM artifact a WHERE a.id = r.latest_id) AS task_run_id
FROM artifact_collection r

-- name: deployments
SELECT r.*,
    (SELECT f.name FROM flow f WHERE f.id = r.flow_id) AS flow_name,
    r.name || '/' || COALESCE((SELECT f.name FROM flow f WHERE f.id = r.flow_id), '') AS if_flow_or_deployment_name,
    (SELECT q.name FROM work_queue q WHERE q.id = r.work_queue_id) AS work_queue_name,
    (SELECT q.work_pool_id FROM work_queue q WHERE q.id = r.work_queue_id) AS work_queue_work_pool_id,
    (SELECT q.last_polled FROM work_queue q WHERE q.id = r.work_queue_id) AS work_queue_last_polled,
    (SELECT p.name FROM work_queue q JOIN work_pool p ON p.id = q.work_pool_id WHERE q.id = r.work_queue_id)
        AS work_pool_name,
    NULL AS global_concurrency_limit
FROM deployment r

-- name: work_queues
SELECT r.*, (SELECT p.name FROM work_pool p WHERE p.id = r.work_pool_id) AS work_pool_name FROM work_queue r

-- name: workers
SELECT r.*, COALESCE(r.last_heartbeat_time, 0) AS by_last_heartbeat_time FROM worker r

-- name: block_schemas
SELECT r.*, r.capabilities AS if_block_capabilities FROM block_schema r

-- name: block_documents
SELECT r.*, (SELECT t.slug FROM block_type t WHERE t.id = r.block_type_id) AS slug FROM block_document r

-- What became of the runs that were expected within spans of time, and for how long they ran and were late, in all.
-- A run that runs, or that is late to begin, does so until :now.

-- name: history
SELECT (expected_start_time - :start) / :width AS span, state_type, state_name, COUNT(*) AS count_runs,
    SUM(total_run_time + CASE state_type WHEN 'RUNNING' THEN :now - state_timestamp ELSE 0 END) AS run_time,
    SUM(CASE WHEN began > expected_start_time THEN began - expected_start_time ELSE 0 END) AS lateness
FROM (
    SELECT *, CASE WHEN start_time IS NULL AND end_time IS NULL THEN :now
        ELSE COALESCE(start_time, expected_start_time) END AS began
    FROM ({runs}) AS narrowed
) AS runs
WHERE expected_start_time >= :start AND expected_start_time < :start + :number * :width
GROUP BY span, state_type, state_name

-- Runs. A run that waits for its retry or for a person waits in its process, and dies with it as well.

-- name: ended
('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED')

-- name: unfinished_of_host
SELECT id, owner_host, owner_boot, owner_pid, owner_started FROM flow_run
WHERE state_type IN ('SCHEDULED', 'PENDING', 'RUNNING', 'PAUSED', 'CANCELLING') AND owner_host = :host

-- name: unfinished_subflows
SELECT r.id FROM task_run t JOIN flow_run r ON r.parent_task_run_id = t.id
WHERE t.flow_run_id = :run AND r.state_type NOT IN {ended}

-- name: unfinished_task_runs
SELECT id FROM task_run WHERE flow_run_id = :run AND state_type NOT IN {ended} ORDER BY id

-- name: unfinished_without_flow
SELECT id, owner FROM task_run WHERE owner IS NOT NULL

-- name: crash_task_run
UPDATE task_run SET state_id = :state_id, state_type = :type, state_name = :name, state_timestamp = :at,
    end_time = :at, owner = NULL, history = history || :line
WHERE id = :id AND state_type NOT IN {ended}
RETURNING id

-- name: insert_task_runs
INSERT INTO task_run (
    id, flow_run_id, name, task_key, dynamic_key, created, task_version, cache_key, policy, tags, labels, task_inputs,
    state_id, state_type, state_name, state_timestamp, run_count, flow_run_run_count, expected_start_time, start_time,
    end_time, total_run_time, owner, history)

-- name: newer
(excluded.state_type IN {ended}, excluded.state_timestamp) >= (task_run.state_type IN {ended}, task_run.state_timestamp)

-- name: update_task_runs
ON CONFLICT (id) DO UPDATE SET
    history = task_run.history || excluded.history,
    name = CASE WHEN {newer} THEN excluded.name ELSE task_run.name END,
    cache_key = CASE WHEN {newer} THEN excluded.cache_key ELSE task_run.cache_key END,
    task_inputs = CASE WHEN {newer} THEN excluded.task_inputs ELSE task_run.task_inputs END,
    run_count = CASE WHEN {newer} THEN excluded.run_count ELSE task_run.run_count END,
    start_time = CASE WHEN {newer} THEN excluded.start_time ELSE task_run.start_time END,
    end_time = CASE WHEN {newer} THEN excluded.end_time ELSE task_run.end_time END,
    total_run_time = CASE WHEN {newer} THEN excluded.total_run_time ELSE task_run.total_run_time END,
    owner = CASE WHEN {newer} THEN excluded.owner ELSE task_run.owner END,
    state_id = CASE WHEN {newer} THEN excluded.state_id ELSE task_run.state_id END,
    state_type = CASE WHEN {newer} THEN excluded.state_type ELSE task_run.state_type END,
    state_name = CASE WHEN {newer} THEN excluded.state_name ELSE task_run.state_name END,
    state_timestamp = CASE WHEN {newer} THEN excluded.state_timestamp ELSE task_run.state_timestamp END

-- name: is_new_batch
INSERT INTO received_batch (id, received) VALUES (:id, :now) ON CONFLICT DO NOTHING RETURNING id

-- name: insert_logs
INSERT INTO log (name, level, message, timestamp, flow_run_id, task_run_id)

-- Concurrency limits. Slots are taken by leases or, where they come back by themselves, as long as they have not.

-- name: limits
SELECT c.*, CASE
    WHEN c.slot_decay_per_second <= 0 THEN COALESCE((
        SELECT SUM(l.slots) FROM concurrency_lease l WHERE l.limit_id = c.id AND l.expires > :now
    ), 0)
    WHEN c.decayed_at >= :now THEN c.decaying_slots
    WHEN c.decaying_slots <= (:now - c.decayed_at) * c.slot_decay_per_second / 1e6 THEN 0
    ELSE c.decaying_slots - (:now - c.decayed_at) * c.slot_decay_per_second / 1e6
END AS taken
FROM concurrency_limit c

-- name: all_limits
{limits} ORDER BY c.name

-- name: limit_of_name
{limits} WHERE c.name = :name AND c.active = 1

-- name: held_leases
SELECT id, limit_id FROM concurrency_lease WHERE expires > :now ORDER BY id

-- A lease that is asked for again, since the answer was lost, takes its own place.

-- name: forget_leases
DELETE FROM concurrency_lease WHERE expires <= :now OR id = :id

-- name: unrenewed_leases
SELECT id, limit_id, slots FROM concurrency_lease
WHERE limit_id = (SELECT id FROM concurrency_limit WHERE name = :name) AND expires >= :never
ORDER BY id

-- name: forget_limit
DELETE FROM concurrency_lease WHERE limit_id = (SELECT id FROM concurrency_limit WHERE name = :name)

-- name: forget_decay
UPDATE concurrency_limit SET decaying_slots = 0 WHERE name = :name
