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
    60000000 + CASE
        WHEN r.last_polled > COALESCE((SELECT q.last_polled FROM work_queue q WHERE q.id = r.work_queue_id), 0)
            THEN r.last_polled
        ELSE (SELECT q.last_polled FROM work_queue q WHERE q.id = r.work_queue_id)
    END AS ready_until,
    (SELECT p.name FROM work_queue q JOIN work_pool p ON p.id = q.work_pool_id WHERE q.id = r.work_queue_id)
        AS work_pool_name,
    NULL AS global_concurrency_limit
FROM deployment r

-- What is ready, or a worker that is there, is so until 60 seconds after it was last asked for its runs, as with Prefect,
-- or until the third heartbeat that did not come.

-- name: work_pools
SELECT r.*, (
    SELECT MAX(w.last_heartbeat_time + 3000000 * COALESCE(NULLIF(w.heartbeat_interval_seconds, 0), 30))
    FROM worker w WHERE w.work_pool_id = r.id
) AS ready_until
FROM work_pool r

-- name: work_queues
SELECT r.*, (SELECT p.name FROM work_pool p WHERE p.id = r.work_pool_id) AS work_pool_name,
    r.last_polled + 60000000 AS ready_until
FROM work_queue r

-- name: workers
SELECT r.*, COALESCE(r.last_heartbeat_time, 0) AS by_last_heartbeat_time,
    r.last_heartbeat_time + 3000000 * COALESCE(NULLIF(r.heartbeat_interval_seconds, 0), 30) AS ready_until
FROM worker r

-- name: block_schemas
SELECT r.*, r.capabilities AS if_block_capabilities FROM block_schema r

-- name: block_documents
SELECT r.*, (SELECT t.slug FROM block_type t WHERE t.id = r.block_type_id) AS slug FROM block_document r

-- What became of the runs that were expected within spans of time, and for how long they ran and were late, in all.
-- A run that runs, or that is late to begin, does so until :now.

-- name: history
SELECT (expected_start_time - :start) / :width AS span, state_type, state_name, COUNT(*) AS count_runs,
    SUM(total_run_time + CASE state_type WHEN 'RUNNING' THEN :now - state_timestamp ELSE 0 END) / 1e6
        AS sum_estimated_run_time,
    SUM(CASE WHEN began > expected_start_time THEN began - expected_start_time ELSE 0 END) / 1e6
        AS sum_estimated_lateness
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

-- Work: runs of schedules, and the claims that workers have on runs. An active run is one that a process has begun.

-- name: active
('PENDING', 'RUNNING', 'CANCELLING')

-- The pool of that name, or without a name the one whose queue the deployment has.

-- name: pool_of_deployment
SELECT p.id FROM work_pool p WHERE p.name = :name OR CAST(:name AS TEXT) IS NULL AND p.id IN (
    SELECT q.work_pool_id FROM deployment d JOIN work_queue q ON q.id = d.work_queue_id WHERE d.id = :deployment
)

-- name: to_plan
SELECT s.id FROM deployment_schedule s JOIN deployment d ON d.id = s.deployment_id
WHERE s.active = 1 AND d.paused = 0 AND s.replan <= :now ORDER BY s.replan, s.id LIMIT :most

-- name: forget_planned
DELETE FROM flow_run WHERE deployment_id = :deployment AND auto_scheduled = 1
    AND state_type = 'SCHEDULED' AND state_name = 'Scheduled' AND expected_start_time > :now
RETURNING id

-- What is planned up to some moment to come is so up to now only; what nobody has planned yet is still to be planned. Of
-- who is paused it is noted as planned for ever, so that nothing is made up for once that ends.

-- name: plan_anew
UPDATE deployment_schedule SET replan = 0, planned = CASE
    WHEN active = 0 OR EXISTS (SELECT 1 FROM deployment d WHERE d.id = deployment_id AND d.paused = 1)
        THEN 9000000000000000
    WHEN COALESCE(planned, created) > :now THEN :now
    ELSE COALESCE(planned, created)
END
WHERE deployment_id = :deployment

-- Why slots whose time has come do not become runs any more: the reason goes by what their schedules say of that.

