-- Returns when every request has its outcome. Looks at the last request alone for as long as it has
-- none, so that waiting takes little from those who are measured; holds no snapshot between looks.
SET enable_seqscan = off;
SET jit = off;
SET statement_timeout = '20min';
DO $$
DECLARE
    last bigint;
BEGIN
    LOOP
        SELECT max(r.request_id) INTO last FROM wallet.request AS r;
        IF last IS NULL OR EXISTS (SELECT FROM wallet.transfer AS t WHERE t.request_id = last)
            OR EXISTS (SELECT FROM wallet.outcome AS o WHERE o.request_id = last)
        THEN
            EXIT WHEN (SELECT q.queued = 0 FROM wallet.queue AS q);
        END IF;
        COMMIT;
        PERFORM pg_sleep(0.02);
    END LOOP;
END
$$;
