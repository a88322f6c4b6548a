-- 0001: what the application's role may do. It owns nothing; on the record it may read and insert.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'eucora_app') THEN
        CREATE ROLE eucora_app NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;  -- another database of this cluster was faster
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = 'the role eucora_app does not exist and this role may not create it',
            HINT = 'as an administrator run: CREATE ROLE eucora_app NOLOGIN';
END $$;

GRANT USAGE ON SCHEMA public TO eucora_app;

GRANT SELECT, INSERT ON event TO eucora_app;
GRANT SELECT ON stream_head TO eucora_app;
REVOKE ALL ON FUNCTION open_stream(text), ensure_partition(date), advance_streams() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION open_stream(text) TO eucora_app;

GRANT SELECT, INSERT ON evidence_pack, risk_assessment, cab_vote, submission TO eucora_app;
GRANT SELECT, INSERT, UPDATE ON
    deployment, ring_run, plane_run, cab_request, risk_model, policy_document, line_stop, idempotency_key TO eucora_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON hold, change_claim TO eucora_app;
GRANT SELECT ON alembic_version TO eucora_app;