-- name: overdue
SELECT id, reason FROM (
    SELECT r.id, CASE
        WHEN s.overlap = 'skip' AND EXISTS (
            SELECT 1 FROM flow_run a WHERE a.schedule_id = s.id AND a.id <> r.id AND a.state_type IN {active}
        ) THEN 'An earlier run of this schedule was still active, and overlap is ''skip''.'
        WHEN :now - r.expected_start_time > 1000000 * COALESCE(
            s.max_lateness, CASE s.catchup WHEN 'none' THEN 60 ELSE 1e12 END
        ) THEN 'Nobody started it in time; see max_lateness and catchup of its schedule.'
        WHEN ROW_NUMBER() OVER (PARTITION BY r.schedule_id ORDER BY r.expected_start_time DESC)
            > CASE COALESCE(s.catchup, 'all') WHEN 'all' THEN 1e12 WHEN 'none' THEN 1 WHEN 'latest' THEN 1
                ELSE CAST(REPLACE(REPLACE(s.catchup, 'all(', ''), ')', '') AS INTEGER) END
            THEN 'Later slots had come before anybody started it, and its schedule catches up only ' || s.catchup || '.'
    END AS reason
    FROM flow_run r JOIN deployment_schedule s ON s.id = r.schedule_id
    WHERE r.state_type = 'SCHEDULED' AND r.state_name IN ('Scheduled', 'Late') AND r.expected_start_time <= :now
        AND (s.catchup IS NOT NULL OR s.max_lateness IS NOT NULL OR s.overlap IS NOT NULL)
) AS due WHERE reason IS NOT NULL

-- A run that was made long after its time, as one that fills in for the past, is not late.

-- name: late
SELECT r.id, r.expected_start_time AS slot, 'It has not started: ' || CASE
    WHEN d.paused = 1 AND r.auto_scheduled = 1 THEN 'its deployment is paused.'
    WHEN q.id IS NULL THEN 'it has no work pool, and no process serves its flow.'
    WHEN p.is_paused = 1 THEN 'the work pool ' || p.name || ' is paused.'
    WHEN q.is_paused = 1 THEN 'the work queue ' || q.name || ' is paused.'
    WHEN NOT EXISTS (SELECT 1 FROM worker w WHERE w.work_pool_id = p.id AND w.last_heartbeat_time > :alive)
        THEN 'no worker of its pool is there; start one with `orchestrate worker start -p ' || p.name || '`.'
    WHEN d.concurrency_limit <= (
        SELECT COUNT(*) FROM flow_run a WHERE a.deployment_id = d.id AND a.state_type IN {active}
    ) THEN 'its deployment has as many runs as it may have at a time.'
    WHEN q.concurrency_limit <= (
        SELECT COUNT(*) FROM flow_run a WHERE a.work_queue_id = q.id AND a.state_type IN {active}
    ) THEN 'the work queue ' || q.name || ' has as many runs as it may have at a time.'
    WHEN p.concurrency_limit <= (
        SELECT COUNT(*) FROM flow_run a JOIN work_queue o ON o.id = a.work_queue_id
        WHERE o.work_pool_id = p.id AND a.state_type IN {active}
    ) THEN 'the work pool ' || p.name || ' has as many runs as it may have at a time.'
    ELSE 'all workers of its pool are busy.'
END AS reason
FROM flow_run r
LEFT JOIN deployment d ON d.id = r.deployment_id
LEFT JOIN work_queue q ON q.id = r.work_queue_id
LEFT JOIN work_pool p ON p.id = q.work_pool_id
WHERE r.state_type = 'SCHEDULED' AND r.state_name = 'Scheduled' AND r.expected_start_time < :late
    AND r.created <= r.expected_start_time + 60000000 AND r.deployment_id IS NOT NULL
ORDER BY r.expected_start_time LIMIT 25

-- The most urgent runs of a pool that may start by then and that have a free slot; of which queues, each in quotes, or it
-- is empty.

