-- 0001: the record. Events are inserted, never changed; their insertion alone advances the head of their stream.

CREATE TABLE stream_head (
    stream VARCHAR NOT NULL,
    stream_month DATE NOT NULL,
    length BIGINT NOT NULL,
    hash VARCHAR NOT NULL,
    PRIMARY KEY (stream)
) WITH (fillfactor = 70);
CREATE INDEX stream_head_month ON stream_head (stream_month);

-- Numbers of transactions, also after the database was restored into a cluster that has counted less far:
-- eucora.store.migrate replaces both functions with a shift when the record is ahead of the cluster.
CREATE FUNCTION event_transaction() RETURNS bigint LANGUAGE sql VOLATILE
    AS 'SELECT pg_catalog.pg_current_xact_id()::text::bigint + 0';
CREATE FUNCTION event_horizon() RETURNS bigint LANGUAGE sql STABLE
    AS 'SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint + 0';

CREATE TABLE event (
    stream_month DATE NOT NULL,
    stream VARCHAR NOT NULL,
    sequence BIGINT NOT NULL,
    type VARCHAR NOT NULL,
    actor VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    at timestamptz NOT NULL,
    correlation_id VARCHAR NOT NULL,
    ring VARCHAR,
    plane VARCHAR,
    payload JSON NOT NULL,
    error_class VARCHAR NOT NULL,
    previous_hash VARCHAR NOT NULL,
    hash VARCHAR NOT NULL,
    tenant VARCHAR NOT NULL,
    transaction BIGINT DEFAULT event_transaction() NOT NULL,
    stored_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (stream_month, stream, sequence)
) PARTITION BY RANGE (stream_month);
CREATE INDEX event_transaction ON event (transaction, stream, sequence);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'insufficient_privilege',
        MESSAGE = format('the record is append-only: %s on %s is refused', TG_OP, TG_TABLE_NAME);
END $$;

-- ENABLE ALWAYS: also for a session that sets session_replication_role.
CREATE TRIGGER event_is_append_only BEFORE UPDATE OR DELETE ON event
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE event ENABLE ALWAYS TRIGGER event_is_append_only;
CREATE TRIGGER event_is_not_truncated BEFORE TRUNCATE ON event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE event ENABLE ALWAYS TRIGGER event_is_not_truncated;

CREATE FUNCTION refuse_head_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.stream = OLD.stream AND NEW.stream_month = OLD.stream_month AND NEW.length > OLD.length THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'insufficient_privilege',
        MESSAGE = format('the head of a stream only moves forward: %s on %s is refused', TG_OP, TG_TABLE_NAME);
END $$;
CREATE TRIGGER stream_head_moves_forward BEFORE UPDATE OR DELETE ON stream_head
    FOR EACH ROW EXECUTE FUNCTION refuse_head_change();
ALTER TABLE stream_head ENABLE ALWAYS TRIGGER stream_head_moves_forward;
CREATE TRIGGER stream_head_is_not_truncated BEFORE TRUNCATE ON stream_head
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE stream_head ENABLE ALWAYS TRIGGER stream_head_is_not_truncated;

-- The rights of the owner: the application may not touch heads itself.
CREATE FUNCTION advance_streams() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    head public.stream_head;
    one record;
BEGIN
    FOR one IN
        SELECT stream, stream_month, sequence, previous_hash, hash FROM inserted ORDER BY stream, sequence
    LOOP
        IF head.stream IS DISTINCT FROM one.stream THEN
            IF head.stream IS NOT NULL THEN
                UPDATE public.stream_head SET length = head.length, hash = head.hash WHERE stream = head.stream;
            END IF;
            SELECT * INTO head FROM public.stream_head WHERE stream = one.stream FOR UPDATE;
        END IF;
        IF head.stream IS NULL OR head.stream_month <> one.stream_month OR head.length + 1 <> one.sequence
            OR head.hash <> one.previous_hash
        THEN
            RAISE EXCEPTION USING
                ERRCODE = 'integrity_constraint_violation',
                MESSAGE = format('event %s of %s does not continue its stream', one.sequence, one.stream);
        END IF;
        head.length := one.sequence;
        head.hash := one.hash;
    END LOOP;
    IF head.stream IS NOT NULL THEN
        UPDATE public.stream_head SET length = head.length, hash = head.hash WHERE stream = head.stream;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER event_advances_its_stream AFTER INSERT ON event
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION advance_streams();
ALTER TABLE event ENABLE ALWAYS TRIGGER event_advances_its_stream;

-- Attached, not created in place: attaching does not wait for those who are writing to other partitions.
CREATE FUNCTION ensure_partition(month date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    first date := date_trunc('month', month)::date;
    name text := 'event_' || to_char(first, 'YYYY_MM');
BEGIN
    IF to_regclass('public.' || name) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('eucora event partition'));
    IF to_regclass('public.' || name) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format(
        'CREATE TABLE public.%I (LIKE public.event INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', name);
    EXECUTE format(
        'CREATE TRIGGER event_is_not_truncated BEFORE TRUNCATE ON public.%I'
        ' FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change()', name);
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER event_is_not_truncated', name);
    EXECUTE format(
        'CREATE TRIGGER event_advances_its_stream AFTER INSERT ON public.%I'
        ' REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION public.advance_streams()', name);
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER event_advances_its_stream', name);
    EXECUTE format(
        'ALTER TABLE public.event ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
        name, first, (first + interval '1 month')::date);
    EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER event_is_append_only', name);
END $$;

-- Locks a stream for the rest of the transaction, begins it if it is new, and says where it stands.
CREATE FUNCTION open_stream(wanted text, OUT month date, OUT head_length bigint, OUT head_hash text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    SELECT stream_month, length, hash INTO month, head_length, head_hash
        FROM public.stream_head WHERE stream = wanted FOR UPDATE;
    IF NOT FOUND THEN
        month := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
        PERFORM public.ensure_partition(month);
        INSERT INTO public.stream_head (stream, stream_month, length, hash)
            VALUES (wanted, month, 0, repeat('0', 64)) ON CONFLICT (stream) DO NOTHING;
        SELECT stream_month, length, hash INTO month, head_length, head_hash
            FROM public.stream_head WHERE stream = wanted FOR UPDATE;
    END IF;
END $$;

-- The coming year, so that the first stream of a month finds its partition.
SELECT ensure_partition((date_trunc('month', now() AT TIME ZONE 'UTC') + ahead * interval '1 month')::date)
    FROM generate_series(0, 12) AS ahead;
