DROP INDEX task_run_by_state;
CREATE INDEX task_run_by_state ON task_run (state_type, id);