-- name: scheduled
WITH taken AS (
    SELECT a.work_queue_id AS id, COUNT(*) AS number FROM flow_run a JOIN work_queue o ON o.id = a.work_queue_id
    WHERE o.work_pool_id = :pool AND a.state_type IN {active} GROUP BY a.work_queue_id
), due AS (
    SELECT r.id, q.work_pool_id, r.work_queue_id, r.expected_start_time, q.priority,
        q.concurrency_limit - COALESCE((SELECT t.number FROM taken t WHERE t.id = q.id), 0) AS free_of_queue,
        p.concurrency_limit - (SELECT COALESCE(SUM(t.number), 0) FROM taken t) AS free_of_pool,
        ROW_NUMBER() OVER (PARTITION BY q.id ORDER BY r.expected_start_time, r.id) AS place
    FROM work_pool p
    JOIN work_queue q ON q.work_pool_id = p.id
    JOIN flow_run r ON r.work_queue_id = q.id
    LEFT JOIN deployment d ON d.id = r.deployment_id
    WHERE p.id = :pool AND p.is_paused = 0 AND q.is_paused = 0 AND r.state_type = 'SCHEDULED'
        AND r.expected_start_time <= :before AND (r.auto_scheduled = 0 OR COALESCE(d.paused, 0) = 0)
        AND (:queues = '' OR REPLACE(:queues, '"' || q.name || '"', '') <> :queues)
), urgent AS (
    SELECT id, work_pool_id, work_queue_id, free_of_pool,
        ROW_NUMBER() OVER (ORDER BY priority, expected_start_time, id) AS place
    FROM due WHERE free_of_queue IS NULL OR place <= free_of_queue
)
SELECT id, work_pool_id, work_queue_id FROM urgent
WHERE place <= :most AND (free_of_pool IS NULL OR place <= free_of_pool) ORDER BY place

-- name: expired_claims
SELECT id FROM run_claim WHERE expires <= :now

-- name: end_claim
DELETE FROM run_claim WHERE id = :id AND expires <= :now RETURNING flow_run_id

-- name: renew_claim
UPDATE run_claim SET expires = :expires WHERE id = :id
RETURNING (SELECT r.state_type FROM flow_run r WHERE r.id = run_claim.flow_run_id) AS state_type

-- An event that tells of a state has its id, by which states sort in the order of their making.

-- name: untold
SELECT s.id, s.flow_run_id FROM flow_run_state s JOIN flow_run r ON r.id = s.flow_run_id
WHERE s.id >= :first AND NOT EXISTS (SELECT 1 FROM event e WHERE e.id = s.id)
ORDER BY s.id

-- The most urgent runs that a worker may start; of which queues, each in quotes, or it is empty. Where limits hold
-- for some of them, the first of them changes what may be said of the others.

-- name: claimable
WITH taken AS (
    SELECT a.work_queue_id AS id, COUNT(*) AS number FROM flow_run a JOIN work_queue o ON o.id = a.work_queue_id
    WHERE o.work_pool_id = :pool AND a.state_type IN {active} GROUP BY a.work_queue_id
)
SELECT r.id, p.concurrency_limit IS NOT NULL OR q.concurrency_limit IS NOT NULL OR d.concurrency_limit IS NOT NULL
    OR s.overlap IS NOT NULL AS is_limited
FROM work_pool p
JOIN work_queue q ON q.work_pool_id = p.id
JOIN flow_run r ON r.work_queue_id = q.id
LEFT JOIN deployment d ON d.id = r.deployment_id
LEFT JOIN deployment_schedule s ON s.id = r.schedule_id
WHERE p.id = :pool AND p.is_paused = 0 AND q.is_paused = 0 AND r.state_type = 'SCHEDULED'
    AND r.expected_start_time <= :now AND (r.auto_scheduled = 0 OR COALESCE(d.paused, 0) = 0)
    AND (:queues = '' OR REPLACE(:queues, '"' || q.name || '"', '') <> :queues)
    AND (p.concurrency_limit IS NULL OR p.concurrency_limit > (SELECT COALESCE(SUM(t.number), 0) FROM taken t))
    AND (q.concurrency_limit IS NULL
        OR q.concurrency_limit > COALESCE((SELECT t.number FROM taken t WHERE t.id = q.id), 0))
    AND (d.concurrency_limit IS NULL OR d.concurrency_limit > (
        SELECT COUNT(*) FROM flow_run a WHERE a.deployment_id = d.id AND a.state_type IN {active}
    ))
    AND (COALESCE(s.overlap, 'allow') = 'allow' OR NOT EXISTS (
        SELECT 1 FROM flow_run a WHERE a.schedule_id = s.id AND a.id <> r.id AND a.state_type IN {active}
    ))
    AND NOT EXISTS (SELECT 1 FROM run_claim c WHERE c.flow_run_id = r.id AND c.expires > :now)
ORDER BY q.priority, r.expected_start_time, r.id LIMIT :most

-- name: note_poll
UPDATE work_queue SET last_polled = :now
WHERE work_pool_id = :pool AND (:queues = '' OR REPLACE(:queues, '"' || name || '"', '') <> :queues)
