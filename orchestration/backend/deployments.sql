-- The pool of that name, or without a name the one whose queue the deployment has.
SELECT p.id FROM work_pool p WHERE p.name = :name OR CAST(:name AS TEXT) IS NULL AND p.id IN (
    SELECT q.work_pool_id FROM deployment d JOIN work_queue q ON q.id = d.work_queue_id WHERE d.id = :deployment
);

-- By queue of a pool, how many runs take a slot.
SELECT r.work_queue_id AS id, COUNT(*) AS number FROM flow_run r JOIN work_queue q ON q.id = r.work_queue_id
WHERE q.work_pool_id = :pool AND r.state_type IN ('PENDING', 'RUNNING', 'CANCELLING') GROUP BY r.work_queue_id;

-- The most urgent runs of a pool that may start by then.
SELECT r.id, r.work_queue_id FROM flow_run r JOIN work_queue q ON q.id = r.work_queue_id
LEFT JOIN deployment d ON d.id = r.deployment_id
WHERE q.work_pool_id = :pool AND q.is_paused = 0 AND r.state_type = 'SCHEDULED' AND r.expected_start_time <= :before
AND (r.auto_scheduled = 0 OR COALESCE(d.paused, 0) = 0)
ORDER BY q.priority, r.expected_start_time, r.id LIMIT 1000;
